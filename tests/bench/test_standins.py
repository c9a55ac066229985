"""The stand-ins over their real protocols: what they say, and that nothing comes sooner than it should."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientWebSocketResponse
from aiohttp.test_utils import TestClient, TestServer

from bench.conversation.hearing import Script
from bench.conversation.latencies import Latencies
from bench.conversation.standins import ANSWER, AT_LENGTH, GREETING, StandIns, answer, speech_s, tokens

RATE = 16_000
LATENCIES = Latencies(stt_s=0.3, llm_s=0.05, tts_s=0.05, finalize_s=0.1)
PIECES = [
    {"text": "A table for", "begin_s": 0.0, "end_s": 0.6},
    {"text": "four people.", "begin_s": 1.6, "end_s": 2.2},
]
LISTEN = f"/v1/listen?model=one&sample_rate={RATE}&interim_results=true"


@pytest.fixture
async def client() -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(StandIns(LATENCIES).app())) as client:
        yield client


async def told(client: TestClient[Any, Any], call: str = "one") -> None:
    async with client.post("/say", json={"call": call, "pieces": PIECES}) as response:
        assert response.ok


async def log(client: TestClient[Any, Any], kind: str) -> list[dict[str, Any]]:
    async with client.get("/log") as response:
        return [one for one in await response.json() if one["kind"] == kind]


async def speak(socket: ClientWebSocketResponse, *parts: tuple[str, float]) -> None:
    """Send sound at once, in messages of 50 ms, as the plugin does."""
    for what, seconds in parts:
        level = 8000 if what == "loud" else 0
        for _ in range(round(seconds / 0.05)):
            await socket.send_bytes(np.full(RATE // 20, level, "<i2").tobytes())


async def final(socket: ClientWebSocketResponse) -> dict[str, Any]:
    while True:
        result = json.loads((await socket.receive(timeout=60)).data)
        if result["is_final"]:
            return dict(result)


def text(result: dict[str, Any]) -> str:
    return str(result["channel"]["alternatives"][0]["transcript"])


async def test_the_words_of_a_pause_come_in_two_pieces_each_after_its_last_loud_sample(
    client: TestClient[Any, Any],
) -> None:
    async with client.ws_connect(LISTEN) as socket:
        await told(client)
        await speak(socket, ("loud", 0.6), ("quiet", 0.6))
        assert text(await final(socket)) == "A table for"
        await speak(socket, ("quiet", 0.4), ("loud", 0.6), ("quiet", 0.6))
        assert text(await final(socket)) == "four people."
    assert [one["at"] - one["loud_at"] >= LATENCIES.stt_s for one in await log(client, "stt")] == [True, True]


async def test_no_words_are_final_while_somebody_speaks_on(client: TestClient[Any, Any]) -> None:
    async with client.ws_connect(LISTEN) as socket:
        await told(client)
        await speak(socket, ("loud", 0.6), ("quiet", 0.1), ("loud", 1.5), ("quiet", 0.6))
        assert text(await final(socket)) == "A table for four people."


async def test_interims_have_the_words_so_far(client: TestClient[Any, Any]) -> None:
    async with client.ws_connect(LISTEN) as socket:
        await told(client)
        await speak(socket, ("loud", 0.4))
        result = json.loads((await socket.receive(timeout=60)).data)
        assert not result["is_final"]
        assert text(result) in {"A", "A table"}


async def test_finalize_brings_what_was_said_and_the_rest_comes_later(client: TestClient[Any, Any]) -> None:
    async with client.ws_connect(LISTEN) as socket:
        await told(client)
        await speak(socket, ("loud", 0.6), ("quiet", 0.05))
        await socket.send_json({"type": "Finalize"})
        asked = await final(socket)
        assert (text(asked), asked["from_finalize"]) == ("A table for", True)
        await speak(socket, ("quiet", 0.95), ("loud", 0.6), ("quiet", 0.6))
        assert text(await final(socket)) == "four people."


async def test_finalize_is_answered_when_nobody_has_said_anything(client: TestClient[Any, Any]) -> None:
    async with client.ws_connect(LISTEN) as socket:
        await socket.send_json({"type": "Finalize"})
        assert text(await final(socket)) == ""


async def test_each_call_hears_its_own_caller(client: TestClient[Any, Any]) -> None:
    async with client.ws_connect(LISTEN) as mine, client.ws_connect(LISTEN.replace("one", "two")) as other:
        await told(client, "two")
        await speak(mine, ("loud", 2.2), ("quiet", 0.6))
        await speak(other, ("loud", 2.2), ("quiet", 0.6))
        assert text(await final(other)) == "A table for four people."
        with pytest.raises(asyncio.TimeoutError):
            await mine.receive(timeout=0.1)


async def test_a_model_answers_token_by_token_after_its_latency(client: TestClient[Any, Any]) -> None:
    body = {"model": "one", "stream": True, "messages": [{"role": "user", "content": "A table for four people."}]}
    async with client.post("/v1/chat/completions", json=body) as response:
        lines = (await response.text()).split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == ANSWER
    [entry] = await log(client, "llm")
    assert entry["call"] == "one"
    assert entry["first_at"] - entry["at"] >= LATENCIES.llm_s


async def test_a_voice_speaks_as_long_as_its_text_takes_and_without_a_pause(client: TestClient[Any, Any]) -> None:
    body = {"model": "one", "input": "Of course, I can do that.", "response_format": "pcm"}
    async with client.post("/v1/audio/speech", json=body) as response:
        sound = np.frombuffer(await response.read(), "<i2").astype(float)
    assert len(sound) == int(speech_s(body["input"]) * 24_000)
    assert (np.abs(sound[: len(sound) // 240 * 240].reshape(-1, 240)).max(axis=1) > 300).all()
    [entry] = await log(client, "tts")
    assert entry["first_at"] - entry["at"] >= LATENCIES.tts_s


def test_who_asks_for_everything_is_answered_at_length() -> None:
    asked = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Tell me everything."}]
    assert answer(asked) == AT_LENGTH
    assert answer([*asked, {"role": "user", "content": "Stop."}]) == ANSWER
    assert answer(asked[:1]) == GREETING


def test_tokens_are_the_whole_text() -> None:
    assert "".join(tokens(ANSWER)) == ANSWER


def test_the_words_of_a_piece_end_with_it() -> None:
    assert [Script.of(PIECES).ends_s[at] for at in (2, 4)] == pytest.approx([0.6, 2.2])

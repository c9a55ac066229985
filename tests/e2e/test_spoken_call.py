"""Real calls over WebRTC through the whole stack, with spoken words and local speech."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.word_errors import word_error_rate
from demo.caller import Caller
from demo.client import ApiError, Client, Json
from demo.recording import listen
from tests.conftest import Until
from tests.servers import ROOT
from tests.telephony.baresip import Baresip
from tests.telephony.bridge import BINARY
from tests.telephony.exchange import Exchange
from tests.telephony.phone import State
from tests.whole_stack import WholeStack

SENTENCES = sorted((ROOT / "demo" / "caller").glob("*.ogg"))
SPOKEN = "Hello, my name is Anna Miller. I would like to book a table for four people, please."  # by the first two
LOUD = 1000  # of a sample that belongs to a word
MISHEARD = 0.5  # the share of words that may be wrong where one machine speaks, hears and thinks
GREETING = "Hello, this is the restaurant. How can I help you?"
POST_CALL = {
    "recording": {"enabled": True},
    "summary": {"enabled": True},
    "structured_extraction": {"json_schema": {"type": "object", "properties": {"name": {"type": "string"}}}},
    "evaluation": {"criteria": "Was the agent friendly?"},
}
# Starting everything, and speaking in real time, takes its time where two cores do all of it.
pytestmark = [pytest.mark.timeout(300), pytest.mark.restless]


@pytest.fixture
async def client(whole_stack: WholeStack) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, whole_stack.url, whole_stack.key)


@asynccontextmanager
async def call_with_agent(client: Client, **agent: Any) -> AsyncIterator[tuple[str, Caller]]:
    """A new call's id, and a caller who is in its room."""
    prompt = "You take bookings for a restaurant. Answer in one short sentence."
    made = await client.post(
        "/v1/agents", {"name": "Test", "system_prompt": prompt, "first_message": GREETING, **agent}
    )
    people = [{"transport": "webrtc", "identity": "anna"}]
    call = await client.post("/v1/calls", {"agent_id": made["id"], "participants": people})
    caller = Caller()
    try:
        access = call["participants"][0]["access"]
        await caller.join(access["url"], access["token"])
        yield call["id"], caller
    finally:
        await caller.leave()


async def words_of(client: Client, call_id: str, speaker: str) -> str:
    """What one side has said for certain so far, as the API shows it; nothing before the first segment."""
    try:
        shown = await client.get(f"/v1/calls/{call_id}/transcript")
    except ApiError:
        return ""
    return " ".join(segment["text"] for segment in segments(shown) if segment["speaker"] == speaker)


def segments(shown: Json) -> Iterator[Json]:
    final = [segment for segment in shown["segments"] if segment["is_final"]]
    yield from sorted(final, key=lambda segment: segment["sequence"])


async def test_a_spoken_call_is_transcribed_recorded_and_analysed(
    client: Client, whole_stack: WholeStack, tmp_path: Path
) -> None:
    assert f"Language model: scripted of Ollama at {whole_stack.providers.url}" in whole_stack.output
    async with call_with_agent(client, post_call=POST_CALL) as (call_id, caller):
        await caller.hear_answer()
        for sentence in SENTENCES[:2]:
            await caller.say(sentence)
            await caller.hear_answer()
    kinds = [kind async for kind, _ in client.stream(call_id)]
    assert kinds[-1] == "end"

    detail = await client.get(f"/v1/calls/{call_id}")
    assert (detail["status"], detail["end_reason"]) == ("completed", "caller_hung_up")
    heard = await words_of(client, call_id, "user")
    assert word_error_rate(SPOKEN, heard) <= MISHEARD, heard
    assert GREETING in await words_of(client, call_id, "agent")

    result = detail["intelligence"]
    assert result["status"] == "completed"
    assert result["errors"] == []
    assert result["summary"] == "Anna Miller wants a table for four people."
    assert result["sentiment"] == "positive"
    assert result["structured_data"] == {"name": "Anna Miller"}
    assert result["evaluation"] == {"passed": True, "score": 0.9, "reasoning": "The agent was friendly."}

    recording = tmp_path / "recording"
    recording.write_bytes(await client.download(detail["recording"]["metadata"]["stereo_mix"]["signed_url"]))
    caller_s, agent_s = listen(recording).sounding
    assert caller_s > 3
    assert agent_s > 2


async def test_a_call_outlives_the_only_worker(client: Client, whole_stack: WholeStack, until: Until) -> None:
    worker = whole_stack.process("worker")
    async with call_with_agent(client) as (call_id, caller):
        await caller.hear_answer()
        await caller.say(SENTENCES[1])
        said = await until(lambda: words_of(client, call_id, "user"))
        os.killpg(os.getpgid(worker.pid), signal.SIGKILL)

        async def agent_is_back() -> bool:
            return "away for a moment" in await words_of(client, call_id, "agent")

        await until(agent_is_back, 90)
        assert (await words_of(client, call_id, "user")).startswith(said)
        assert GREETING in await words_of(client, call_id, "agent")
    kinds = [kind async for kind, _ in client.stream(call_id)]
    assert kinds[-1] == "end"
    detail = await client.get(f"/v1/calls/{call_id}")
    assert (detail["status"], detail["end_reason"]) == ("completed", "caller_hung_up")
    assert [event["data"] for event in detail["events"] if event["kind"] == "agent.lost"] == [{"reason": "died"}]
    assert [segment["sequence"] for segment in detail["transcript"]["segments"]] == list(
        range(len(detail["transcript"]["segments"]))
    )


@pytest.mark.skipif(BINARY is None, reason="no livekit-sip on the PATH, and CALLROOM_SIP_BIN names none")
async def test_a_phone_calls_and_is_called(
    client: Client, whole_stack: WholeStack, tmp_path: Path, until: Until
) -> None:
    assert f"Phones are on: SIP at 127.0.0.1:{whole_stack.ports['sip_port']}" in whole_stack.output
    bridge = ("127.0.0.1", whole_stack.ports["sip_port"])
    async with Exchange(bridge) as exchange, Baresip("+4930111", tmp_path / "phone", exchange.uri) as phone:
        exchange.phones.append(phone)
        agent = await client.post(
            "/v1/agents", {"name": "Test", "system_prompt": "Be brief.", "first_message": GREETING}
        )
        await client.post("/v1/numbers", {"number": "+4930123456", "agent_id": agent["id"]})
        login = {"username": exchange.username, "password": exchange.password}
        await client.put("/v1/telephony/trunk", {"address": exchange.uri, "allowed_addresses": ["127.0.0.1"], **login})

        async def phones_work() -> bool:
            return bool((await client.get("/v1/telephony/status"))["connected"])

        await until(phones_work)
        await phone.dial("+4930123456")
        await until(lambda: phone.state is State.ANSWERED)
        await until(lambda: abs(phone.heard).max(initial=0) > LOUD)  # the greeting
        await phone.hang_up()

        called = [{"transport": "pstn", "identity": "+4930111"}]
        call = await client.post("/v1/calls", {"agent_id": agent["id"], "participants": called})
        await until(lambda: phone.rings == ["+4930123456"] and phone.state is State.ANSWERED)
        await client.post(f"/v1/calls/{call['id']}/end", {})
        await until(lambda: phone.state is State.ENDED)

"""Real calls over WebRTC through the whole stack, with spoken words and local speech."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.caller import Caller
from demo.client import ApiError, Client, Json
from demo.recording import listen
from tests.conftest import Until
from tests.servers import ROOT, answers
from tests.whole_stack import WholeStack

SENTENCES = sorted((ROOT / "demo" / "caller").glob("*.ogg"))
SPOKEN = "hello my name is anna miller i would like to book a table for four people please"  # by the first two
GREETING = "Hello, this is the restaurant. How can I help you?"
POST_CALL = {
    "recording": {"enabled": True},
    "summary": {"enabled": True},
    "structured_extraction": {"json_schema": {"type": "object", "properties": {"name": {"type": "string"}}}},
    "evaluation": {"criteria": "Was the agent friendly?"},
}
# Starting everything, and speaking in real time, takes its time where two cores do all of it.
pytestmark = pytest.mark.timeout(300)


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


def heard(text: str) -> float:
    """The share of the spoken words that are in a text: on a machine that is busy, some are misheard."""
    spoken, words = SPOKEN.split(), re.findall(r"\w+", text.lower())
    return sum(word in words for word in spoken) / len(spoken)


def segments(shown: Json) -> Iterator[Json]:
    final = [segment for segment in shown["segments"] if segment["is_final"]]
    yield from sorted(final, key=lambda segment: segment["sequence"])


async def test_a_spoken_call_is_transcribed_recorded_and_analysed(client: Client, tmp_path: Path) -> None:
    async with call_with_agent(client, post_call=POST_CALL) as (call_id, caller):
        await caller.hear_answer()
        for sentence in SENTENCES[:2]:
            await caller.say(sentence)
            await caller.hear_answer()
    kinds = [kind async for kind, _ in client.stream(call_id)]
    assert kinds[-1] == "end"

    detail = await client.get(f"/v1/calls/{call_id}")
    assert (detail["status"], detail["end_reason"]) == ("completed", "caller_hung_up")
    assert heard(await words_of(client, call_id, "user")) > 0.5
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


async def test_what_was_said_before_the_worker_is_killed_is_kept_and_the_call_ends(
    client: Client,
    whole_stack: WholeStack,
    until: Until,
) -> None:
    worker = whole_stack.process("worker")
    async with call_with_agent(client) as (call_id, caller):
        await caller.hear_answer()
        await caller.say(SENTENCES[1])
        said = await until(lambda: words_of(client, call_id, "user"))
        os.killpg(os.getpgid(worker.pid), signal.SIGKILL)
        assert heard(said) > 0.1  # the half of it was spoken
        assert (await words_of(client, call_id, "user")).startswith(said)
        assert GREETING in await words_of(client, call_id, "agent")

        async def ended() -> Json | None:
            detail = await client.get(f"/v1/calls/{call_id}")
            return detail if detail["status"] == "completed" else None

        assert (await until(ended, 60))["end_reason"] == "agent_lost"
    port = whole_stack.ports["worker_port"]
    await until(lambda: asyncio.to_thread(answers, f"http://127.0.0.1:{port}/readyz"), 60)

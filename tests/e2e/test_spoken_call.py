"""Real calls over WebRTC through the whole stack, with spoken words and local speech."""

import json
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.word_errors import word_error_rate
from demo.caller import AgentSilent, Caller
from demo.client import ApiError, Client, Json
from demo.recording import listen
from tests.conftest import Until
from tests.providers import Chat
from tests.servers import ROOT
from tests.telephony.baresip import Baresip
from tests.telephony.bridge import BINARY
from tests.telephony.exchange import Exchange
from tests.telephony.phone import State
from tests.whole_stack import WholeStack, model

SENTENCES = sorted((ROOT / "demo" / "caller").glob("*.ogg"))
SPOKEN = "Hello, my name is Anna Miller. I would like to book a table for four people, please."  # by the first two
LOUD = 1000  # of a sample that belongs to a word
MISHEARD = 0.75  # the share of words that may be wrong where one busy machine speaks, hears and thinks
GREETING = "Hello, this is the restaurant. How can I help you?"
MARK = "Marzipan"  # in what is said and found, and nowhere else
POST_CALL: dict[str, Any] = {
    "recording": {"enabled": True},
    "summary": {"enabled": True, "prompt": "Mind the wishes."},
    "structured_extraction": {
        "json_schema": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "guests": {"type": "integer", "description": "How many come"},
            },
        }
    },
}
OWN = {"evaluation": {"rubric": "Did the agent: 1) greet, 2) book a table?"}}
REASON = "The agent was friendly."
SUMMARY = {"summary": f"A table for four, with {MARK}.", "sentiment": "positive"}
FOUND: dict[str, Any] = {
    "structured_data": {"name": MARK, "guests": 4},
    "evaluation": {
        "passed": True,
        "score": 0.9,
        "reasoning": REASON,
        "criteria": [{"criterion": point, "passed": True, "reasoning": REASON} for point in ("greet", "book a table?")],
    },
}
# Starting everything, and speaking in real time, takes its time where two cores do all of it.
pytestmark = [pytest.mark.timeout(300), pytest.mark.restless]


@pytest.fixture
async def client(whole_stack: WholeStack) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, whole_stack.url, whole_stack.key)


@asynccontextmanager
async def call_with_agent(
    client: Client, *, own: Json | None = None, **agent: Any
) -> AsyncIterator[tuple[str, Caller]]:
    """A new call's id, and a caller who is in its room; `own` is the `post_call` of the call itself."""
    prompt = "You take bookings for a restaurant. Answer in one short sentence."
    made = await client.post(
        "/v1/agents", {"name": "Test", "system_prompt": prompt, "first_message": GREETING, **agent}
    )
    people = [{"transport": "webrtc", "identity": "anna"}]
    call = await client.post("/v1/calls", {"agent_id": made["id"], "participants": people, "post_call": own or {}})
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


def analyst(chat: Chat) -> str | Json:
    """A model as people have them: it thinks aloud, forgets the end of a fence, and is wrong at first."""
    if "response_format" not in chat.body:
        return f"Certainly, with {MARK}."
    match chat.body["response_format"]["json_schema"]["name"]:
        case "summary":
            return f"<think>What do they want?</think>Here it is:\n```json\n{json.dumps(SUMMARY)}"
        case "extraction":
            return {"name": MARK, "guests": 4 if "<problems>" in chat.last_user else "four"}
        case _:
            verdicts = {str(n): {"reasoning": REASON, "passed": True} for n in (1, 2)}
            return {"criteria": verdicts, "reasoning": REASON, "passed": True, "score": 0.9}


async def test_a_spoken_call_is_transcribed_recorded_analysed_and_erased(
    client: Client, whole_stack: WholeStack, tmp_path: Path, until: Until
) -> None:
    assert f"Language model: scripted of Ollama at {whole_stack.providers.url}" in whole_stack.output
    whole_stack.providers.answer_with(analyst)
    try:
        async with call_with_agent(client, own=OWN, post_call=POST_CALL) as (call_id, caller):
            await caller.hear_answer()
            for sentence in SENTENCES[:2]:
                await talk(caller, sentence)
            assert (await client.get(f"/v1/calls/{call_id}"))["intelligence_status"] == "not_started"
        kinds = [kind async for kind, _ in client.stream(call_id)]
        assert kinds[-1] == "end"
        detail = await client.get(f"/v1/calls/{call_id}")
        await expect_words(client, detail)
        await expect_analysis(client, detail, whole_stack.providers.chats)
        await expect_another_analysis(client, detail, whole_stack, until)
    finally:
        whole_stack.providers.answer_with(model)
    link = await expect_recording(client, detail, tmp_path)
    await expect_erasure(client, detail, link, whole_stack, until)


async def expect_words(client: Client, detail: Json) -> None:
    assert (detail["status"], detail["end_reason"]) == ("completed", "caller_hung_up")
    heard = await words_of(client, detail["id"], "user")
    assert word_error_rate(SPOKEN, heard) <= MISHEARD, heard
    assert GREETING in await words_of(client, detail["id"], "agent")
    assert re.match(r"Agent: Hello(.|\n)+\nCaller: ", detail["transcript"]["text"])


async def expect_analysis(client: Client, detail: Json, chats: list[Chat]) -> None:
    """By the agent's sections and the call's own, from the transcript, which is data, and when it took place."""
    assert detail["intelligence"] == {"status": "completed", **SUMMARY, **FOUND, "errors": []}
    assert await client.get(f"/v1/calls/{detail['id']}/summary") == {"status": "completed", **SUMMARY}
    began = datetime.fromisoformat(detail["started_at"])
    asked = [chat for chat in chats if MARK in chat.last_user and "response_format" in chat.body]
    assert len(asked) == 4, "what was wrong was asked for again"
    for chat in asked:
        assert chat.last_user.startswith(f"<transcript>\n{detail['transcript']['text']}\n</transcript>")
        assert f"{began:%A, %Y-%m-%d, %H:%M} UTC" in chat.system
        assert MARK not in chat.system
    systems = "".join(chat.system for chat in asked)
    assert all(told in systems for told in ("Mind the wishes.", "How many come", "2. book a table?"))


async def expect_another_analysis(client: Client, detail: Json, whole_stack: WholeStack, until: Until) -> None:
    """By the agent's sections of now and the call's own; the part that fails shows what was found before."""
    path = f"/v1/calls/{detail['id']}"
    unlike = {**POST_CALL, "summary": {"enabled": True, "prompt": "Mind the dessert."}}
    await client.put(f"/v1/agents/{detail['agent_id']}", {"post_call": unlike})
    whole_stack.providers.answer_with(lambda chat: "Nice." if is_judge(chat) else analyst(chat))
    await client.post(f"{path}/reprocess", {})

    async def is_there() -> list[Json]:
        made = (await client.get(f"{path}/intelligence"))["generations"]
        return made if [one["status"] for one in made] == ["completed"] * 2 else []

    again, first = await until(is_there)
    assert (again["generation"], again["evaluation"]) == (2, None)
    assert again["errors"] == ["evaluation: The model's answer is not JSON."]
    assert again["post_call"]["summary"]["prompt"] == "Mind the dessert."
    assert again["post_call"]["evaluation"] == first["post_call"]["evaluation"] == OWN["evaluation"]
    shown = (await client.get(path))["intelligence"]
    assert shown == {**detail["intelligence"], "errors": again["errors"]}
    assert any("Mind the dessert." in chat.system for chat in whole_stack.providers.chats)


def is_judge(chat: Chat) -> bool:
    return "response_format" in chat.body and "rubric" in chat.system


async def expect_recording(client: Client, detail: Json, folder: Path) -> str:
    """Of both sides, by a link that is good for this file alone, and for a part of it."""
    told = (await client.get(f"/v1/calls/{detail['id']}/recording"))["recording"]
    link = str(told["metadata"]["stereo_mix"]["signed_url"])
    recording = folder / "recording"
    recording.write_bytes(await client.download(link))
    caller_s, agent_s = listen(recording).sounding
    assert caller_s > 3
    assert agent_s > 2
    assert await ask("GET", link, Range="bytes=0-3") == (206, b"RIFF")
    assert (await ask("HEAD", link))[0] == 200
    assert (await ask("GET", link.replace(detail["id"], str(uuid.UUID(int=1)))))[0] == 403
    return link


async def expect_erasure(client: Client, detail: Json, link: str, whole_stack: WholeStack, until: Until) -> None:
    """Nothing is left of it in any file of the stack's, the logs too, but its bill."""
    marked = [path for path, content in files_of(whole_stack.folder) if MARK.encode() in content]
    assert marked
    assert [path for path in marked if "logs" in path.parts] == []
    url = f"{whole_stack.url}/v1/calls/{detail['id']}"
    assert (await ask("DELETE", url, Authorization=f"Bearer {whole_stack.key}"))[0] == 204

    def traces() -> list[Path]:
        found = files_of(whole_stack.folder)
        return [path for path, content in found if detail["id"] in path.name or MARK.encode() in content]

    await until(lambda: not traces())
    assert (await ask("GET", link))[0] in {403, 404}
    left = await client.get(f"/v1/calls/{detail['id']}")
    billed = ("status", "started_at", "ended_at", "bill_duration")
    assert [left[name] for name in billed] == [detail[name] for name in billed]
    assert (left["transcript"]["text"], left["recording"]["status"]) == ("", "disabled")


async def talk(caller: Caller, sentence: Path) -> None:
    """Say it and hear the answer; what was lost while the machine stood still is said once more."""
    await caller.say(sentence)
    try:
        await caller.hear_answer()
    except AgentSilent:
        await caller.say(sentence)
        await caller.hear_answer()


def files_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """What is in the files of a stack that runs, but for those that it removes meanwhile."""
    for place, _, names in os.walk(folder):  # it passes over a folder that is gone
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                if path.is_file():
                    yield path, path.read_bytes()


async def ask(method: str, url: str, **headers: str) -> tuple[int, bytes]:
    async with aiohttp.request(method, url, headers=headers) as answer:
        return answer.status, await answer.read()


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
    first, *others = [event["data"]["reason"] for event in detail["events"] if event["kind"] == "agent.lost"]
    assert first == "died"
    assert set(others) <= {"absent"}  # on a busy machine the next one may not come in time
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
        await until(lambda: phone.state is State.ENDED)  # it has one line

        called = [{"transport": "pstn", "identity": "+4930111"}]
        call = await client.post("/v1/calls", {"agent_id": agent["id"], "participants": called})
        await until(lambda: phone.rings == ["+4930123456"] and phone.state is State.ANSWERED)
        await client.post(f"/v1/calls/{call['id']}/end", {})
        await until(lambda: phone.state is State.ENDED)

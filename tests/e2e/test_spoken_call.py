"""Real calls over WebRTC through the whole stack, with spoken words and local speech."""

import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from bench.word_errors import word_error_rate
from calls.database.engine import Database
from calls.tables import calls, segments
from demo.caller import AgentSilent, Caller
from demo.client import ApiError, Client, Json
from demo.recording import listen
from tests.conftest import Until
from tests.providers import Chat, field
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
MARK, OTHER_MARK = "Marzipan", "Nougat"  # in what is said and found, and nowhere else
CARD = "My card number is four five three nine, one four eight eight, zero three four three, six four six seven."
CONFIDED = [  # in the voice "rms", in which recognition hears "at" apart from what stands before it
    f"{CARD} Please send it to {address} dot com."
    for place in ("garden", "restaurant")
    for address in (f"peter at {place}", f"office at {place}", f"peter dot miller at {place}")
]
LONG_NUMBER = re.compile(r"\d(?:[ ,.-]{0,2}\d){7,}")  # however recognition groups it, and whatever digit it mishears
STORY = [
    f"This is sentence number {number} of a story that is longer than the model's context." for number in range(250)
]
CONTEXT = 3000  # tokens
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
    client: Client, *, own: Json | None = None, people: tuple[str, ...] = ("anna",), **agent: Any
) -> AsyncIterator[tuple[str, Sequence[Caller]]]:
    """A new call's id, and its callers, who are in its room; `own` is the `post_call` of the call itself."""
    prompt = "You take bookings for a restaurant. Answer in one short sentence."
    made = await client.post(
        "/v1/agents", {"name": "Test", "system_prompt": prompt, "first_message": GREETING, **agent}
    )
    named = [{"transport": "webrtc", "identity": name} for name in people]
    call = await client.post("/v1/calls", {"agent_id": made["id"], "participants": named, "post_call": own or {}})
    callers = [Caller() for _ in people]
    try:
        for caller, place in zip(callers, call["participants"], strict=True):
            await caller.join(place["access"]["url"], place["access"]["token"])
        yield call["id"], callers
    finally:
        for caller in callers:
            await caller.leave()


async def words_of(client: Client, call_id: str, speaker: str) -> str:
    """What one side has said for certain so far, as the API shows it; nothing before the first segment."""
    try:
        shown = await client.get(f"/v1/calls/{call_id}/transcript")
    except ApiError:
        return ""
    return " ".join(segment["text"] for segment in in_order(shown) if segment["speaker"] == speaker)


def in_order(shown: Json) -> Iterator[Json]:
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


@pytest.fixture
def confided(tmp_path: Path) -> list[Path]:
    """What one caller says that is not to be kept, in other words each time."""
    said = [tmp_path / f"confided-{number}.wav" for number, _ in enumerate(CONFIDED)]
    for text, file in zip(CONFIDED, said, strict=True):
        subprocess.run(["flite", "-voice", "rms", "-t", text, file], check=True)
    return said


async def test_a_spoken_call_is_transcribed_recorded_analysed_and_erased(
    client: Client, whole_stack: WholeStack, tmp_path: Path, confided: list[Path], until: Until
) -> None:
    assert f"Language model: scripted of Ollama at {whole_stack.providers.url}" in whole_stack.output
    whole_stack.providers.answer_with(analyst)
    try:
        features = {"redact": ["card", "email", "phone"]}
        talking = call_with_agent(client, own=OWN, people=("anna", "bob"), post_call=POST_CALL, features=features)
        async with talking as (call_id, [anna, bob]):
            await anna.hear_answer()
            for sentence in SENTENCES[:2]:
                await talk(anna, sentence)
            await confide(client, call_id, bob, confided)
            await until(lambda: numbers_asked(whole_stack))
            assert (await client.get(f"/v1/calls/{call_id}"))["intelligence_status"] == "not_started"
        kinds = [kind async for kind, _ in client.stream(call_id)]
        assert kinds[-1] == "end"
        detail = await client.get(f"/v1/calls/{call_id}")
        expect_words(detail)
        expect_nothing_confided(detail, whole_stack)
        await expect_analysis(client, detail, whole_stack.providers.chats)
        await expect_another_analysis(client, detail, whole_stack, until)
    finally:
        whole_stack.providers.answer_with(model)
    link = await expect_recording(client, detail, tmp_path)
    await expect_erasure(client, detail, link, whole_stack, until)


async def confide(client: Client, call_id: str, caller: Caller, confided: list[Path]) -> None:
    """Say it until it was understood: a busy machine mishears "at" and "dot", and digits."""
    for sentence in confided:
        await talk(caller, sentence)
        written = await words_of(client, call_id, "user")
        if "[email]" in written and ("[card]" in written or "[phone]" in written):
            return
    pytest.fail(f"not taken out: {written}")


def expect_words(detail: Json) -> None:
    """Of each caller under the own name."""
    assert (detail["status"], detail["end_reason"]) == ("completed", "caller_hung_up")
    said = list(in_order(detail["transcript"]))
    heard = " ".join(segment["text"] for segment in said if segment["participant_identity"] == "anna")
    assert word_error_rate(SPOKEN, heard) <= MISHEARD, heard
    assert GREETING in " ".join(segment["text"] for segment in said if segment["speaker"] == "agent")
    assert re.match(r"Agent: Hello(.|\n)+\nanna: (.|\n)+\nbob: ", detail["transcript"]["text"])


def numbers_asked(whole_stack: WholeStack) -> set[str]:
    """The long numbers that the model was told which talks."""
    live = [chat for chat in whole_stack.providers.chats if "response_format" not in chat.body]
    return {number for chat in live for line in chat.user_lines for number in LONG_NUMBER.findall(line)}


def expect_nothing_confided(detail: Json, whole_stack: WholeStack) -> None:
    """The agent's model had to hear the number. Nobody else has it, and no file."""
    numbers = numbers_asked(whole_stack)
    assert numbers
    assert not LONG_NUMBER.search(detail["transcript"]["text"])
    for path, content in files_of(whole_stack.folder):
        assert not any(number.encode() in content for number in numbers), path


async def expect_analysis(client: Client, detail: Json, chats: list[Chat]) -> None:
    """By the agent's sections and the call's own, from the transcript, which is data, and when it took place."""
    parts = detail["intelligence"].pop("parts")
    assert {name: part["status"] for name, part in parts.items()} == dict.fromkeys(
        ("summary", "extraction", "evaluation"), "completed"
    )
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
    """By the agent's sections of now and the call's own; the part that fails shows what was found before.

    The call has grown longer than the model's context meanwhile: it is condensed, and nothing is left out.
    """
    await tell_a_story(whole_stack, detail)
    path = f"/v1/calls/{detail['id']}"
    unlike = {**POST_CALL, "summary": {"enabled": True, "prompt": "Mind the dessert."}}
    await client.put(f"/v1/agents/{detail['agent_id']}", {"post_call": unlike})
    short = field.with_context(CONTEXT)
    whole_stack.providers.answer_with(short(lambda chat: "Nice." if is_judge(chat) else analyst(chat)))
    await client.post(f"{path}/reprocess", {})

    async def is_there() -> list[Json]:
        made = (await client.get(f"{path}/intelligence"))["generations"]
        return made if [one["status"] for one in made] == ["completed"] * 2 else []

    again, first = await until(is_there)
    assert (again["generation"], again["evaluation"]) == (2, None)
    assert again["errors"] == ["evaluation: The model's answer is not JSON."]
    assert again["post_call"]["summary"]["prompt"] == "Mind the dessert."
    assert again["post_call"]["evaluation"] == first["post_call"]["evaluation"] == OWN["evaluation"]
    shown = await client.get(path)
    assert shown["intelligence"].pop("parts")["evaluation"]["status"] == "failed"
    assert shown["intelligence"] == {**detail["intelligence"], "errors": again["errors"]}
    assert "transcript.condensed" in [event["kind"] for event in shown["events"]]
    chats = whole_stack.providers.chats
    assert any("Mind the dessert." in chat.system for chat in chats)
    read = "".join(chat.last_user for chat in chats if "You read part" in chat.system and chat.tokens <= CONTEXT)
    assert all(f"bob: {sentence}" in read for sentence in STORY)


async def tell_a_story(whole_stack: WholeStack, detail: Json) -> None:
    """Have one of the callers say it all, which would take a quarter of an hour."""
    *_, last = in_order(detail["transcript"])
    row = {"call_id": detail["id"], "revision": 0, **last, "speaker": "user", "participant_identity": "bob"}
    rows = [row | {"text": text, "sequence": number} for number, text in enumerate(STORY, last["sequence"] + 1)]
    await execute(whole_stack, sa.insert(segments).values(rows))


async def execute(whole_stack: WholeStack, statement: sa.Executable) -> None:
    """Change what the stack's database has."""
    database = Database(f"sqlite:///{whole_stack.folder / 'callroom.db'}", patience_s=60)
    async with database.writing() as connection:
        await connection.execute(statement)
    await database.close()


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
    marked = traces(whole_stack, detail["id"], MARK)
    assert marked
    assert [path for path in marked if "logs" in path.parts] == []
    url = f"{whole_stack.url}/v1/calls/{detail['id']}"
    assert (await ask("DELETE", url, Authorization=f"Bearer {whole_stack.key}"))[0] == 204
    await until(lambda: not traces(whole_stack, detail["id"], MARK))
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


def traces(whole_stack: WholeStack, call_id: str, mark: str) -> list[Path]:
    """The files in which something of a call is left in which the mark was said."""
    found = files_of(whole_stack.folder)
    return [path for path, content in found if call_id in path.name or mark.encode() in content]


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


async def test_a_call_outlives_the_only_worker_and_is_kept_for_its_days(
    client: Client, whole_stack: WholeStack, until: Until
) -> None:
    worker = whole_stack.process("worker")
    kept: dict[str, Any] = {
        "post_call": {"recording": {"enabled": True}},
        "retention_days": {"transcripts": 1, "recordings": 1},
    }
    whole_stack.providers.answer_with(lambda _chat: f"Certainly, with {OTHER_MARK}.")
    async with call_with_agent(client, **kept) as (call_id, [caller]):
        await caller.hear_answer()
        await caller.say(SENTENCES[1])
        said = await until(lambda: words_of(client, call_id, "user"))
        os.killpg(os.getpgid(worker.pid), signal.SIGKILL)

        async def agent_is_back() -> bool:
            return "away for a moment" in await words_of(client, call_id, "agent")

        await until(agent_is_back, 90)
        assert (await words_of(client, call_id, "user")).startswith(said)
        assert GREETING in await words_of(client, call_id, "agent")
    whole_stack.providers.answer_with(model)
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
    await until(lambda: is_recorded(client, call_id), 90)
    assert traces(whole_stack, call_id, OTHER_MARK)
    two_days_ago = datetime.fromisoformat(detail["ended_at"]) - timedelta(days=2)
    await execute(whole_stack, sa.update(calls).where(calls.c.id == call_id).values(ended_at=two_days_ago))
    whole_stack.process("pipeline").kill()  # it looks at the days when it starts, and then every ten minutes
    await until(lambda: not traces(whole_stack, call_id, OTHER_MARK), 90)
    left = await client.get(f"/v1/calls/{call_id}")
    assert (left["transcript"]["text"], left["recording"]["status"]) == ("", "disabled")
    assert left["participants"] == detail["participants"]


async def is_recorded(client: Client, call_id: str) -> bool:
    return bool((await client.get(f"/v1/calls/{call_id}"))["recording"]["status"] == "ready")


@pytest.mark.skipif(BINARY is None, reason="no livekit-sip on the PATH, and CALLROOM_SIP_BIN names none")
async def test_a_phone_calls_and_is_called(
    client: Client, whole_stack: WholeStack, tmp_path: Path, until: Until
) -> None:
    assert f"Phones are on: SIP at 127.0.0.1:{whole_stack.ports['sip_port']}" in whole_stack.output
    bridge = ("127.0.0.1", whole_stack.ports["sip_port"])
    async with Exchange(bridge) as exchange, Baresip("+4930111", tmp_path / "phone", exchange.uri) as phone:
        exchange.phones.append(phone)
        unwritten = {
            "features": {"transcription_enabled": False},
            "post_call": {"recording": {"enabled": True}, "summary": {"enabled": True}},
        }
        agent = await client.post(
            "/v1/agents", {"name": "Test", "system_prompt": "Be brief.", "first_message": GREETING, **unwritten}
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
        [answered] = (await client.get(f"/v1/agents/{agent['id']}/calls"))["calls"]

        called = [{"transport": "pstn", "identity": "+4930111"}]
        call = await client.post("/v1/calls", {"agent_id": agent["id"], "participants": called})
        await until(lambda: phone.rings == ["+4930123456"] and phone.state is State.ANSWERED)
        await client.post(f"/v1/calls/{call['id']}/end", {})
        await until(lambda: phone.state is State.ENDED)
        await until(lambda: is_recorded(client, answered["id"]))
        detail = await client.get(f"/v1/calls/{answered['id']}")
        assert (detail["intelligence_status"], detail["transcript"]["segments"]) == ("not_started", [])

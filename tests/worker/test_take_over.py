"""A call outlives its agent: whatever kills that, another one goes on with what was said."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import pytest
import pytest_asyncio
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer

from calls.tables import recordings
from calls.tools.records import read_tool_calls
from tests.conftest import Until
from tests.locked import locked
from tests.pipeline.sound import RATE, Pcm, read_sound
from tests.providers import Chat, Providers, ToolCall
from tests.providers.script import Answer
from tests.servers import LiveKitServer, S3Server
from tests.standstill import stand_still
from tests.worker.caller import Caller
from tests.worker.conftest import WITHOUT_A_WORD, Talk, make_settings
from tests.worker.house import House, open_house
from worker.tools.toolbox import UNKNOWN

# One house for all: it takes long to start.
pytestmark = [pytest.mark.restless, pytest.mark.asyncio(loop_scope="module")]

HELLO = "Hello, this is the Blue Door."
QUESTION = "Do you have a table for two people, tonight at eight?"
LONG = "We have a table at seven, one at eight near the window, and one at nine in the garden, which is quiet."
PARTING = " ".join([LONG] * 4)  # nobody has heard all of it by the time that its agent is killed
REST = "And one at nine in the garden."
SHORT = "Eight is fine, see you."
BACK = "Sorry, I was away for a moment."
# What an agent may have begun to say when it is killed.
BEGUN = [" ".join(words[:count]) for words in (BACK.split(), REST.split()) for count in range(1, len(words))]
MOMENT = "One moment, please."
TOOLS = ["look", "book"]
Line = TypeVar("Line", str, tuple[str, str])
CALL: dict[str, Any] = {
    "first_message": HELLO,
    "post_call": {"recording": {"enabled": True}},
    "silence_reminder_s": 600,
    "silence_timeout_s": 900,
    **WITHOUT_A_WORD,
}
TAKEN_OVER = ["agent.lost", "dispatch.repeated", "agent.joined", "agent.returned"]
OVER = ["participant.left", "call.completed", "recording.stored"]
OF_A_BUSY_MACHINE = {"database.back", "latency.corrected"}
CLOSE_S = 1.0  # how far a sound in the recording may be from the time that the transcript gives it
PAUSE_S = 0.3  # what follows sooner is the same stretch of sound


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    livekit: LiveKitServer, scripted: Providers, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """The workers share a machine, the pipeline has another: a recording finds its way through a bucket."""
    folder = tmp_path_factory.mktemp("house")
    where = {"database_url": f"sqlite:///{folder / 'callroom.db'}", "storage_url": "s3://recordings"}
    settings = make_settings(livekit, scripted, migrated_sqlite, folder, agent_return_timeout_s=150, **where)
    (folder / "buckets").mkdir()
    with pytest.MonkeyPatch.context() as environment, S3Server(folder / "buckets") as s3:
        s3.create("recordings")
        for name, value in s3.environment.items():
            environment.setenv(name, value)
        async with open_house(settings) as opened:
            yield opened


@pytest.fixture(autouse=True)
def _script(providers: Providers) -> None:
    def model(chat: Chat) -> Answer:
        if chat.system == "END":
            return [PARTING, ToolCall("end_call")]
        if chat.system.startswith("TOOLS") and (missing := TOOLS[len(results_in(chat)) :]):
            return ToolCall(missing[0])
        if "You were cut off" in str(chat.messages[-1]):
            return REST
        return LONG if chat.system == "LONG" and BACK not in str(chat.messages) else SHORT

    providers.answer_with(model)
    providers.hole_s = 3.0  # a busy machine stands still for so long; between two questions there is an answer
    providers.hear(*[QUESTION] * 50)


def results_in(chat: Chat) -> list[str]:
    """What the model was told that tools have answered."""
    return [str(message["content"]) for message in chat.messages if message["role"] == "tool"]


async def lines_of(call: Talk) -> list[tuple[str, str]]:
    return [(row.speaker, row.text) for row in await call.transcript()]


async def kinds_of(call: Talk) -> list[str]:
    """The kinds of its events, one for several in a row, without those that tell of a busy machine.

    A dispatch may be repeated twice there, a disk stand still for a second, and a voice come later than was known.
    """
    happened = (event.kind for event in await call.events() if event.kind not in OF_A_BUSY_MACHINE)
    return [kind for kind, _ in groupby(happened)]


async def is_saying(call: Talk, speaker: str) -> bool:
    """Whether the speaker is in the middle of a sentence, and has said two seconds of it."""
    row = (await call.transcript())[-1]
    return row.speaker == speaker and not row.is_final and len(row.text) > 30


async def be_greeted(call: Talk, caller: Caller, until: Until) -> None:
    """Until what the caller says is heard, too."""
    await until(lambda: call.said("agent"))
    await caller.wait_audible()


async def hear_half_an_answer(call: Talk, caller: Caller, until: Until) -> None:
    await be_greeted(call, caller, until)
    await caller.say()
    await until(lambda: is_saying(call, "agent"))


def without_repeats(said: list[Line], may_repeat: Line) -> list[Line]:
    """What was said, each thing once but for this one, and nothing of what was only begun."""
    seen = (one for number, one in enumerate(said) if one == may_repeat or one not in said[:number])
    return [one for one in seen if (one if isinstance(one, str) else one[1]) not in BEGUN]


def known_to_the_model(chat: Chat) -> list[str]:
    """What was said, as the model was told."""
    return [str(message["content"]) for message in chat.messages if message["role"] != "system"]


async def is_whole(call: Talk, until: Until) -> None:
    """Transcript and recording have every part of the call, each once and at the same times."""
    await until(call.ended)
    rows = await call.transcript()
    assert [row.sequence for row in rows] == list(range(len(rows)))
    assert all(row.is_final for row in rows)
    assert all(one.started_at_ms <= other.started_at_ms for one, other in pairwise(rows))
    sound = read_sound(await until(lambda: stored_recording(call)))
    for side, speaker in enumerate(("user", "agent")):
        own = [row for row in rows if row.speaker == speaker]
        said = [(row.started_at_ms / 1000, row.ended_at_ms / 1000) for row in own]
        # Of that in whose beginning its agent was killed, no sound may have been kept yet.
        kept = [span for row, span in zip(own, said, strict=True) if row.text not in BEGUN]
        heard = stretches(sound, side)
        begins = [begin for begin, _ in heard]
        # Nor may the first word be written of what an agent had just begun to say when it was killed.
        worded = [begin for begin, end in heard if end - begin > CLOSE_S]
        firsts = [kept[0][0], *(later for (_, end), (later, _) in pairwise(kept) if later > end + 2 * PAUSE_S)]
        assert all(min(abs(first - begin) for begin in begins) < CLOSE_S for first in firsts), (firsts, begins)
        assert all(any(since - CLOSE_S < begin < to + CLOSE_S for since, to in said) for begin in worded), (
            said,
            heard,
        )


async def stored_recording(call: Talk) -> Path | None:
    query = sa.select(recordings.c.key).where(recordings.c.call_id == call.id, recordings.c.status == "ready")
    async with call.database.reading() as connection:
        key = await connection.scalar(query)
    return call.settings.state_dir / "buckets" / "recordings" / key if key else None


def stretches(sound: Pcm, side: int) -> list[list[float]]:
    """From when to when there is something to be heard, in seconds."""
    block = RATE // 50
    loud = np.abs(sound[: len(sound) // block * block, side]).reshape(-1, block).max(axis=1) > 1000
    found: list[list[float]] = []
    for at in np.flatnonzero(loud) / 50:
        if found and at - found[-1][1] < PAUSE_S:
            found[-1][1] = at
        else:
            found.append([at, at])
    return found


async def killed_in_the_agents_sentence(house: House, providers: Providers, until: Until) -> None:
    call = await house.stage.call(system_prompt="LONG", **CALL)
    async with call.caller() as caller:
        await hear_half_an_answer(call, caller, until)
        (await house.job_of(call)).kill()
        await until(lambda: call.has_happened("agent.returned"))
        (await house.job_of(call)).kill()  # which was about to be sorry, and to say the rest
        await until(lambda: has_happened_times(call, "agent.returned", 2))  # nobody hears what is said before
        await until(lambda: call.has_said_also("agent", REST))
        await until(caller.agent_listens)
        await caller.say()
        await until(lambda: call.has_said_also("agent", SHORT))
    # On a busy machine it has been sorry before it is killed, and has said the rest or a part of it; then the next one
    # is sorry, too, and says what is left.
    lines = without_repeats(await lines_of(call), ("user", QUESTION))
    cut = lines[2][1]
    assert LONG.startswith(cut)
    assert lines == [
        ("agent", HELLO),
        ("user", QUESTION),
        ("agent", cut),
        ("agent", BACK),
        ("agent", REST),
        ("user", QUESTION),
        ("agent", SHORT),
    ]
    resumed, *_, last = (
        without_repeats(known_to_the_model(chat), QUESTION)
        for chat in providers.chats
        if chat.system.startswith("LONG") and cut in str(chat.body)
    )
    assert resumed == [HELLO, QUESTION, cut]
    assert last == [HELLO, QUESTION, cut, BACK, REST, QUESTION]
    await is_whole(call, until)
    assert (await kinds_of(call))[-7:] == TAKEN_OVER + OVER


async def killed_in_the_callers_sentence_in_the_pause_and_when_the_caller_was_about_to_leave(
    house: House, providers: Providers, until: Until
) -> None:
    """An answer is owed only after the first time. When it broke off for the last one, the call was over."""
    back = "Entschuldigung, ich war einen Moment weg."

    call = await house.stage.call(system_prompt="GERMAN", language="de", **CALL)
    async with call.caller() as caller:
        await be_greeted(call, caller, until)
        speaking = asyncio.create_task(caller.say(10))
        await until(lambda: is_saying(call, "user"))
        (await house.job_of(call)).kill()
        speaking.cancel()
        caller.hush()
        await until(lambda: call.has_said_also("agent", SHORT))

        await until(caller.agent_listens)
        (await house.job_of(call)).kill()
        await until(lambda: has_said_times(call, back, 2))
        await until(lambda: not caller.agent_is_heard(within=0.5))
        await until(lambda: has_happened_times(call, "agent.returned", 2))

        dispatched = [event.kind for event in await call.events()].count("dispatch.repeated")
        (await house.job_of(call)).kill()
        await until(lambda: has_happened_times(call, "dispatch.repeated", dispatched + 1))
    left_at = datetime.now(UTC)
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert row.ended_at < left_at + timedelta(seconds=4), "the next agent waited longer, for nothing"
    lines = await lines_of(call)
    heard = lines[1][1]
    assert QUESTION.startswith(heard)
    assert lines == [("agent", HELLO), ("user", heard), ("agent", back), ("agent", SHORT), ("agent", back)]
    [asked] = [chat for chat in providers.chats if chat.system.startswith("GERMAN")]
    assert known_to_the_model(asked)[:2] == [HELLO, heard]
    await is_whole(call, until)
    happened = await kinds_of(call)
    since = happened.index("agent.lost")
    assert happened[since : since + 9] == [*TAKEN_OVER, *TAKEN_OVER, "agent.lost"]
    assert "call.completed" in happened, "a third agent that comes just then may be told of after that"


async def killed_while_the_caller_talks_on(house: House, providers: Providers, until: Until) -> None:
    """Into the apology, which with the rest of the sentence is one turn: nobody answers the half of it."""
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="There is a table.")

    async with tool_server(answer) as tools:
        call = await house.stage.call(system_prompt="TOOLS AT ONCE", tools=tools, **CALL)
        async with call.caller() as caller:
            await be_greeted(call, caller, until)
            speaking = asyncio.create_task(caller.say(30))
            await until(lambda: is_saying(call, "user"))
            (await house.job_of(call)).kill()
            await until(lambda: call.has_happened("agent.returned"))
            await until(lambda: hears_again(call))
            speaking.cancel()
            caller.hush()
            await until(lambda: call.has_said_also("agent", SHORT))
            await until(caller.agent_listens)
            await until(lambda: not caller.agent_is_heard(within=1))
    assert asked == ["/look", "/book"], "each was asked once"
    hello, cut, *rest = [line for line in await lines_of(call) if line[1] not in [BACK, *BEGUN]]
    assert (hello, cut[0], rest) == (("agent", HELLO), "user", [("user", QUESTION), ("agent", SHORT)])
    await until(call.ended)


async def hears_again(call: Talk) -> bool:
    """Whether the agent that has come back knows some words of what is said to it."""
    rows = await call.transcript()
    cut = next(number for number, row in enumerate(rows) if row.speaker == "user")
    return any(row.speaker == "user" and len(row.text) > 20 for row in rows[cut + 1 :])


async def killed_in_its_goodbye(house: House, providers: Providers, until: Until) -> None:
    call = await house.stage.call(system_prompt="END", **CALL)
    async with call.caller() as caller:
        await hear_half_an_answer(call, caller, until)
        await until(lambda: call.has_happened("hang_up.begun"))
        (await house.job_of(call)).kill()
        row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "agent_hung_up")
    lines = await lines_of(call)
    cut = lines[2][1]
    assert lines == [("agent", HELLO), ("user", QUESTION), ("agent", cut), ("agent", "Goodbye.")]
    assert PARTING.startswith(cut)
    assert (await kinds_of(call)).count("hang_up.begun") == 1


async def killed_while_a_tool_is_at_work(house: House, providers: Providers, until: Until) -> None:
    """It has passed the time with a word, which is no answer to the caller."""
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/book":
            await asyncio.Event().wait()
        return web.Response(text="There is a table.")

    async with tool_server(answer) as tools:
        call = await house.stage.call(system_prompt="TOOLS", tools=tools, **CALL | {"phrases": {}})
        async with call.caller() as caller:
            await be_greeted(call, caller, until)
            await caller.say()
            await until(lambda: call.has_said_also("agent", MOMENT))
            await until(lambda: "/book" in asked)
            await until(lambda: has_happened_times(call, "tool.called", 2))  # a database that is slow may know it later
            (await house.job_of(call)).kill()
            await until(lambda: call.has_said_also("agent", SHORT))
    assert asked == ["/look", "/book"], "each was asked once"
    [*_, known] = (chat for chat in providers.chats if chat.system == "TOOLS")
    assert results_in(known) == ["There is a table.", UNKNOWN]
    async with call.database.reading() as connection:
        assert [one.status for one in await read_tool_calls(connection, call.id)] == ["completed", "unknown"]
    await until(call.ended)


@asynccontextmanager
async def tool_server(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[list[dict[str, Any]]]:
    """Those of `TOOLS` as an agent has them, on a server that answers so."""
    app = web.Application()
    app.router.add_post("/{name}", answer)
    async with TestServer(app, shutdown_timeout=0.1) as server:
        yield [{"name": name, "url": f"http://127.0.0.1:{server.port}/{name}", "timeout_s": 120} for name in TOOLS]


@pytest.mark.timeout(300)
async def test_another_agent_goes_on_where_one_was_killed(house: House, providers: Providers, until: Until) -> None:
    await house.need_workers(2)
    ways = (
        killed_in_the_agents_sentence,
        killed_in_the_callers_sentence_in_the_pause_and_when_the_caller_was_about_to_leave,
        killed_while_the_caller_talks_on,
        killed_in_its_goodbye,
        killed_while_a_tool_is_at_work,
    )
    await asyncio.gather(*(way(house, providers, until) for way in ways))


@pytest.mark.timeout(300)
async def test_tools_know_what_they_are_asked_again_where_the_database_was_away_and_the_agent_was_killed(
    house: House, until: Until
) -> None:
    """Nobody else knows that they were asked: it was to be written when the database is back."""
    asked: list[tuple[str, str]] = []
    hangs = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers["Idempotency-Key"]))
        if len(asked) == len(TOOLS):
            await hangs.wait()
        return web.Response(text="There is a table.")

    await house.need_workers(2)
    async with tool_server(answer) as tools:
        call = await house.stage.call(system_prompt="TOOLS", tools=tools, **CALL)
        async with call.caller() as caller:
            await be_greeted(call, caller, until)
            await until(lambda: call.has_said("agent", HELLO))
            job = await house.job_of(call)
            with locked(house.settings.database):
                await caller.say()
                await until(lambda: len(asked) == len(TOOLS))
                job.kill()
            await until(lambda: call.has_said_also("agent", BACK))
            await until(lambda: sees_one_agent(caller) and not caller.agent_is_heard(within=0.5))
            await caller.say()
            await until(lambda: call.has_said_also("agent", SHORT))
        hangs.set()
    await until(call.ended)
    once, again = asked[: len(TOOLS)], asked[len(TOOLS) :]
    assert [path for path, _ in once] == ["/look", "/book"]
    assert len({key for _, key in once}) == len(TOOLS)
    assert again == once
    async with call.database.reading() as connection:
        assert [f"{one.status} {one.id}" for one in await read_tool_calls(connection, call.id)] == [
            f"completed {key}" for _, key in once
        ]


@pytest.mark.timeout(300)
async def test_a_worker_that_stands_still_is_replaced_and_has_nothing_to_say_when_it_wakes(
    house: House, until: Until
) -> None:
    await house.need_workers(2)
    call = await house.stage.call(system_prompt="LONG", **CALL)
    async with call.caller() as caller:
        await hear_half_an_answer(call, caller, until)
        worker, job = await house.worker_of(call), await house.job_of(call)
        await stand_still(call.database, partial(os.killpg, worker.pid, signal.SIGSTOP))
        await until(lambda: call.has_said_also("agent", REST))
        await until(lambda: not caller.agent_is_heard(within=0.5))
        known = await lines_of(call), await kinds_of(call)
        heard = caller.seconds_heard()
        os.killpg(worker.pid, signal.SIGCONT)
        await until(lambda: is_gone(job))
        assert (await lines_of(call), await kinds_of(call)) == known
        assert caller.seconds_heard() == heard
        await until(lambda: sees_one_agent(caller))
        await caller.say()
        await until(lambda: call.has_said_also("agent", SHORT))
    await is_whole(call, until)
    assert (await kinds_of(call))[-7:] == TAKEN_OVER + OVER


def sees_one_agent(caller: Caller) -> bool:
    """The caller and not the server is asked, which may list somebody for ever who broke off while he came in again."""
    return sum(identity.startswith("agent") for identity in caller.room.remote_participants) == 1


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.timeout(300)
async def test_a_call_goes_on_as_long_as_some_worker_comes(house: House, until: Until) -> None:
    await house.need_workers(2)
    call = await house.stage.call(system_prompt="LONG", **CALL)
    async with call.caller() as caller:
        await hear_half_an_answer(call, caller, until)
        (await house.worker_of(call)).kill_group()
        await until(lambda: call.has_said_also("agent", REST))

        for worker in house.alive:
            worker.kill_group()
        last = await house.add_worker()
        await until(lambda: has_said_times(call, BACK, 2))
        dying = datetime.now(UTC)
        last.kill_group()
        killed_at = datetime.now(UTC)
        impatient = await house.add_pipeline(agent_return_timeout_s=1)
        row = await until(call.ended)
    impatient.stop()
    assert list(house.settings.recordings_dir.glob(f"{call.id}.*")) != [], "the last agent's is still on the machine"
    await house.add_worker()
    assert (row.status, row.end_reason) == ("completed", "agent_lost")
    assert dying - timedelta(seconds=house.settings.lease_s) < row.ended_at < killed_at + timedelta(seconds=0.5)
    assert row.bill_duration == -(-(row.ended_at - row.started_at) // timedelta(seconds=1))
    await is_whole(call, until)
    happened = await kinds_of(call)
    since = happened.index("agent.lost")
    assert happened[since : since + 9] == [*TAKEN_OVER, *TAKEN_OVER, "agent.lost"]
    assert happened[-2:] == ["call.completed", "recording.stored"]


async def has_happened_times(call: Talk, kind: str, times: int) -> bool:
    return [event.kind for event in await call.events()].count(kind) >= times


async def has_said_times(call: Talk, text: str, times: int) -> bool:
    return [row.text for row in await call.transcript() if row.is_final].count(text) >= times

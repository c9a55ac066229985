"""The database is away while people talk: they notice nothing, and afterwards everything is there, as it happened."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from calls.database.engine import Database
from calls.migrations import migrate
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import participants
from tests.conftest import PATIENCE_S, Until
from tests.providers import Chat, Providers, ToolCall, Utterance
from tests.providers.script import Answer
from tests.servers import LiveKitServer, PostgresCluster
from tests.worker.caller import Caller
from tests.worker.conftest import WITHOUT_A_WORD, Stage, Talk, make_settings
from tests.worker.house import House, open_house

pytestmark = pytest.mark.restless

HELLO = "Hello there."
BACK = "Sorry, I was away for a moment."
GOODBYE = "It was a pleasure to talk to you."
ENDS = "END"  # the prompt of an agent that hangs up when it is asked something
QUESTION_S = 1.2
HOLE_S = 1.5  # between two questions there is an answer, which takes longer
SHORT_S, LONG_S = 2.0, 13.0  # longer than a lease lasts without a sign of life
SLACK = timedelta(seconds=6)  # what a busy machine may take to notice something
PATIENT: dict[str, Any] = {
    "agent_join_timeout_s": 25,
    "dispatch_attempts": 20,
    "join_timeout_s": 120,
}  # for on a busy machine agents come late
RECORDED = {"recording": {"enabled": True}}
CALL: dict[str, Any] = {
    "first_message": HELLO,
    "silence_reminder_s": 600,
    "silence_timeout_s": 900,
    "price_micros_per_minute": 60,  # it costs as much as it lasts
    **WITHOUT_A_WORD,
}

ONCE = {"call.created", "agent.joined", "participant.joined", "call.started", "call.completed"}
# What an outage is no reason for.
NEVER = {"agent.lost", "dispatch.repeated", "part.failed", "part.restarted", "provider.failed", "call.failed"}


# With the thread that starts a server, the server ends too: this one lives as long as the tests.
_THREAD = ThreadPoolExecutor(1)


@dataclass
class Outage:
    """One absence of the database, in which several calls are at once."""

    seconds: float
    take_away: Callable[[], None]
    give_back: Callable[[], None]
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def happen(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(_THREAD, self.take_away)
        self.begun.set()
        await asyncio.sleep(self.seconds)
        await loop.run_in_executor(_THREAD, self.give_back)
        self.over.set()

    async def are_ready(self, calls: int) -> None:
        """Wait until so many more are."""
        for _ in range(calls):
            await self.ready.acquire()

    async def wait(self) -> None:
        """Be ready for it, and return when it has begun."""
        self.ready.release()
        await self.begun.wait()


@dataclass
class Conversation:
    """Questions that a caller asks, and what is heard of the answers."""

    caller: Caller
    until: Until
    questions: int = 0

    async def ask(self) -> None:
        """Ask, and hear the answer to its end."""
        before = self.caller.seconds_heard()
        self.questions += 1
        await self.caller.say(QUESTION_S)
        await self.until(lambda: self.caller.seconds_heard() > before + 0.8)
        await self.quiet()

    async def quiet(self) -> None:
        """On a busy machine there are pauses within an answer: the agent has to say that it is over."""
        await self.until(lambda: self.caller.agent_listens() and not self.caller.agent_is_heard(within=0.6))

    async def greeting(self, within_s: float = PATIENCE_S) -> None:
        """Hear it to its end, and be heard from then on; that it was said, the transcript tells in the end.

        On a busy machine a caller may stand still for some seconds in which it is, and hears nothing of it.
        """
        with suppress(AssertionError):
            await self.until(self.caller.agent_has_been_heard, within_s)
        await self.quiet()
        for microphone in self.caller.room.local_participant.track_publications.values():
            await microphone.wait_for_subscription()

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What the transcript is to be."""
        asked = [
            line
            for number in range(1, self.questions + 1)
            for line in (("user", f"Question {number}."), ("agent", f"The answer to question {number}."))
        ]
        return [("agent", HELLO), *asked]


def script(providers: Providers) -> None:
    """Each caller's questions are numbered; the answer names the one that it answers."""
    heard: Counter[int] = Counter()

    def listen(utterance: Utterance) -> str:
        heard[utterance.stream] += 1
        return f"Question {heard[utterance.stream]}."

    def answer(chat: Chat) -> Answer:
        if chat.system.startswith(ENDS):
            return [GOODBYE, ToolCall("end_call")]
        return f"The answer to {chat.last_user.lower()}"

    providers.hole_s = HOLE_S
    providers.hear_with(listen)
    providers.answer_with(answer)


Course = Callable[[Stage, Until, Outage], Coroutine[Any, Any, None]]


@asynccontextmanager
async def calling(stage: Stage, until: Until, **more: Any) -> AsyncIterator[tuple[Talk, Conversation]]:
    """A call whose caller has heard the greeting."""
    call = await stage.call(**CALL, **more)
    async with call.caller() as caller:
        conversation = Conversation(caller, until)
        await conversation.greeting()
        yield call, conversation


async def agent_comes(call: Talk, until: Until) -> None:
    """A worker that is late, as one is on a busy machine, leaves a call to others once: here there are none.

    The watcher would ask for an agent again, but for somebody who waits for it, and nobody does yet.
    """
    try:
        await until(lambda: call.has_happened("agent.joined"), timeout=20)
    except AssertionError:
        await call.rooms.dispatch_agent(call.room, call.id)
        await until(lambda: call.has_happened("agent.joined"))


async def in_its_middle(stage: Stage, until: Until, *outages: Outage) -> None:
    """One after the other, if there are several."""
    async with calling(stage, until, post_call=RECORDED) as (call, conversation):
        await conversation.ask()
        for outage in outages:
            await outage.wait()
            await conversation.ask()
            answered = 1
            while not outage.over.is_set():
                await conversation.ask()
                answered += 1
            if outage.seconds == LONG_S:
                assert answered >= 2, "the talk goes on"
        await conversation.ask()
        hung_up = datetime.now(UTC)
    await check(call, until, outages[-1], "caller_hung_up", conversation.lines, ended=(hung_up, hung_up))


async def its_agent_is_killed_meanwhile(house: House, stage: Stage, until: Until, outage: Outage) -> None:
    """Another one comes when the database is back, and goes on."""
    async with calling(stage, until) as (call, conversation):
        await conversation.ask()
        job = await house.job_of(call)
        await outage.wait()
        job.kill()
        await outage.over.wait()
        await until(lambda: call.has_said_also("agent", BACK))
        await conversation.quiet()
        await conversation.ask()
        hung_up = datetime.now(UTC)
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert hung_up - SLACK < row.ended_at < hung_up + SLACK
    first = [("user", "Question 1."), ("agent", "The answer to question 1.")]  # of each agent's ears
    said = await call.transcript()
    assert [(line.speaker, line.text) for line in said] == [("agent", HELLO), *first, ("agent", BACK), *first]
    happened = {event.kind for event in await call.events()}
    assert happened >= ONCE | {"agent.lost", "dispatch.repeated", "agent.returned"}


async def before_its_agent(stage: Stage, until: Until, outage: Outage) -> None:
    call = await stage.place(**CALL)
    await outage.wait()
    await call.open_room()
    async with call.caller() as caller:
        conversation = Conversation(caller, until)
        await outage.over.wait()
        back = datetime.now(UTC)
        # Without its database a worker takes no call: when that is back, one has to be asked for once more; and once
        # again if it is late, as one is on a busy machine.
        late = 2 * timedelta(seconds=call.settings.agent_join_timeout_s)
        await conversation.greeting(late.total_seconds() + PATIENCE_S)
        await conversation.ask()
        hung_up = datetime.now(UTC)
    await check(
        call,
        until,
        outage,
        "caller_hung_up",
        conversation.lines,
        started=(back, back + SLACK),
        ended=(hung_up, hung_up),
        late=late,
    )


async def after_its_agent(stage: Stage, until: Until, outage: Outage) -> None:
    call = await stage.call(**CALL)
    await agent_comes(call, until)
    await outage.wait()
    came = datetime.now(UTC)
    async with call.caller() as caller:
        conversation = Conversation(caller, until)
        await conversation.greeting()
        await conversation.ask()
        await outage.over.wait()
        hung_up = datetime.now(UTC)
    await check(
        call, until, outage, "caller_hung_up", conversation.lines, started=(came, came), ended=(hung_up, hung_up)
    )


async def at_its_end_by_the_caller(stage: Stage, until: Until, outage: Outage) -> None:
    async with calling(stage, until, post_call=RECORDED) as (call, conversation):
        await outage.wait()
        await conversation.ask()
        hung_up = datetime.now(UTC)
    await check(call, until, outage, "caller_hung_up", conversation.lines, ended=(hung_up, hung_up))


async def at_its_end_by_the_agent(stage: Stage, until: Until, outage: Outage) -> None:
    async with calling(stage, until, system_prompt=ENDS) as (call, conversation):
        caller = conversation.caller
        await outage.wait()
        await caller.say(QUESTION_S)
        asked = datetime.now(UTC)
        await until(lambda: not caller.room.isconnected())
        closed = datetime.now(UTC)
    lines = [("agent", HELLO), ("user", "Question 1."), ("agent", GOODBYE)]
    await check(call, until, outage, "agent_hung_up", lines, ended=(asked, closed))


async def at_its_end_by_its_length(stage: Stage, until: Until, outage: Outage) -> None:
    # Over before the agent would ask whether somebody is there, which it does not do while its end waits either.
    call = await stage.call(**CALL | {"max_duration_s": 10, "silence_reminder_s": 15})
    await agent_comes(call, until)
    await outage.wait()
    came = datetime.now(UTC)
    async with call.caller() as caller:
        await until(lambda: not caller.room.isconnected())
        closed = datetime.now(UTC)
    await check(call, until, outage, "max_duration", [("agent", HELLO)], started=(came, came), ended=(came, closed))


async def ended_over_the_api_as_soon_as_it_is_back(stage: Stage, until: Until, outage: Outage) -> None:
    call = await stage.call(**CALL, post_call=RECORDED)
    await agent_comes(call, until)
    await outage.wait()
    came = datetime.now(UTC)
    async with call.caller() as caller:
        conversation = Conversation(caller, until)
        await conversation.greeting()
        await conversation.ask()
        await outage.over.wait()
        async with call.database.writing() as connection:
            await CallStore(connection).finish(call.id, EndReason.ENDED_BY_API)
        ended = datetime.now(UTC)
        await call.rooms.delete_room(call.room)
    await check(
        call,
        until,
        outage,
        "ended_by_api",
        conversation.lines,
        started=(came, came),
        ended=(ended, ended),
        in_order=False,
    )


async def check(
    call: Talk,
    until: Until,
    outage: Outage,
    reason: str,
    lines: list[tuple[str, str]],
    *,
    ended: tuple[datetime, datetime],
    started: tuple[datetime, datetime] | None = None,
    late: timedelta = timedelta(0),
    in_order: bool = True,
) -> None:
    """When it is over everything is there: in order, once, and with the times at which it happened.

    An agent that comes `late` was asked for again. Who ended the call may have written that sooner than the agent what
    came before: then it is not `in_order`.
    """
    await outage.over.wait()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", reason)
    assert ended[0] - SLACK < row.ended_at < ended[1] + SLACK
    if started is not None:
        assert started[0] - SLACK < row.started_at < started[1] + late + SLACK
    seconds = (row.ended_at - row.started_at).total_seconds()
    assert seconds <= row.bill_duration == row.cost_micros < seconds + 1

    if "recording" in row.post_call:
        recording = await until(call.recording)
        assert abs(recording.duration_ms / 1000 - seconds) < SLACK.total_seconds()

    said = await call.transcript()
    assert [(line.speaker, line.text) for line in said] == lines
    assert [line.sequence for line in said] == list(range(len(lines)))
    assert all(line.is_final for line in said)
    assert all(earlier.started_at_ms <= later.started_at_ms for earlier, later in pairwise(said))
    assert all(line.started_at_ms <= line.ended_at_ms for line in said)
    assert said[-1].ended_at_ms < (seconds + SLACK.total_seconds()) * 1000

    events = await call.events()
    happened = Counter(event.kind for event in events)
    assert {kind for kind in happened if happened[kind] == 1} >= ONCE, happened
    never = NEVER - {"dispatch.repeated"} if late else NEVER
    assert not never & set(happened), happened
    if in_order:
        assert all(later.created_at > earlier.created_at - SLACK for earlier, later in pairwise(events))
        first, *_, start, end = (event.kind for event in events if event.kind in ONCE)
        assert (first, start, end) == ("call.created", "call.started", "call.completed")
    if outage.seconds == LONG_S and not late:
        longest = max(event.data["seconds"] for event in events if event.kind == "database.back")
        assert LONG_S - SLACK.total_seconds() < longest < 4 * LONG_S
    async with call.database.reading() as connection:
        [person] = (await connection.execute(sa.select(participants).where(participants.c.call_id == call.id))).all()
    assert person.status == "left"
    assert row.started_at - late - SLACK < person.joined_at <= row.started_at
    assert row.ended_at - SLACK < person.left_at <= row.ended_at


async def go_through(house: House, until: Until, outage: Outage, calls: Sequence[Course], others: int = 0) -> None:
    """One outage, and calls that it meets in different places, two of which begin at a time; others are there."""
    async with asyncio.TaskGroup() as tasks:
        for number, call in enumerate(calls):
            tasks.create_task(call(house.stage, until, outage))
            if number % 2:
                await outage.are_ready(2)
        await outage.are_ready(len(calls) % 2 + others)
        await outage.happen()


@pytest.mark.timeout(400)
async def test_calls_outlast_a_database_that_is_away(
    livekit: LiveKitServer,
    breakable_postgres: PostgresCluster,
    providers: Providers,
    migrated_sqlite: Path,
    tmp_path: Path,
    until: Until,
) -> None:
    def restart() -> None:
        breakable_postgres.kill()
        breakable_postgres.start()

    def be_read_only(answer: str) -> None:
        """As a server is that another one takes over from."""
        change = f"ALTER SYSTEM SET default_transaction_read_only = {answer}"
        breakable_postgres.run("psql", "-qAt", "-c", change, "-c", "SELECT pg_reload_conf()")

    name = breakable_postgres.create()

    def let_nobody_in() -> None:
        shut = f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"
        put_out = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        breakable_postgres.run("psql", "-qAt", "-o", "/dev/null", "-c", shut, "-c", put_out)

    def let_in() -> None:
        breakable_postgres.run("psql", "-q", "-c", f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    url = breakable_postgres.url(name)
    database = Database(url)
    await migrate(database)
    await database.close()
    on_sqlite = make_settings(livekit, providers, migrated_sqlite, tmp_path / "sqlite", **PATIENT)
    on_postgres = make_settings(livekit, providers, migrated_sqlite, tmp_path / "postgres", **PATIENT, database_url=url)
    other = sqlite3.connect(tmp_path / "sqlite" / "callroom.db", isolation_level=None, check_same_thread=False)

    away = Outage(LONG_S, breakable_postgres.kill, breakable_postgres.start)
    frozen = Outage(SHORT_S, breakable_postgres.freeze, breakable_postgres.thaw)
    restarted = Outage(0, restart, lambda: None)
    read_only = Outage(SHORT_S, partial(be_read_only, "on"), partial(be_read_only, "off"))
    shut = Outage(SHORT_S, let_nobody_in, let_in)
    locked = Outage(LONG_S, lambda: other.execute("BEGIN IMMEDIATE").close(), lambda: other.execute("ROLLBACK").close())

    script(providers)
    async with open_house(on_postgres, workers=1) as house:
        killed: Course = partial(its_agent_is_killed_meanwhile, house)
        # Many calls at once are work for a small machine: each outage meets some. Those in which nobody talks yet come
        # first, for while they wait for the others they cost least; the one without a room last, for it does not wait
        # long. Every kind of outage at every moment of a call, short and long, is what `make drills` is for.
        calls = (
            after_its_agent,
            ended_over_the_api_as_soon_as_it_is_back,
            in_its_middle,
            killed,
            at_its_end_by_the_caller,
            before_its_agent,
        )
        await go_through(house, until, away, calls)
        async with open_house(on_sqlite, workers=1) as other_house, asyncio.TaskGroup() as meanwhile:
            meanwhile.create_task(go_through(other_house, until, locked, (in_its_middle, before_its_agent)))
            meanwhile.create_task(in_its_middle(house.stage, until, frozen, restarted, read_only, shut))
            await go_through(house, until, frozen, (at_its_end_by_its_length, before_its_agent), others=1)
            await go_through(house, until, restarted, (at_its_end_by_the_agent,), others=1)
            await go_through(house, until, read_only, (), others=1)
            await go_through(house, until, shut, (), others=1)
    other.close()

"""The watcher on a real LiveKit server: calls whose agents do not come, die or stand still."""

import asyncio
import math
import signal
from datetime import timedelta
from functools import partial

import pytest

from calls.placing.creation import NewCall
from calls.tables import call_events
from calls.workers import seats, waiting
from pipeline.deps import Deps
from pipeline.patience import Patience
from pipeline.verdict import MOST_AGENTS
from pipeline.watch import Watcher
from tests.conftest import now
from tests.pipeline.finished import watching
from tests.pipeline.held import held
from tests.pipeline.placed import ended, events_of, legs_of, row_of
from tests.pipeline.watch.watched import (
    begin,
    dispatches,
    is_open,
    joined,
    last_sign,
    look_until_ended,
    place_with_room,
    release,
    take,
)
from tests.standstill import stand_still

pytestmark = pytest.mark.restless


async def test_a_caller_whom_no_agent_joins_gets_more_dispatches_and_then_a_failed_call(open_with, until):
    deps = await open_with(agent_join_timeout_s=0.2, dispatch_attempts=3)
    call = await place_with_room(deps)
    async with joined(deps, call) as caller:
        watcher = Watcher(deps.db, deps.rooms, deps.settings)

        async def all_dispatched() -> bool:
            await watcher.look()
            return int((await row_of(deps.db, call)).dispatches) == 3

        await until(all_dispatched)
        assert len(await dispatches(deps, call)) == 3
        assert await look_until_ended(deps, call, until) == ("failed", "no_agent")
        await until(lambda: not caller.isconnected())
    again = [message for message in await events_of(deps.db, call) if "dispatch" in message]
    assert again == [f"No agent is in the room; dispatch {n}" for n in (2, 3)]
    assert not await is_open(deps, call)


async def test_what_nobody_takes_while_a_worker_that_lives_has_a_seat_is_no_attempt(open_with, until):
    deps = await open_with(agent_join_timeout_s=0.05, dispatch_attempts=1)
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call):

        async def is_asked_again() -> bool:
            async with deps.db.writing() as conn:
                await seats.tell(conn, "worker-1", 1, 0)
            await watcher.look()
            return await is_dispatched(deps, call, 3)

        await until(is_asked_again)
        assert await ended(deps.db, call) is None
        async with deps.db.writing() as conn:
            await seats.tell(conn, "worker-1", 1, 1)
        assert await look_until_ended(deps, call, until) == ("failed", "no_agent")


async def test_an_agent_that_holds_the_lease_is_an_agent(open_with, until):
    deps = await open_with(agent_join_timeout_s=0.01)
    call = await place_with_room(deps)
    await take(deps, call, enters=False)
    async with joined(deps, call):
        watcher = Watcher(deps.db, deps.rooms, deps.settings)
        await until(lambda: deps.rooms.list_participants(call.room_name))
        for _ in range(3):
            await watcher.look()
        assert (await row_of(deps.db, call)).dispatches == 1
        assert await legs_of(deps.db, call) == [("ada", "joining", None)], "that is the agent's to note"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_the_call_of_a_killed_agent_is_offered_at_once_and_was_over_with_its_last_sign_of_life(
    database_url, open_with, until, tmp_path
):
    deps = await open_with(agent_return_timeout_s=6, lease_s=4)
    call = await place_with_room(deps)
    async with joined(deps, call) as caller, watching(deps), held(deps.settings, call.id, tmp_path / "log") as agent:
        agent.kill_group()
        await until(lambda: is_dispatched(deps, call, 2))
        seen = await last_sign(deps, call)
        assert await until(lambda: ended(deps.db, call)) == ("completed", "agent_lost")
        await until(lambda: not caller.isconnected())
    row = await row_of(deps.db, call)
    assert row.ended_at == seen
    assert row.bill_duration == math.ceil((seen - row.started_at).total_seconds())
    assert now() - seen > timedelta(seconds=2)
    assert {"The agent's process died", "The agent's process is gone"} & set(await events_of(deps.db, call))
    assert not await is_open(deps, call)


async def is_dispatched(deps: Deps, call: NewCall, number: int) -> bool:
    return int((await row_of(deps.db, call)).dispatches) >= number


async def test_the_call_of_an_agent_that_stands_still_is_anothers_and_it_has_no_say_any_more(
    open_with, until, tmp_path
):
    deps = await open_with(lease_s=4)
    call = await place_with_room(deps)
    async with joined(deps, call), watching(deps), held(deps.settings, call.id, tmp_path / "log") as agent:
        await asyncio.sleep(5)  # as long as it gives signs of life, nothing happens
        assert "The agent shows no life" not in await events_of(deps.db, call)
        await stand_still(deps.db, partial(agent.send, signal.SIGSTOP))
        await until(lambda: is_dispatched(deps, call, 2))
        assert "The agent shows no life" in await events_of(deps.db, call)
        assert await take(deps, call) == 2
        agent.send(signal.SIGCONT)
        await until(lambda: "over" in agent.output)
        assert await ended(deps.db, call) is None


async def test_a_conversation_without_an_agent_is_offered_every_few_moments(open_with, until):
    deps = await open_with(dispatch_attempts=1)
    call = await place_with_room(deps)
    async with joined(deps, call), watching(deps):
        await release(deps, call, await begin(deps, call))
        await until(lambda: is_dispatched(deps, call, 4))
        assert await times_asked(deps, call) == 1, "that it is asked again is no news"
        token = await take(deps, call)
        count = (await row_of(deps.db, call)).dispatches
        await asyncio.sleep(2)
        assert (await row_of(deps.db, call)).dispatches == count
        await release(deps, call, token)
        await until(lambda: is_dispatched(deps, call, count + 1))
        assert await times_asked(deps, call) == 2
    assert await ended(deps.db, call) is None


async def test_what_nobody_took_while_the_database_was_away_is_offered_at_once_when_it_is_back(
    open_with, until, monkeypatch
):
    """By a clock that the test turns."""
    seconds = [1000.0]
    monkeypatch.setattr("pipeline.watch.Patience", lambda gap_s: Patience(gap_s, lambda: seconds[0]))
    deps = await open_with(agent_join_timeout_s=8, dispatch_attempts=2)
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call) as caller:
        await until(lambda: is_seen(deps, call, watcher))
        for number in (1, 2, 3):
            await watcher.look()
            assert (await row_of(deps.db, call)).dispatches == number
            watcher.forget()
        assert await times_asked(deps, call) == 0, "it says nothing of those who might have come"

        async def over_a_moment_later() -> tuple[str, str] | None:
            seconds[0] += 2
            await watcher.look()
            return await ended(deps.db, call)

        assert await until(over_a_moment_later) == ("failed", "no_agent")
        await until(lambda: not caller.isconnected())
    assert await times_asked(deps, call) == 1


async def test_a_loss_is_told_also_if_the_database_was_away_before_it(open_with):
    deps = await open_with()
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call):
        await release(deps, call, await begin(deps, call))
        for _ in range(3):  # the second and third are reminders
            await watcher.look()
            watcher.forget()
        assert await times_asked(deps, call) == 1
        token = await take(deps, call)
        await watcher.look()
        await release(deps, call, token)
        watcher.forget()
        await watcher.look()
        assert await times_asked(deps, call) == 2
    assert await ended(deps.db, call) is None


async def times_asked(deps: Deps, call: NewCall) -> int:
    return sum("; dispatch" in message for message in await events_of(deps.db, call))


async def test_a_conversation_that_every_agent_dies_of_is_given_up(database_url, open_with, until):
    deps = await open_with()
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call) as caller:
        await release(deps, call, await begin(deps, call))
        # Those that could not enter, and that were lost long ago, say nothing of the next one.
        chances = [False] * MOST_AGENTS + [True] * (MOST_AGENTS - 1)
        for number, enters in enumerate(chances, 2):
            await watcher.look()
            assert await is_dispatched(deps, call, number)
            assert await take(deps, call, enters=enters) == number
            await release(deps, call, number)
        await let_it_be_long_ago(deps, call)
        await watcher.look()
        assert await ended(deps.db, call) is None
        for number in range(len(chances) + 2, len(chances) + 2 + MOST_AGENTS):
            assert await take(deps, call) == number
            await release(deps, call, number)
            await watcher.look()
        assert await ended(deps.db, call) == ("completed", "agent_lost")
        await until(lambda: not caller.isconnected())
    said = f"{MOST_AGENTS} agents were lost in a short time; no other one is asked for"
    assert said in await events_of(deps.db, call)


async def let_it_be_long_ago(deps: Deps, call: NewCall) -> None:
    """All that happened to the call so far."""
    async with deps.db.writing() as conn:
        long_ago = call_events.update().where(call_events.c.call_id == call.id)
        await conn.execute(long_ago.values(created_at=now() - timedelta(hours=1)))


async def test_an_agent_that_comes_back_in_time_saves_the_call(open_with, monkeypatch):
    """By a clock that the test turns."""
    seconds = [1000.0]
    monkeypatch.setattr("pipeline.watch.Patience", lambda gap_s: Patience(gap_s, lambda: seconds[0]))
    deps = await open_with(agent_return_timeout_s=3)
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call):
        await watcher.look()
        token = await begin(deps, call)
        for _ in range(3):  # each time it waits anew
            await watcher.look()
            await release(deps, call, token)
            await watcher.look()
            seconds[0] += 1.1
            await watcher.look()
            token = await take(deps, call)
        await watcher.look()
        assert await ended(deps.db, call) is None


async def is_seen(deps: Deps, call: NewCall, watcher: Watcher) -> bool:
    """Whether a watcher that looks finds the caller there."""
    await watcher.look()
    return await legs_of(deps.db, call) == [("ada", "joined", None)]


@pytest.mark.parametrize("enters", [True, False])
async def test_a_call_that_an_agent_gave_back_is_offered_at_once_and_elsewhere_if_that_could_not_enter(
    open_with, until, enters
):
    deps = await open_with()
    call = await place_with_room(deps)
    async with joined(deps, call):
        watcher = Watcher(deps.db, deps.rooms, deps.settings)
        await until(lambda: is_seen(deps, call, watcher))
        await release(deps, call, await take(deps, call, enters=enters))
        await watcher.look()
        first, again = await dispatches(deps, call)
        assert first == {"call_id": call.id}
        assert again == {"call_id": call.id, "again": True} | ({} if enters else {"avoid": "worker-1"})
        assert await may_be_taken(deps, by="another")
        assert await may_be_taken(deps, by="worker-1") is enters, "also without LiveKit's offer"
        await watcher.look()
        assert len(await dispatches(deps, call)) == 2


async def may_be_taken(deps: Deps, *, by: str) -> bool:
    """Whether a worker that finds the only call before it is offered takes it."""
    async with deps.db.reading() as conn:
        return await waiting.count(conn, by, 9) == 1

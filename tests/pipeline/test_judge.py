"""The judge of leases. Where its clock is turned by the test, the agents are told of here, and live in this process."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from livekit import rtc
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.placing.creation import NewCall
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import call_events
from calls.tables import leases as lease_table
from calls.workers import leases
from calls.workers.life import Life
from pipeline.deps import Deps, open_deps
from pipeline.judge import CHANCE, DEAD_S, ENTER_S, EVERY_S, GAP_S, GONE_S, Judge
from tests.conftest import PATIENCE_S, now
from tests.full_disk import full_disk
from tests.pipeline.finished import queued
from tests.pipeline.held import held
from tests.pipeline.patient import open_patient
from tests.pipeline.placed import place, row_of
from tests.servers import Program

pytestmark = pytest.mark.restless

LEASE_S = 10.0
RENEW_S = LEASE_S / 4
DIED, GONE, STANDS_STILL, ABSENT = (
    "The agent's process died",
    "The agent's process is gone",
    "The agent shows no life",
    "The agent did not come into the room",
)


@pytest.fixture
async def deps(settings) -> AsyncIterator[Deps]:
    async with open_patient(settings(lease_s=LEASE_S)) as opened:
        yield opened


class Court:
    """A judge whose clock is turned from look to look."""

    def __init__(self, deps: Deps) -> None:
        self.seconds = 1000.0
        self.revocations = 0
        self.judge = Judge(deps.db, deps.rooms, deps.settings, self._count, lambda: self.seconds)

    def _count(self) -> None:
        self.revocations += 1

    async def look(self, after_s: float = EVERY_S) -> None:
        self.seconds += after_s
        with suppress(DatabaseAway):
            await self.judge.look()

    async def look_for(self, seconds: float) -> None:
        """Look as often as in life until so much later."""
        end = self.seconds + seconds
        while self.seconds < end:
            await self.look()


@pytest.fixture
def court(deps: Deps) -> Court:
    return Court(deps)


@dataclass
class Agent:
    """The holder of a call, with a database connection of its own as in a process of its own."""

    call: NewCall
    token: int
    db: Database
    life: Life = field(init=False)

    def __post_init__(self) -> None:
        self.life = Life(leases.life_key(self.call.id, self.token))

    async def renew(self) -> bool:
        async with self.db.writing() as conn:
            await self.life.show(conn)
            return await leases.renew(conn, self.call.id, self.token) is not None

    async def die(self) -> None:
        await self.db.close()
        if self.life._file is not None:
            self.life._file.close()  # as the kernel does: the file itself stays
        self.life = Life(leases.life_key(self.call.id, self.token))  # should it live after all, and connect anew

    async def is_holder(self) -> bool:
        async with self.db.reading() as conn:
            held = await leases.held_leases(conn)
        return (self.call.id, self.token) in [(lease.call_id, lease.token) for lease in held]


@pytest.fixture
async def take(deps: Deps):
    """`await take()`: an agent that has just taken a new call, and is in its room."""
    async with AsyncExitStack() as stack:

        async def taken(*, enters: bool = True) -> Agent:
            call = await place(deps.db)
            db = Database(deps.settings.database, pool_size=1)
            async with db.writing() as conn:
                token = await leases.take(conn, call.id, "worker-1", "agent-1")
                assert token is not None
                if enters:
                    await CallStore(conn).agent_joined(call.id, token)
            agent = Agent(call, token, db)
            stack.push_async_callback(agent.die)
            assert await agent.renew()
            return agent

        yield taken


async def faults(deps: Deps, call: NewCall) -> list[str]:
    mine = (call_events.c.call_id == call.id, call_events.c.kind == "agent.lost")
    async with deps.db.reading() as conn:
        return list(await conn.scalars(sa.select(call_events.c.message).where(*mine)))


async def test_an_agent_that_goes_on_renewing_keeps_its_call(database_url, deps, court, take):
    agent = await take()
    for _ in range(8):
        await court.look_for(RENEW_S)
        assert await agent.renew()
    assert await faults(deps, agent.call) == []


async def test_an_agent_whose_process_died_loses_its_call_at_once(database_url, deps, court, take):
    agent, other = await take(), await take()
    await court.look()
    await agent.die()
    await court.look()
    assert await agent.is_holder()  # its connection may only have been broken
    await court.look_for(DEAD_S + EVERY_S)
    assert not await agent.is_holder()
    assert await faults(deps, agent.call) == [DIED]
    assert court.revocations == 1
    assert await other.is_holder()


async def test_a_lock_that_is_back_soon_was_only_a_broken_connection(deps, court, take):
    agent = await take()
    for _ in range(5):
        await court.look_for(1)
        await agent.die()
        await court.look()
        assert await agent.renew()
    await court.look_for(1)
    assert await agent.is_holder()


async def test_an_agent_that_stands_still_with_its_lock_loses_its_call_when_its_time_is_up(
    database_url, deps, court, take
):
    agent = await take()
    await court.look()
    await court.look_for(LEASE_S - 2 * EVERY_S)
    assert await agent.is_holder()
    await court.look_for(3 * EVERY_S)
    assert await faults(deps, agent.call) == [STANDS_STILL]
    assert not await agent.renew()


async def test_an_agent_that_died_before_anybody_looked_is_missed_once_it_had_its_chance(
    database_url, deps, court, take
):
    agent, other = await take(), await take()
    await agent.die()
    await court.look_for(GONE_S + CHANCE * LEASE_S - 2 * EVERY_S)
    assert await agent.is_holder()
    await court.look_for(4 * EVERY_S)
    assert await faults(deps, agent.call) == [GONE]
    assert await other.is_holder()


async def test_an_agent_that_does_not_come_into_the_room_loses_its_call_though_it_lives(deps, court, take):
    absent, present = await take(enters=False), await take()

    async def renew_for(seconds: float) -> None:
        for _ in range(round(seconds)):
            await court.look_for(1)
            assert await present.renew()
            await absent.renew()

    await renew_for(ENTER_S - 1)
    assert await absent.is_holder()
    await renew_for(3)
    assert await faults(deps, absent.call) == [ABSENT]
    assert await present.is_holder()


async def test_what_a_judge_did_not_see_counts_for_nothing(deps, court, take):
    agent = await take()
    await court.look_for(LEASE_S - 1)
    await court.look(after_s=GAP_S)  # the database was away, for everybody
    await court.look_for(LEASE_S - 2 * EVERY_S)
    assert await agent.is_holder()
    await court.look_for(3 * EVERY_S)
    assert not await agent.is_holder()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_lock_that_went_while_the_database_was_away_is_a_death_unless_it_is_taken_again(
    database_url, deps, court, take
):
    agent, dead = await take(), await take()
    await court.look_for(1)
    await agent.die()
    await dead.die()
    await court.look(after_s=GAP_S)
    await court.look_for(2)
    assert await agent.is_holder()
    assert await agent.renew()  # it had to connect anew itself
    await court.look_for(3)
    assert await faults(deps, dead.call) == [GONE]
    assert await agent.is_holder()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_file_that_is_free_when_the_database_is_back_is_a_death(database_url, deps, court, take):
    agent, other = await take(), await take()
    await court.look()
    await agent.die()
    await court.look(after_s=GAP_S)
    await court.look_for(DEAD_S + EVERY_S)
    assert await faults(deps, agent.call) == [DIED]
    assert await other.is_holder()


async def test_a_full_disk_takes_no_call_from_an_agent_that_lives(deps, court, take):
    agent = await take()
    await court.look()
    for full_s in (LEASE_S - EVERY_S, LEASE_S + 1, 2 * LEASE_S):
        with full_disk():
            await court.look_for(full_s)
        await court.look_for(1)  # it has space again before the agent has written anything
        assert await agent.is_holder()
        assert await agent.renew()
    await court.look_for(1)
    assert await agent.is_holder()
    await court.look_for(LEASE_S)
    assert await faults(deps, agent.call) == [STANDS_STILL]


async def test_a_database_that_is_slow_each_time_hides_no_agent_that_stands_still(deps, court, take, monkeypatch):
    probe = leases.probe

    async def slowly(conn: AsyncConnection, call_ids: Sequence[str]) -> None:
        await probe(conn, call_ids)
        court.seconds += GAP_S

    monkeypatch.setattr("pipeline.judge.leases.probe", slowly)
    agent, other = await take(), await take()
    await court.look()
    await court.look_for(LEASE_S * (1 - CHANCE) - EVERY_S)
    assert await other.renew()
    for _ in range(round(LEASE_S * CHANCE / EVERY_S)):
        await court.look()
    assert await agent.is_holder(), "it has as much time beside the waits as in any database"
    for _ in range(3):
        await court.look()
    assert await faults(deps, agent.call) == [STANDS_STILL]
    assert await other.is_holder()


async def test_an_agent_that_is_stopped_in_the_middle_of_a_write_keeps_nobody_from_writing(settings, until, tmp_path):
    async with open_deps(settings(lease_s=2)) as deps:
        call, other = await place(deps.db), await place(deps.db)
        writes_all_the_time = deps.settings.model_copy(update={"lease_s": 0.004})
        async with held(writes_all_the_time, call.id, tmp_path / "log") as agent:
            agent.send(signal.SIGSTOP)
            await until(lambda: is_stopped(agent))
            while not is_locked(deps.settings.database):
                agent.send(signal.SIGCONT)
                await asyncio.sleep(0.05)
                agent.send(signal.SIGSTOP)
                await until(lambda: is_stopped(agent))
            async with judging(deps):
                assert await until(lambda: faults(deps, call)) == [DIED]
        async with deps.db.writing() as conn:
            await CallStore(conn).start(other.id)


def is_stopped(program: Program) -> bool:
    """Whether none of its threads is still on the way to that."""
    threads = Path(f"/proc/{program.pid}/task").iterdir()
    return all("\nState:\tT " in (thread / "status").read_text() for thread in threads)


def is_locked(url: str) -> bool:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=0)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


@pytest.mark.parametrize("ahead_s", [30, -3600])
async def test_the_clocks_of_others_are_of_no_account(deps, court, take, ahead_s):
    living, still = await take(), await take()

    async def shift() -> None:
        async with deps.db.writing() as conn:
            await conn.execute(sa.update(lease_table).values(renewed_at=now() + timedelta(seconds=ahead_s)))

    for _ in range(4):
        await shift()
        await court.look_for(RENEW_S - EVERY_S)
        assert await living.renew()
        assert await still.is_holder()
    await shift()
    await court.look_for(1)
    assert await living.is_holder()
    assert not await still.is_holder()


async def test_several_judges_take_a_call_from_its_agent_once(database_url, deps, take):
    courts = [Court(deps) for _ in range(3)]
    agent = await take()
    await asyncio.gather(*(court.look() for court in courts))
    await agent.die()
    for _ in range(4):
        await asyncio.gather(*(court.look() for court in courts))
    assert await faults(deps, agent.call) == [DIED]


async def test_an_agent_that_died_after_the_call_keeps_nobody_from_the_work_after_it(database_url, deps, court, take):
    agent = await take()
    async with deps.db.writing() as conn:
        await CallStore(conn).start(agent.call.id)
        await CallStore(conn).finish(agent.call.id, EndReason.CALLER_HUNG_UP)
        assert await queued(conn, agent.call.id) == []
    await court.look()
    await agent.die()
    await court.look_for(1)
    assert (await row_of(deps.db, agent.call)).transcript_closed_at is not None
    assert await faults(deps, agent.call) == []


@pytest.fixture
async def on_breakable_postgres(settings, breakable_postgres, breakable_url):
    """`await on_breakable_postgres(lease_s=10)`: the pipeline's outside world, on a database that may be broken."""
    async with AsyncExitStack() as stack:

        async def opened(lease_s: float) -> Deps:
            return await stack.enter_async_context(open_deps(settings(database_url=breakable_url, lease_s=lease_s)))

        yield opened
        breakable_postgres.thaw()


@asynccontextmanager
async def judging(deps: Deps) -> AsyncIterator[None]:
    task = asyncio.create_task(Judge(deps.db, deps.rooms, deps.settings, lambda: None).run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_database_that_was_away_takes_no_call_from_an_agent_that_lives(
    on_breakable_postgres, breakable_postgres, until, tmp_path
):
    deps = await on_breakable_postgres(lease_s=LEASE_S)
    asking = replace(deps, db=Database(deps.settings.database, patience_s=PATIENCE_S))
    call = await place(deps.db)
    async with held(deps.settings, call.id, tmp_path / "log") as living, judging(deps):
        for stop, go_on in (
            (breakable_postgres.kill, breakable_postgres.start),
            (breakable_postgres.freeze, breakable_postgres.thaw),
        ):
            forsaken = await place(asking.db)
            async with held(deps.settings, forsaken.id, tmp_path / forsaken.id) as dying:
                await asyncio.sleep(0.5)
                await asyncio.to_thread(stop)
                dying.kill_group()
                await asyncio.sleep(2.5)
                go_on()
                assert await until(lambda forsaken=forsaken: faults(asking, forsaken)) == [GONE]
        await asyncio.sleep(2)
        assert await faults(asking, call) == []
        assert "over" not in living.output
    await asking.db.close()


async def test_a_connection_that_breaks_takes_no_call_from_an_agent_that_lives(
    on_breakable_postgres, until, tmp_path, monkeypatch
):
    monkeypatch.setattr("pipeline.judge.DEAD_S", 30.0)  # a busy machine connects in its own time
    deps = await on_breakable_postgres(lease_s=10)
    call = await place(deps.db)
    asking = replace(deps, db=Database(deps.settings.database, patience_s=PATIENCE_S))

    async def count(what: str) -> int:
        locks = "FROM pg_locks WHERE locktype = 'advisory' AND granted"
        async with asking.db.reading() as conn:
            return int((await conn.execute(sa.text(f"SELECT count({what}) {locks}"))).scalar_one())

    async with held(deps.settings, call.id, tmp_path / "log") as living, judging(deps):
        for _ in range(3):
            await asyncio.sleep(0.7)
            await until(lambda: count("pg_terminate_backend(pid)"))  # it has shown itself again
        await until(lambda: count("pid"))
        await asyncio.sleep(1)
        assert await faults(asking, call) == []
        assert "over" not in living.output
    await asking.db.close()


async def test_an_agent_that_lost_its_call_is_put_out_of_the_room(deps, court, take, until):
    agent, settings = await take(), deps.settings
    await deps.rooms.create_room(agent.call.room_name, agent.call.id)
    there, caller = rtc.Room(), rtc.Room()
    for room, identity in ((there, "agent-1"), (caller, "ada")):
        await room.connect(settings.livekit_url, deps.rooms.caller_token(agent.call.room_name, identity, {}))
    await court.look_for(LEASE_S + 1)
    await until(lambda: not there.isconnected())
    assert caller.isconnected()
    await caller.disconnect()
    await deps.rooms.delete_room(agent.call.room_name)

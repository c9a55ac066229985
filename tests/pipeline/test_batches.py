"""Batches over a phone network that only counts: all are called once, within the limits, whatever dies."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT, Database
from calls.jobs import Job, JobQueue, JobState, count_jobs
from calls.phones import numbers as phones
from calls.phones import trunk as telephony
from calls.placing import batches
from calls.placing.creation import NewCall, NewParticipant, create_calls
from calls.settings import Settings
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents as agent_rows
from calls.tables import batches as batch_rows
from calls.tables import call_events, calls, deliveries, jobs, participants, trunks
from calls.tenants.webhooks import WebhookEvent, create_webhook
from calls.workers import leases, seats, waiting
from pipeline import dial
from pipeline.admission import Desk
from pipeline.deps import Deps, open_deps
from pipeline.fate import Done, Fate
from pipeline.runner import Runner
from pipeline.watch import Watcher
from tests.conftest import PATIENCE_S
from tests.pipeline.agents import Agents, at_work
from tests.pipeline.carrier import Carrier
from tests.pipeline.finished import working

pytestmark = [pytest.mark.restless, pytest.mark.timeout(700)]

OURS = "+4930444"
AT_ONCE, PER_SECOND, SEATS = 20, 25, 15
SPRING = "spring"


def number(n: int) -> str:
    return f"+4940{n:04d}"


async def save_trunk(db: Database, settings: Settings) -> None:
    """A tenant with a number and a trunk, which a pipeline brings to LiveKit."""
    async with db.writing() as conn:
        await phones.add_number(conn, DEFAULT_TENANT, OURS)
        await telephony.put_trunk(
            conn,
            Keyring.of(settings),
            DEFAULT_TENANT,
            address="127.0.0.1:9",
            transport="udp",
            username="a",
            password="b",
        )


async def place_batch(db: Database, numbers: Sequence[str], batch_id: str = SPRING) -> list[str]:
    agent: dict[str, Any] = {"id": str(uuid.uuid4()), "name": "Aria"}
    legs = [NewParticipant("pstn", one, from_number=OURS) for one in numbers]
    new = [NewCall(DEFAULT_TENANT, agent, [leg], batch_id=batch_id) for leg in legs]
    async with db.writing() as conn:
        row = {"id": agent["id"], "tenant_id": DEFAULT_TENANT, "name": agent["name"], "config": {}}
        await conn.execute(sa.insert(agent_rows).values(row))
        await batches.begin(conn, DEFAULT_TENANT, batch_id, agent["id"], "hash")
        await create_calls(conn, new)
        answer = {"calls": [call.id for call in new], "rejected": []}
        await batches.keep(conn, DEFAULT_TENANT, batch_id, answer)
    return [call.id for call in new]


async def agent_joins(conn: AsyncConnection, call_id: str) -> None:
    token = await leases.take(conn, call_id, "worker", f"agent-{call_id}")
    assert token is not None
    await CallStore(conn).agent_joined(call_id, token)


async def batch_of(db: Database, batch_id: str = SPRING) -> batches.Batch:
    async with db.reading() as conn:
        return await batches.get_batch(conn, DEFAULT_TENANT, batch_id)


async def is_over(db: Database) -> bool:
    """Whether each batch is; asked seldom, for that costs."""
    await asyncio.sleep(0.25)
    async with db.reading() as conn:
        return not await conn.scalar(sa.select(sa.exists().where(batch_rows.c.completed_at.is_(None))))


async def legs(db: Database) -> list[sa.Row[Any]]:
    async with db.reading() as conn:
        return list((await conn.execute(sa.select(participants).order_by(participants.c.identity))).all())


async def test_all_are_called_once_within_the_limits_though_the_pipeline_is_killed(
    settings, livekit_with_sip, start, until
):
    answers = {0: 200, 1: 480, 2: 603}

    async def manners(called: str) -> int:
        await asyncio.sleep(0.05)
        return answers.get(int(called[-1]), 486)

    people = [number(n) for n in range(80)]
    changes: dict[str, Any] = {"phone_calls_at_once": AT_ONCE, "phone_calls_per_second": PER_SECOND, "lease_s": 5}
    changes["agent_join_timeout_s"] = 60  # a busy machine's agents are late, and that is not what is looked at
    async with AsyncExitStack() as stack:
        db = Database(settings().database, patience_s=PATIENCE_S)
        stack.push_async_callback(db.close)
        agents = Agents(db, SEATS)
        carrier = await stack.enter_async_context(Carrier(livekit_with_sip, manners, agents.talk))
        chosen = settings(livekit_url=carrier.livekit_url, agent_name="nobody", **changes)
        await save_trunk(db, chosen)
        async with db.writing() as conn:
            await create_webhook(
                conn,
                Keyring.of(chosen),
                DEFAULT_TENANT,
                url="http://127.0.0.1:9/",
                events=[WebhookEvent.BATCH_COMPLETED],
            )
        killed = await start("pipeline", chosen)
        await until(lambda: has_trunk(db))
        await stack.enter_async_context(at_work(agents))
        began = time.monotonic()
        await place_batch(db, people)
        await until(lambda: carrier.rings.total() >= 30, timeout=300)
        killed.kill_group()
        rang = carrier.rings.total()
        await start("pipeline", chosen)
        await until(lambda: is_over(db), timeout=600)
        over = await batch_of(db)
        took_s = time.monotonic() - began
        ended = await legs(db)
        async with db.reading() as conn:
            told = list(await conn.scalars(sa.select(deliveries.c.event)))

    assert set(over.counts) == {"queued", "ringing", "in_progress", "completed", "failed"}
    assert (over.row.status, over.counts["completed"] + over.counts["failed"]) == ("completed", len(people))
    assert max(carrier.rings.values()) == 1, "nobody is called twice"
    assert set(carrier.rings) <= set(people)
    assert rang < len(people), "it went on where it stopped"
    lost = {leg.identity for leg in ended if leg.end_reason == "error"}
    assert len(lost) <= AT_ONCE, "only what was being called when the pipeline was killed may be lost"
    assert set(people) - set(carrier.rings) <= lost
    reasons = Counter(leg.end_reason for leg in ended if leg.identity not in lost)
    assert set(reasons) == {None, "busy", "no_answer", "rejected"}
    assert carrier.most_at_once <= AT_ONCE
    assert agents.most_at_once <= SEATS
    assert most_within_a_second([leg.dialed_at for leg in ended if leg.dialed_at]) <= PER_SECOND
    assert carrier.rings.total() / took_s <= PER_SECOND
    assert told == ["batch.completed"]


async def has_trunk(db: Database) -> bool:
    async with db.reading() as conn:
        return await telephony.outbound_trunk(conn, DEFAULT_TENANT) is not None


def most_within_a_second(moments: list[datetime]) -> int:
    moments.sort()
    second = timedelta(seconds=1)
    return max(sum(first <= other < first + second for other in moments) for first in moments)


@dataclass
class Ground:
    """The pipeline's outside world, with agents and a carrier; `codes` are the answers of phones that are to answer."""

    deps: Deps
    carrier: Carrier
    agents: Agents
    codes: dict[str, "asyncio.Future[int]"]

    def answer(self, called: str, code: int) -> None:
        self.codes[called].set_result(code)


@pytest.fixture
async def ground(settings, livekit_with_sip) -> AsyncIterator[Ground]:
    """Two lines, four seats, and phones that ring until the test says how they answer."""
    codes: dict[str, asyncio.Future[int]] = {}

    async def manners(called: str) -> int:
        codes[called] = asyncio.get_running_loop().create_future()
        return await codes[called]

    async with AsyncExitStack() as stack:
        db = Database(settings().database, patience_s=PATIENCE_S)
        stack.push_async_callback(db.close)
        agents = Agents(db, 4)
        carrier = await stack.enter_async_context(Carrier(livekit_with_sip, manners, agents.talk))
        # There is no server that rooms would be opened in, only one that calls phones.
        chosen = settings(livekit_url=carrier.livekit_url, agent_name="nobody", phone_calls_at_once=2)
        await save_trunk(db, chosen)
        async with db.writing() as conn:
            await conn.execute(sa.update(trunks).values(livekit_ids={"outbound": "ST_1"}))
        deps = await stack.enter_async_context(open_deps(chosen))
        await stack.enter_async_context(at_work(agents))
        yield Ground(deps, carrier, agents, codes)
        for code in codes.values():
            if not code.done():
                code.set_result(486)


async def test_nobody_of_a_canceled_batch_is_dialled_and_what_rings_goes_on(database_url, ground, until):
    db = ground.deps.db
    people = [number(n) for n in range(30)]
    async with working(ground.deps):
        await place_batch(db, people)
        await until(lambda: len(ground.codes) == 2)
        async with db.writing() as conn:
            await batches.cancel(conn, DEFAULT_TENANT, SPRING)

        async def others_ended() -> bool:
            return (await batch_of(db)).counts["failed"] == 28

        await until(others_ended)
        assert not await is_over(db)
        ground.answer(people[0], 200)
        ground.answer(people[1], 486)
        await until(lambda: is_over(db))
    over = await batch_of(db)
    assert (over.row.status, over.counts["completed"], over.counts["failed"]) == ("canceled", 1, 29)
    assert set(ground.carrier.rings) == set(people[:2])
    assert Counter(leg.end_reason for leg in await legs(db)) == {"canceled": 28, "busy": 1, None: 1}
    async with db.reading() as conn:
        assert set(await conn.scalars(sa.select(calls.c.end_reason))) == {"canceled", "busy", "caller_hung_up"}
        assert not (await count_jobs(conn, DEFAULT_TENANT, "dial"))["waiting"]


async def test_a_single_call_waits_for_no_more_than_the_next_free_line(ground, until):
    db = ground.deps.db
    people, single = [number(n) for n in range(6)], number(9)
    async with working(ground.deps):
        await place_batch(db, people)
        await until(lambda: len(ground.codes) == 2)
        async with db.writing() as conn:
            agent_id = await conn.scalar(sa.select(agent_rows.c.id))
            leg = NewParticipant("pstn", single, from_number=OURS)
            await create_calls(conn, [NewCall(DEFAULT_TENANT, {"id": agent_id, "name": "Aria"}, [leg])])
        ground.answer(people[0], 486)
        await until(lambda: len(ground.codes) == 3)
        assert single in ground.codes
        for called in (single, people[1]):
            ground.answer(called, 486)
        for called in people[2:]:
            await until(lambda called=called: called in ground.codes)
            ground.answer(called, 603)
        await until(lambda: is_over(db))
    assert ground.carrier.most_at_once == 2


@pytest.fixture
async def short_of_lines(settings) -> AsyncIterator[tuple[Deps, str]]:
    """The pipeline's outside world with one line, which is taken, and a call whose phone is about to be dialled."""
    async with AsyncExitStack() as stack:
        chosen = settings(phone_calls_at_once=1)
        db = Database(chosen.database, patience_s=PATIENCE_S)
        stack.push_async_callback(db.close)
        deps = replace(await stack.enter_async_context(open_deps(chosen)), db=db)
        await save_trunk(db, chosen)
        first, second = await place_batch(db, [number(n) for n in range(2)])
        async with db.writing() as conn:
            await conn.execute(sa.update(trunks).values(livekit_ids={"outbound": "ST_1"}))
            [taken] = await conn.scalars(sa.select(participants.c.id).where(participants.c.call_id == first))
            await CallStore(conn).dialing(first, taken)
            await agent_joins(conn, second)
        yield deps, second


async def end(db: Database, call_id: str) -> None:
    async with db.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.ENDED_BY_API)


async def test_a_phone_whose_call_ends_as_it_begins_to_wait_for_a_line_waits_no_longer(
    database_url, short_of_lines, until
):
    deps, call_id = short_of_lines

    async def run(job: Job) -> Fate:
        fate = await dial.run(job, deps)
        await end(deps.db, call_id)
        return fate

    async def settled() -> bool:
        async with deps.db.reading() as conn:
            its = (jobs.c.call_id == call_id, jobs.c.kind == "dial")
            return bool(await conn.scalar(sa.select(jobs.c.state).where(*its)) == JobState.FAILED)

    stop, lease_s = asyncio.Event(), deps.settings.lease_s
    runner = Runner(deps.db, JobQueue(deps.db, "pipeline", lease_s), {"dial": run}, {"dial": 1}, lease_s)
    running = asyncio.create_task(runner.run(stop))
    await until(settled)
    stop.set()
    await running


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_phone_whose_call_ends_while_a_line_is_looked_for_does_not_wait_for_one(
    database_url, short_of_lines, until
):
    """On SQLite one writes at a time."""
    deps, call_id = short_of_lines
    [job] = await JobQueue(deps.db, "pipeline", deps.settings.lease_s).claim("dial", 1)

    async def waits_for_a_lock() -> bool:
        async with deps.db.reading() as conn:
            return bool(await conn.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    async with deps.db.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.ENDED_BY_API)
        dialling = asyncio.create_task(dial.run(job, deps))
        await until(waits_for_a_lock)
    assert await dialling == Done()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_phone_that_is_noted_as_called_is_called_though_the_pipeline_has_no_time_left_for_the_commit(
    database_url, ground, postgres, until
):
    db = Database(database_url, patience_s=PATIENCE_S)
    deps = replace(ground.deps, db=db)
    [call_id] = await place_batch(db, [number(1)])
    async with db.writing() as conn:
        await agent_joins(conn, call_id)
    [job] = await JobQueue(db, "pipeline", deps.settings.lease_s).claim("dial", 1)

    async def standbys(change: str) -> None:
        """With one that is not there, what is committed is written, but whoever commits waits."""
        asked = ("-c", f"ALTER SYSTEM {change}", "-c", "SELECT pg_reload_conf()")
        await asyncio.to_thread(postgres.run, "psql", "-q", "-o", "/dev/null", *asked)

    async def committing() -> int:
        """How many of us wait; autovacuum, which commits too, waits beside them."""
        async with db.reading() as conn:
            waits = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' "
                "AND backend_type = 'client backend' AND datname = current_database()"
            )
            return int((await conn.execute(sa.text(waits))).scalar_one())

    async def both() -> bool:
        return await committing() == 2

    await standbys("SET synchronous_standby_names = 'nobody'")
    try:
        await until(committing)  # the agents show life
        dialling = asyncio.create_task(dial.run(job, deps))
        await until(both)
        dialling.cancel()
        await asyncio.wait([dialling])
        answered = asyncio.create_task(deps.lines.answered(PATIENCE_S))
    finally:
        await standbys("RESET synchronous_standby_names")
    await until(lambda: number(1) in ground.codes)
    assert not answered.done(), "the process stays for it"
    ground.answer(number(1), 486)
    await answered
    assert [(leg.status, leg.end_reason) for leg in await legs(db)] == [("failed", "busy")]
    await db.close()


async def test_a_number_that_was_given_away_since_is_not_shown(ground, until):
    db = ground.deps.db
    await place_batch(db, [number(1)])
    async with db.writing() as conn:
        await phones.delete_number(conn, DEFAULT_TENANT, OURS)
    async with working(ground.deps):
        await until(lambda: is_over(db))
    assert [(leg.status, leg.end_reason) for leg in await legs(db)] == [("failed", "invalid_caller_id")]
    assert not ground.carrier.rings


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("reason", ["invalid_caller_id", "canceled"])
async def test_those_who_are_refused_at_the_same_moment_wait_for_nobody_crosswise(database_url, settings, reason):
    """On SQLite one writes at a time."""
    async with open_deps(settings()) as opened:
        db = Database(database_url, patience_s=PATIENCE_S)
        deps = replace(opened, db=db)
        await save_trunk(db, deps.settings)
        ids = await place_batch(db, [number(n) for n in range(8)])
        async with db.writing() as conn:
            await conn.execute(sa.update(trunks).values(livekit_ids={"outbound": "ST_1"}))
            for call_id in ids:
                await agent_joins(conn, call_id)
            if reason == "canceled":
                await batches.cancel(conn, DEFAULT_TENANT, SPRING)
            else:
                await phones.delete_number(conn, DEFAULT_TENANT, OURS)
        dials = await JobQueue(db, "pipeline", deps.settings.lease_s).claim("dial", len(ids))
        await asyncio.gather(*(dial.run(job, deps) for job in dials))
        over = await batch_of(db)
        assert (over.counts["failed"], over.row.completed_at is not None) == (8, True)
        assert {leg.end_reason for leg in await legs(db)} == {reason}
        await db.close()


async def test_a_call_of_a_batch_for_which_no_agent_comes_waits_for_another_turn(settings, livekit_with_sip, until):
    hasty = {"agent_join_timeout_s": 0.1, "agent_return_timeout_s": 0.1}
    async with open_deps(settings(**hasty, dispatch_attempts=2, agent_name="nobody")) as deps:
        await save_trunk(deps.db, deps.settings)
        [call_id] = await place_batch(deps.db, [number(1)])
        async with deps.db.writing() as conn:
            await conn.execute(sa.update(trunks).values(livekit_ids={"outbound": "ST_1"}))
        watcher = Watcher(deps.db, deps.rooms, deps.settings)

        async def waits_again() -> bool:
            async with deps.db.writing() as conn:
                await seats.tell(conn, "killed", 1, 0)  # a moment ago, whenever that is
            await watcher.look()
            query = sa.select(call_events.c.data).where(call_events.c.kind == "call.waiting")
            async with deps.db.reading() as conn:
                return list(await conn.scalars(query)) == [{"reason": "no_agent"}]

        async def may_be_taken() -> bool:
            async with deps.db.reading() as conn:
                return await waiting.count(conn, "any", 9) == 1

        async with working(deps):
            async with deps.db.writing() as conn:
                await seats.tell(conn, "killed", 1, 0)
            await until(may_be_taken)
            await until(waits_again)
            assert not await may_be_taken(), "it has no room"
            async with deps.db.writing() as conn:
                await seats.tell(conn, "next", 1, 0)
            agents = Agents(deps.db, 1)
            async with at_work(agents):
                await until(lambda: agents.most_at_once == 1)
        async with deps.db.reading() as conn:
            kinds = set(await conn.scalars(sa.select(call_events.c.kind).where(call_events.c.call_id == call_id)))
        assert {"call.waiting", "agent.joined"} <= kinds


async def test_a_batch_that_waits_for_a_worker_says_so_once(database_url, settings):
    chosen = settings()
    db, elapsed = Database(chosen.database), [0.0]
    desk = Desk(db, chosen, lambda: elapsed[0])
    await save_trunk(db, chosen)
    first, *_others = await place_batch(db, [number(n) for n in range(3)])
    async with db.writing() as conn:
        await conn.execute(sa.update(trunks).values(livekit_ids={"outbound": "ST_1"}))
    columns = (call_events.c.call_id, call_events.c.data)
    query = sa.select(*columns).where(call_events.c.kind == "call.waiting")
    told = []
    for _ in range(10):
        elapsed[0] += 2
        assert await desk.look(), "somebody waits"
        async with db.reading() as conn:
            told.append([tuple(row) for row in await conn.execute(query)])
    assert told[4] == [], "a worker that is started again is there soon"
    assert told[6] == told[-1] == [(first, {"reason": "no_worker"})]
    await db.close()

"""The right to speak in a call: who has it keeps it through a slow moment, and knows when it is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT, Database
from calls.placing.creation import NewParticipant
from calls.rooms import Rooms
from calls.states import TERMINAL, EndReason
from calls.store import CallStore
from calls.tables import call_events
from calls.tables import leases as lease_rows
from calls.workers import leases, waiting
from calls.workers.life import living
from tests.conftest import PATIENCE_S
from tests.worker.conftest import Running
from worker.plugins import UnusableProvider
from worker.refusal import refuse
from worker.room.lease import Lease, Taken, adopt, take
from worker.speaker.history import as_chat

pytestmark = pytest.mark.restless

TTL_S = 1.0


@asynccontextmanager
async def held(running: Running) -> AsyncIterator[asyncio.Event]:
    lease = Lease(running.database, running.call.id, running.token, TTL_S)
    over = asyncio.Event()
    holding = asyncio.create_task(lease.hold(running.persistence(), over.set))
    yield over
    await lease.leave()
    await holding
    await lease.release(running.persistence())


@asynccontextmanager
async def a_database_that_waits(running: Running, database_url: str) -> AsyncIterator[None]:
    """As long as somebody else's transaction has the lease's row."""
    other = Database(database_url, patience_s=PATIENCE_S)
    taking = sa.update(lease_rows).where(lease_rows.c.call_id == running.call.id).values(worker="worker")
    try:
        async with other.writing() as connection:
            await connection.execute(taking)
            yield
    finally:
        await other.close()


async def renewals(running: Running) -> int:
    async with running.database.reading() as connection:
        return next(one.renewals for one in await leases.held_leases(connection) if one.call_id == running.call.id)


async def test_a_lease_is_held_until_the_call_is_over(running):
    async with held(running) as over:
        async with running.database.writing() as connection:
            await CallStore(connection).finish(running.call.id, EndReason.ENDED_BY_API)
        await asyncio.wait_for(over.wait(), PATIENCE_S)


async def test_a_lease_outlives_a_database_that_answers_late(running, database_url, until):
    async with held(running) as over:
        async with a_database_that_waits(running, database_url):
            before = await renewals(running)
            await asyncio.sleep(TTL_S * 1.1)  # the lease's own time, over before the answer comes
            assert await renewals(running) == before
        await until(lambda: _more_than(running, before))
        assert not over.is_set()


async def _more_than(running: Running, before: int) -> bool:
    return await renewals(running) > before


async def test_a_lease_that_another_worker_took_is_lost(running):
    async with held(running) as over:
        assert await running.take_over()
        await asyncio.wait_for(over.wait(), PATIENCE_S)


async def test_an_agent_whose_worker_took_the_lease_for_it_shows_that_it_lives_and_renews_it(running):
    taken = await adopt(running.database, running.call.id, running.token, TTL_S)
    assert taken is not None
    assert (taken.row.id, taken.lease.token) == (running.call.id, running.token)
    async with running.database.reading() as connection:
        [lease] = [one for one in await leases.held_leases(connection) if one.call_id == running.call.id]
        assert await living(connection, {lease.life}) == {lease.life}
    over = asyncio.Event()
    holding = asyncio.create_task(taken.lease.hold(running.persistence(), over.set))
    async with running.database.writing() as connection:
        await CallStore(connection).finish(running.call.id, EndReason.ENDED_BY_API)
    await asyncio.wait_for(over.wait(), PATIENCE_S)
    await taken.lease.leave()
    await holding
    await taken.lease.release(running.persistence())


async def test_what_its_worker_took_for_it_an_agent_has_no_more_once_it_is_anothers_or_the_call_is_over(running):
    second = await running.take_over()
    assert await adopt(running.database, running.call.id, running.token, TTL_S) is None
    async with running.database.writing() as connection:
        await CallStore(connection).finish(running.call.id, EndReason.ENDED_BY_API)
    assert await adopt(running.database, running.call.id, second, TTL_S) is None
    async with running.database.reading() as connection:
        assert not await leases.has_agent(connection, running.call.id), "nobody is to wait for what it would write"


async def test_who_has_lost_a_call_does_not_end_it_for_a_provider_that_cannot_be_used(running, settings):
    taken = await adopt(running.database, running.call.id, running.token, TTL_S)
    assert taken is not None
    problem = UnusableProvider("tts", "openai", "it is not installed")

    async def was_ended() -> bool:
        async with running.database.reading() as connection:
            ended = (await CallStore(connection).get(None, running.call.id)).status in TERMINAL
            event = sa.exists().where(call_events.c.call_id == running.call.id, call_events.c.kind == "provider.failed")
            assert await connection.scalar(sa.select(event)) == ended
        assert bool(await rooms.list_rooms([taken.row.room_name])) != ended
        return ended

    async with Rooms.connect(settings()) as rooms:
        await rooms.create_room(taken.row.room_name, running.call.id)
        theirs = Lease(running.database, running.call.id, await running.take_over() or 0, TTL_S)
        for lease in (taken.lease, theirs):
            mine = replace(taken, lease=lease)
            await refuse(settings(), running.database, running.persistence(), mine, problem)
            assert await was_ended() == (lease is theirs)


async def test_who_comes_knows_what_was_cut_however_many_came_before(running):
    writer = running.writer()
    for second, text in enumerate(("Hello.", "I am", "We have a table at")):
        segment = writer.begin("agent", None)
        if text == "I am":
            writer.cut(segment)
        writer.update(segment, text, second, second + 0.9, final=text != "We have a table at")
    assert await writer.flush()
    async with running.database.writing() as connection:
        assert await leases.release(connection, running.call.id, running.token)
    for agent, taking in (("agent-2", take), ("agent-3", claim), ("agent-4", take)):
        taken = await taking(running.database, running.call.id, "worker", agent, TTL_S)
        assert taken is not None
        assert [(row.text, row.is_cut, row.is_final) for row in taken.segments] == [
            ("Hello.", False, True),
            ("I am", True, True),
            ("We have a table at", True, True),
        ]
        await taken.lease.release(running.persistence())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_comes_reads_the_same_names_as_who_was_there_and_no_phones_number(running):
    named, unnamed = (
        NewParticipant("pstn", "+49401234", metadata={"name": "Mr Smith"}),
        NewParticipant("pstn", "+49401000"),
    )
    async with running.database.writing() as connection:
        assert await CallStore(connection).add_participants(DEFAULT_TENANT, running.call.id, [named, unnamed])
    writer = running.writer()
    ours = [(named.room_identity, "Mr Smith"), (unnamed.room_identity, "Phone 1000"), ("ada", "ada")]  # in the room
    for second, (identity, name) in enumerate(ours):
        writer.update(writer.begin("user", identity, name=name), "Here I am.", second, second + 0.9, final=True)
    assert await writer.flush()
    async with running.database.writing() as connection:
        assert await leases.release(connection, running.call.id, running.token)
    taken = await take(running.database, running.call.id, "worker", "agent-2", TTL_S)
    assert taken is not None
    lines = [f"{name}: Here I am." for _, name in ours]
    for said in (writer.said(), taken.said):
        assert [item.text_content for item in as_chat(said, []).items if item.type == "message"] == lines
    await taken.lease.release(running.persistence())


async def claim(database: Database, call_id: str, worker: str, agent: str, ttl_s: float) -> Taken | None:
    """What an agent has whose worker found the call before it was offered."""
    async with database.writing() as connection:
        await waiting.tell(connection, [call_id])
        [claimed] = await waiting.claim(connection, worker, 1, lambda: agent)
    return await adopt(database, call_id, claimed.token, ttl_s)

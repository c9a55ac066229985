"""Who may speak and write in a call, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.states import CallStatus, EndReason
from calls.store import CallStore
from calls.tables import calls, jobs
from calls.tables import leases as leases_table
from calls.transcript import write_segments
from calls.workers import leases
from calls.workers.leases import HeldLease, Standing
from calls.workers.life import Life, bury, living
from tests.full_disk import full_disk

pytestmark = pytest.mark.restless


async def take(database: Database, call_id: str, identity: str) -> int:
    """The token, 0 if it was not to be had."""
    async with database.writing() as connection:
        return await leases.take(connection, call_id, "worker", identity) or 0


async def the_lease(database: Database) -> HeldLease:
    async with database.reading() as connection:
        [lease] = await leases.held_leases(connection)
        return lease


async def test_of_several_agents_at_once_one_gets_the_call_and_gets_it_again_if_it_missed_the_answer(database, place):
    call = await place()
    names = [f"agent-{n}" for n in range(4)]
    tokens = await asyncio.gather(*(take(database, call.id, name) for name in names))
    assert sorted(token for token in tokens if token) == [1]
    winner = names[tokens.index(1)]
    assert await take(database, call.id, winner) == 1
    assert (await the_lease(database)).identity == winner


async def test_whoever_shows_life_is_not_revoked_and_whoever_was_changes_nothing_more(database, place):
    call = await place()
    token = await take(database, call.id, "agent-1")
    seen = await the_lease(database)
    async with database.writing() as connection:
        assert await leases.renew(connection, call.id, token) is CallStatus.CONNECTING
        assert not await leases.revoke(connection, seen)
    seen = await the_lease(database)
    async with database.writing() as connection:
        assert await leases.revoke(connection, seen)
    for _ in range(2):  # while nobody has it, and when another does
        async with database.writing() as connection:
            assert await leases.renew(connection, call.id, token) is None
            assert await leases.stand(connection, call.id, token, 1) is Standing.LOST
            assert not await leases.release(connection, call.id, token)
        await take(database, call.id, "agent-2")
    assert (await the_lease(database)).token == 2


async def test_a_conversation_lives_as_long_as_an_agent_in_the_room_and_not_while_others_try_to_get_in(database, place):
    async def last_sign_after(change: Callable[..., Awaitable[object]], token: int) -> datetime:
        async with database.writing() as connection:
            await change(connection, call.id, token)
            at: datetime = (await connection.execute(sa.select(leases_table.c.renewed_at))).scalar_one()
            return at

    call = await place()
    first = await take(database, call.id, "agent-1")
    taken_at = await last_sign_after(leases.renew, first)
    assert await last_sign_after(leases.renew, first) == taken_at
    assert await last_sign_after(partial(leases.stand, change=1), first) == taken_at
    assert await last_sign_after(partial(write_segments, new=[]), first) == taken_at
    entered_at = await last_sign_after(leases.enter, first)
    renewed_at = await last_sign_after(leases.renew, first)
    changed_at = await last_sign_after(partial(leases.stand, change=2), first)
    said_at = await last_sign_after(partial(write_segments, new=[]), first)
    assert taken_at < entered_at < renewed_at < changed_at < said_at
    async with database.writing() as connection:
        cut_off_at = renewed_at - timedelta(microseconds=1)
        await leases.release(connection, call.id, first, cut_off_at)
    second = await take(database, call.id, "agent-2")
    assert await last_sign_after(leases.renew, second) == cut_off_at


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_probe_finds_that_a_disk_is_full_and_changes_nothing_that_others_see(database, place):
    call = await place()
    await take(database, call.id, "agent-1")
    seen = await the_lease(database)

    async def probe() -> None:
        async with database.writing() as connection:
            await leases.probe(connection, [call.id])

    async def find() -> list[str]:
        async with database.writing() as connection:
            return await leases.held_by(connection, "worker")

    with full_disk():
        for attempt in (probe, find):
            with pytest.raises(DatabaseAway):
                await attempt()
    await probe()
    assert await find() == [call.id]
    assert await the_lease(database) == seen


async def test_a_change_counts_once(database, place):
    call = await place()
    token = await take(database, call.id, "agent-1")
    standings = []
    for number in (1, 1, 2, 1):
        async with database.writing() as connection:
            standings.append(await leases.stand(connection, call.id, token, number))
    assert standings == [Standing.CURRENT, Standing.WRITTEN, Standing.CURRENT, Standing.WRITTEN]


async def test_whichever_comes_last_of_end_and_release_closes_the_call_once(database, running, finish):
    for _ in range(10):
        call, token = await running(post_call={"summary": {"enabled": True}})

        async def release(call_id: str = call.id, token: int = token) -> None:
            async with database.writing() as connection:
                await leases.release(connection, call_id, token)

        await asyncio.gather(finish(call.id, EndReason.CALLER_HUNG_UP), release())
        async with database.reading() as connection:
            row = await CallStore(connection).get(None, call.id)
            queued = await connection.scalar(sa.select(sa.func.count()).where(jobs.c.call_id == call.id))
        assert row.transcript_closed_at is not None
        assert queued == 1


async def test_an_end_without_any_agent_closes_the_call(database, place, finish):
    call = await place()
    await finish(call.id, EndReason.NOBODY_JOINED)
    async with database.reading() as connection:
        closed = sa.select(calls.c.transcript_closed_at).where(calls.c.id == call.id)
        assert await connection.scalar(closed) is not None


async def test_a_holder_is_seen_to_live_until_its_process_or_connection_ends(database, database_url):
    key, other = 2**62 + 5, 7
    holder = Database(database_url, pool_size=1)
    life = Life(key)
    for _ in range(2):
        async with holder.writing() as connection:
            await life.show(connection)
    async with database.reading() as connection:
        assert await living(connection, {key, other}) == {key}
        bury(connection, key)  # by mistake: it lives
    async with holder.writing() as connection:
        await life.show(connection)
    async with database.reading() as connection:
        assert await living(connection, {key, other}) == {key}
    await holder.close()
    life.end()
    async with database.reading() as connection:
        assert await living(connection, {key, other}) == set()

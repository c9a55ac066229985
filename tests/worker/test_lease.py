"""The right to speak in a call: who has it keeps it through a slow moment, and knows when it is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import sqlalchemy as sa

from calls.database import Database
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import calls
from tests.worker.conftest import Running
from worker.room.lease import Lease

TTL_S = 1.0


@asynccontextmanager
async def held(running: Running) -> AsyncIterator[asyncio.Task[None]]:
    holding = asyncio.create_task(Lease(running.database, running.call.id, running.token, TTL_S).hold())
    yield holding
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


@asynccontextmanager
async def a_database_that_waits(running: Running, database_url: str) -> AsyncIterator[None]:
    """As long as somebody else's transaction has the call's row."""
    other = Database(database_url)
    taking = sa.update(calls).where(calls.c.id == running.call.id).values(lease_worker="worker")
    try:
        async with other.writing() as connection:
            await connection.execute(taking)
            yield
    finally:
        await other.close()


async def valid_until(running: Running) -> datetime:
    async with running.database.reading() as connection:
        moment: datetime = (await CallStore(connection).get(None, running.call.id)).lease_until
    return moment


async def test_a_lease_is_held_until_the_call_is_over(running):
    async with held(running) as holding:
        async with running.database.writing() as connection:
            await CallStore(connection).finish(running.call.id, EndReason.ENDED_BY_API)
        await asyncio.wait_for(holding, 5)


async def test_a_lease_outlives_a_database_that_answers_late(running, database_url, until):
    before = await valid_until(running)
    async with held(running) as holding:
        async with a_database_that_waits(running, database_url):
            await asyncio.sleep(TTL_S * 1.1)  # the lease's own time, over before the answer comes
            assert await valid_until(running) == before
        await until(lambda: _changed(running, before))
        assert not holding.done()


async def _changed(running: Running, before: datetime) -> bool:
    return await valid_until(running) != before


async def test_a_lease_that_another_worker_took_is_lost(running):
    async with held(running) as holding:
        assert await running.take_over()
        await asyncio.wait_for(holding, 5)

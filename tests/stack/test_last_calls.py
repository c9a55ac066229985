"""What becomes of calls without an agent when the whole stack stops."""

from collections.abc import AsyncIterator

import pytest

from calls.database.engine import Database
from calls.placing.creation import NewCall
from calls.store import CallStore
from calls.workers import leases
from calls.workers.life import Life
from stack.last_calls import end
from tests.conftest import PATIENCE_S
from tests.pipeline.placed import ended, phone, place, row_of


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, patience_s=PATIENCE_S)
    yield opened
    await opened.close()


async def begin(database: Database) -> tuple[NewCall, int]:
    """A conversation, and the token of its agent's lease."""
    call = await place(database)
    async with database.writing() as conn:
        token = await leases.take(conn, call.id, "worker", "agent-1")
        assert token is not None
        store = CallStore(conn)
        await store.agent_joined(call.id, token)
        await store.participant_joined(call.id, "ada")
        await store.start(call.id)
    return call, token


async def test_what_has_no_agent_ends_with_the_stack_and_what_has_no_room_waits_for_the_next(database: Database):
    waiting, unopened = await place(database), await place(database, phone())
    (lost, token), (died, _), (elsewhere, living) = [await begin(database) for _ in range(3)]
    async with database.writing() as conn:
        await leases.release(conn, lost.id, token)
        last_sign = await leases.last_sign(conn, lost.id)
    other = Database(database.url, pool_size=1, patience_s=PATIENCE_S)
    life = Life(leases.life_key(elsewhere.id, living))
    async with other.reading() as conn:
        await life.show(conn)
    assert sorted(await end(database)) == sorted(call.room_name for call in (waiting, lost, died))
    assert await ended(database, waiting) == ("failed", "shut_down")
    assert await ended(database, lost) == await ended(database, died) == ("completed", "shut_down")
    assert (await row_of(database, lost)).ended_at == last_sign, "not when somebody noticed"
    assert await ended(database, unopened) is await ended(database, elsewhere) is None
    assert await end(database) == []
    life.end()
    await other.close()

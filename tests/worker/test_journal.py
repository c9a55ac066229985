"""What becomes of a change that is wrong itself, which no database would take, and of what comes after it."""

import asyncio
import uuid
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from calls.events import EventKind
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import call_events
from calls.workers import leases
from tests.conftest import Until, now
from tests.worker.conftest import Running
from worker.call_events import CallEvents
from worker.room.clock import Clock
from worker.room.journal import Journal
from worker.room.lease import take

BACK, LISTENED = EventKind.AGENT_RETURNED, EventKind.CALL_LISTENED


async def note(call_id: str, kind: EventKind, store: CallStore) -> None:
    await store.add_event(call_id, kind, "lifecycle", "It happened")


async def test_an_agent_that_lost_its_connection_is_lost_since_then_and_not_since_that_was_certain(
    running: Running,
) -> None:
    clock = Clock(now())
    journal = Journal(running.database, running.call.id, running.token, clock, running.persistence())
    running.tasks.append(asyncio.create_task(journal.run()))
    since = clock.moment() - timedelta(seconds=20)
    CallEvents(journal, running.call.id).agent_cut_off(since)
    await journal.settle()
    async with running.database.reading() as connection:
        lost = sa.select(call_events.c.created_at).where(call_events.c.kind == EventKind.AGENT_LOST)
        assert await connection.scalar(lost) == since


async def test_what_is_wrong_is_left_out_but_never_the_end_of_the_call(
    running: Running, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    call_id, database = running.call.id, running.database

    async def rename(table: str, name: str) -> None:
        async with database.writing() as connection:
            await connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO {name}"))

    async def happened() -> list[str]:
        async with database.reading() as connection:
            return list(await connection.scalars(sa.select(call_events.c.kind).order_by(call_events.c.id)))

    def failures() -> int:
        return sum(record.message == "a change of the call could not be written" for record in caplog.records)

    async with database.writing() as connection:
        assert await leases.release(connection, call_id, running.token)
    taken = await take(database, call_id, "worker", "agent-2", 600)
    assert taken is not None
    journal = Journal(database, call_id, taken.lease.token, taken.clock, running.persistence())
    running.tasks.append(asyncio.create_task(journal.run()))

    journal.put(partial(note, str(uuid.uuid4()), BACK))  # there is no such call
    journal.put(partial(note, call_id, BACK))
    await journal.settle()
    assert (failures(), (await happened())[-1]) == (1, BACK)

    await rename("usage", "elsewhere")
    journal.put(lambda store: store.finish(call_id, EndReason.CALLER_HUNG_UP), is_vital=True)
    journal.put(partial(note, call_id, LISTENED))
    await until(lambda: failures() == 2)
    await rename("elsewhere", "usage")
    await journal.settle()
    assert (await happened())[-2:] == [EventKind.CALL_COMPLETED, LISTENED]
    await taken.lease.release(running.persistence())

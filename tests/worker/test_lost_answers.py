"""Commits whose answer is lost: what was written is there once, though nobody was told so."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from calls.database.engine import Database
from calls.events import EventKind
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import call_events, jobs
from calls.workers import leases
from tests.conftest import Until
from tests.servers import PostgresCluster
from tests.worker.conftest import Running
from worker.room.journal import Journal
from worker.room.lease import take

pytestmark = pytest.mark.restless


@pytest.fixture
def database_url(postgres: PostgresCluster, migrated_postgres: str) -> Iterator[str]:
    name = postgres.lend(migrated_postgres)
    yield postgres.url(name)
    postgres.take_back(name)


class Forgetful:
    """Between clients and Postgres: of every second commit the answer is lost, and the connection with it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.commits = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lost = asyncio.Event()
        there, to_there = await asyncio.open_connection(self._host, self._port)
        ends = [
            asyncio.create_task(self._ask(reader, to_there, lost)),
            asyncio.create_task(self._answer(there, writer, lost)),
        ]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        for each in (writer, to_there):
            each.close()

    async def _ask(self, reader: asyncio.StreamReader, there: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await reader.read(65536):
            if b"COMMIT" in data:
                self.commits += 1
                if self.commits % 2:
                    lost.set()
            there.write(data)

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while (data := await there.read(65536)) and not lost.is_set():
                writer.write(data)


@asynccontextmanager
async def through_a_forgetful_line(url: str) -> AsyncIterator[tuple[Database, Forgetful]]:
    where = make_url(url)
    line = Forgetful(where.host or "", where.port or 0)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = Database(where.set(host="127.0.0.1", port=port).render_as_string(hide_password=False), pool_size=1)
    yield database, line
    await database.close()
    server.close()


async def note(call_id: str, message: str, store: CallStore) -> None:
    await store.add_event(call_id, EventKind.AGENT_RETURNED, "lifecycle", message)


async def test_each_thing_is_written_once(running: Running, database_url: str, until: Until) -> None:
    call_id, persistence = running.call.id, running.persistence()
    async with running.database.writing() as connection:
        assert await leases.release(connection, call_id, running.token)
    async with through_a_forgetful_line(database_url) as (database, line):
        taken = await persistence.persist(lambda: take(database, call_id, "worker", "agent-2", 10))
        assert taken is not None
        assert taken.lease.token == running.token + 1
        journal = Journal(database, call_id, taken.lease.token, taken.clock, persistence)
        running.tasks.append(asyncio.create_task(journal.run()))
        writer = running.writer(database, taken.lease.token)
        for number in range(6):
            message = f"number {number}"
            journal.put(partial(note, call_id, message))
            handle = writer.begin("agent", None)
            writer.update(handle, message, number, number + 1, final=True)
            await writer.flush()
        journal.put(lambda store: store.participant_joined(call_id, "ada"))
        journal.put(lambda store: store.participant_left(call_id, "ada"))
        journal.put(lambda store: store.finish(call_id, EndReason.CALLER_HUNG_UP))
        await journal.settle()
        await taken.lease.release(persistence)
    assert line.commits > 20
    assert await running.lines() == [(number, "agent", f"number {number}") for number in range(6)]
    async with running.database.reading() as connection:
        events = (await connection.execute(sa.select(call_events).order_by(call_events.c.id))).all()
        work = await connection.scalar(sa.select(sa.func.count()).where(jobs.c.call_id == call_id))
    told = [event.message for event in events if event.kind == EventKind.AGENT_RETURNED]
    assert told == [f"number {number}" for number in range(6)]
    happened = Counter(event.kind for event in events)
    assert [happened[kind] for kind in ("participant.joined", "participant.left", "call.completed")] == [1, 1, 1]
    assert work == 1

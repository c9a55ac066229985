"""A worker that is told to stop lets its calls go on for a while, then ends them, with everything written."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from calls import processes
from calls.database.engine import Database
from calls.migrations import migrate
from calls.rooms import Rooms
from calls.settings import Settings
from calls.tables import workers
from tests.conftest import PATIENCE_S, Until, now
from tests.providers import Providers
from tests.servers import LiveKitServer, PostgresCluster, process
from tests.worker.conftest import Stage, Talk, make_settings

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180)]

Make = Callable[..., Settings]  # in this folder
Way = Callable[[Make, Path, Until], Coroutine[Any, Any, None]]

HELLO = "Hello there, this is Ada."
SHORTLY_S = 0.5  # the database may take longer, and a worker that looks for calls to end has looked


async def a_worker_without_patience_ends_its_calls_and_leaves_nothing_unwritten(
    make: Make, folder: Path, until: Until
) -> None:
    settings = make(folder, worker_drain_s=0)
    database = Database(settings.database, patience_s=PATIENCE_S)
    async with (
        process("worker", settings, folder / "worker.log") as worker,
        Rooms.connect(settings, PATIENCE_S) as rooms,
    ):
        call = await Stage(settings, database, rooms).call(
            first_message=HELLO, post_call={"recording": {"enabled": True}}
        )
        async with call.caller() as caller:
            await until(lambda: call.has_said("agent", HELLO))
            await until(lambda: has_told(database, [(settings.worker_max_calls, 1)]))
            assert await living(database) == ["worker"]
            os.killpg(worker.pid, signal.SIGTERM)  # as who ends a service does: to each of its processes
            row = await until(call.ended)
            await until(lambda: not caller.room.isconnected())
        assert (row.status, row.end_reason) == ("completed", "shut_down")
        assert [line.text for line in await call.transcript()] == [HELLO]
        await until(lambda: worker.returncode is not None)
        assert worker.returncode == 0
        assert len(call.pieces()) == 1
        assert list(settings.recordings_dir.iterdir()) == [], "it has brought what it had"
        assert await has_told(database, []), "it has no seats any more"
        assert await living(database) == []
    await database.close()


async def without_its_database_it_ends_its_calls_too_and_they_end_with_their_reason_when_that_is_back(
    make: Make, folder: Path, until: Until
) -> None:
    settings = make(folder, worker_drain_s=0)
    database = Database(settings.database, patience_s=PATIENCE_S)
    async with (
        process("worker", settings, folder / "worker.log") as worker,
        Rooms.connect(settings, PATIENCE_S) as rooms,
    ):
        call = await Stage(settings, database, rooms).call(first_message=HELLO)
        async with call.caller() as caller:
            await until(lambda: call.has_said("agent", HELLO))
            with closing(sqlite3.connect(folder / "callroom.db", isolation_level=None)) as other:
                other.execute("DROP TABLE workers")  # what it cannot tell there costs no call
                await until(lambda: "the seats could not be told" in worker.output)
                other.execute("BEGIN IMMEDIATE")
                worker.send(signal.SIGTERM)
                await until(lambda: not caller.room.isconnected())
                over = now()
                assert await call.ended() is None
        row = await until(call.ended)
        assert (row.status, row.end_reason) == ("completed", "shut_down")
        assert row.ended_at <= over
        assert [line.text for line in await call.transcript()] == [HELLO]
        await until(lambda: worker.returncode is not None)
        assert worker.returncode == 0
    await database.close()


async def what_was_over_before_its_worker_was_told_to_stop_ends_as_it_did_when_the_database_is_back(
    make: Make, folder: Path, until: Until
) -> None:
    settings = make(folder, worker_drain_s=0)
    database = Database(settings.database, patience_s=PATIENCE_S)
    async with (
        process("worker", settings, folder / "worker.log") as worker,
        Rooms.connect(settings, PATIENCE_S) as rooms,
    ):
        stage = Stage(settings, database, rooms)
        calls = [await stage.call(first_message=HELLO) for _ in range(3)]
        with closing(sqlite3.connect(folder / "callroom.db", isolation_level=None)) as other:
            async with AsyncExitStack() as callers:
                for call in calls:
                    await callers.enter_async_context(call.caller())
                for call in calls:
                    await until(partial(call.has_said, "agent", HELLO))
                other.execute("BEGIN IMMEDIATE")
            for call in calls:
                await until(partial(is_deserted, rooms, call))
            over = now()
            worker.send(signal.SIGTERM)
        for row in [await until(call.ended) for call in calls]:
            assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
            assert row.ended_at <= over
    await database.close()


async def a_call_that_is_just_being_taken_when_its_worker_is_told_to_stop_is_ended_too(
    cluster: PostgresCluster, make: Make, folder: Path, until: Until
) -> None:
    url = cluster.url(cluster.create())
    settings = make(folder, database_url=url, worker_drain_s=0)
    database = Database(settings.database, patience_s=PATIENCE_S)
    await migrate(database)
    async with (
        process("worker", settings, folder / "worker.log") as worker,
        Rooms.connect(settings, PATIENCE_S) as rooms,
    ):
        call = await Stage(settings, database, rooms).place(first_message=HELLO)
        cluster.freeze()  # the worker asks it whether it answers, before it takes a call
        await call.open_room()
        await until(lambda: "received job request" in worker.output)
        worker.send(signal.SIGTERM)
        await asyncio.sleep(SHORTLY_S)
        cluster.thaw()
        await until(lambda: worker.returncode is not None)
        assert worker.returncode == 0
        row = await call.row()
        assert row.status != "in_progress"
        assert row.end_reason in {"shut_down", None}, "None: the machine stood still, and the worker left it to others"
    await database.close()


async def is_deserted(rooms: Rooms, call: Talk) -> bool:
    """Whether its agent has left too."""
    return await rooms.list_participants(call.room) == []


async def has_told(database: Database, rows: list[tuple[int, int]]) -> bool:
    """Whether these are the seats of all workers, and how many are taken."""
    async with database.reading() as conn:
        return [tuple(row) for row in await conn.execute(sa.select(workers.c.seats, workers.c.taken))] == rows


async def living(database: Database) -> list[str]:
    """The kinds of the processes that live."""
    async with database.reading() as conn:
        return [one.kind for one in await processes.list_living(conn)]


async def test_a_worker_that_is_told_to_stop(
    livekit: LiveKitServer,
    breakable_postgres: PostgresCluster,
    providers: Providers,
    migrated_sqlite: Path,
    tmp_path: Path,
    until: Until,
) -> None:
    """Each with a worker and a database of its own, all at the same time: they wait much longer than they work."""
    ways: tuple[Way, ...] = (
        a_worker_without_patience_ends_its_calls_and_leaves_nothing_unwritten,
        without_its_database_it_ends_its_calls_too_and_they_end_with_their_reason_when_that_is_back,
        what_was_over_before_its_worker_was_told_to_stop_ends_as_it_did_when_the_database_is_back,
        partial(a_call_that_is_just_being_taken_when_its_worker_is_told_to_stop_is_ended_too, breakable_postgres),
    )
    make = partial(make_settings, livekit, providers, migrated_sqlite)
    async with asyncio.TaskGroup() as tasks:
        for number, way in enumerate(ways):
            tasks.create_task(way(make, tmp_path / f"drain-{number}", until))

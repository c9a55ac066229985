"""Which worker a call is given to, and what a worker counts for that."""

import asyncio
from pathlib import Path

import aiohttp
import psutil
import pytest
import sqlalchemy as sa

from calls.database.engine import Database
from calls.rooms import Rooms
from calls.settings import Settings
from calls.tables import workers
from tests.conftest import PATIENCE_S, Until
from tests.providers import Providers
from tests.servers import LiveKitServer, free_port, process
from tests.worker.conftest import Stage, make_settings
from worker.headcount import EarCount

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180)]

MOST_CALLS = 40  # until LiveKit, which takes either of two idle workers, has asked the other one first


async def lacks(settings: Settings, check: str) -> bool:
    """Whether this is all that a worker needs to be ready."""
    async with aiohttp.ClientSession() as http:
        try:
            async with http.get(f"http://127.0.0.1:{settings.worker_port}/readyz") as answer:
                body = await answer.json()
        except aiohttp.ClientConnectionError:
            return False
    return [name for name, passed in body.items() if not passed] == [check]


async def test_a_worker_whose_database_does_not_answer_leaves_every_call_to_others(
    livekit: LiveKitServer, providers: Providers, migrated_sqlite: Path, tmp_path: Path, until: Until
) -> None:
    settings = make_settings(livekit, providers, migrated_sqlite, tmp_path)
    away = {"database_url": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing", "worker_port": free_port()}
    without = settings.model_copy(update=away)
    deaf = process("worker", without, tmp_path / "deaf.log")
    deaf.start()
    try:
        async with process("worker", settings, tmp_path / "worker.log"), Rooms.connect(settings, PATIENCE_S) as rooms:
            await until(lambda: lacks(without, "database"))
            database = Database(settings.database, patience_s=PATIENCE_S)
            stage = Stage(settings, database, rooms)
            for _ in range(MOST_CALLS):
                if "a call is left to others" in deaf.output:
                    break
                call = await stage.call()
                await until(lambda call=call: call.has_happened("agent.joined"))
                await rooms.delete_room(call.room)
                await until(call.ended)
            await database.close()
        assert "a call is left to others" in deaf.output
    finally:
        deaf.stop()


async def test_a_worker_that_starts_removes_the_counts_of_killed_jobs_and_no_others(
    livekit: LiveKitServer, providers: Providers, migrated_sqlite: Path, tmp_path: Path, until: Until
) -> None:
    settings = make_settings(livekit, providers, migrated_sqlite, tmp_path)
    counts = settings.state_dir / "ears"
    elsewhere = EarCount(settings, "job-of-another-worker")
    database = Database(settings.database, patience_s=PATIENCE_S)
    elsewhere.write(2)
    try:
        async with Rooms.connect(settings, PATIENCE_S) as rooms:
            async with process("worker", settings, tmp_path / "killed.log") as worker:
                call = await Stage(settings, database, rooms).call()
                async with call.caller():
                    await until(lambda: len(list(counts.iterdir())) == 2)
                    worker.kill_group()
            await rooms.delete_room(call.room)
        async with process("worker", settings, tmp_path / "next.log"):
            assert [file.name for file in counts.iterdir()] == ["job-of-another-worker"]
    finally:
        elsewhere.write(0)
        await database.close()
    assert not list(counts.iterdir())


async def test_a_worker_that_does_not_keep_up_with_its_calls_says_so_and_takes_what_nobody_else_could(
    livekit: LiveKitServer, providers: Providers, migrated_sqlite: Path, tmp_path: Path, until: Until
) -> None:
    settings = make_settings(livekit, providers, migrated_sqlite, tmp_path)
    database = Database(settings.database, patience_s=PATIENCE_S)

    async def is_strained() -> bool:
        async with database.reading() as connection:
            return bool(await connection.scalar(sa.select(workers.c.strained)))

    async def keeps_up() -> bool:
        return not await is_strained()

    async with (
        process("worker", settings, tmp_path / "worker.log") as worker,
        Rooms.connect(settings, PATIENCE_S) as rooms,
    ):
        stage = Stage(settings, database, rooms)
        first, second = await stage.call(), await stage.call()
        async with first.caller(), second.caller():
            await until(lambda: first.has_happened("agent.joined"))
            await until(lambda: second.has_happened("agent.joined"))
            await until(keeps_up)
            holding_up = asyncio.create_task(hold_up(psutil.Process(worker.pid).children(recursive=True)))
            await until(is_strained)
            assert "the worker does not keep up with its calls" in worker.output
            third = await stage.call()
            await until(lambda: third.has_happened("agent.joined"))
            assert await is_strained()
            holding_up.cancel()
            await asyncio.wait({holding_up})
            await until(keeps_up)
    await database.close()


async def hold_up(processes: list[psutil.Process]) -> None:
    """Let them run for less than half of the time, until cancelled, as a machine does that has too much to do."""
    while True:
        for one in processes:
            one.suspend()
        try:
            await asyncio.sleep(0.2)
        finally:
            for one in processes:
                one.resume()
        await asyncio.sleep(0.1)

"""Who is woken by a commit, and what that costs those who commit."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from calls.database.changes import CALLS, CHANNEL, JOBS, Watch
from calls.database.engine import Database
from calls.jobs import enqueue
from calls.migrations import migrate
from calls.tables import tenants

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.restless

# Another process, which ends as soon as it has committed.
ENQUEUE = """
import asyncio, sys
from calls.database.engine import Database
from calls.jobs import enqueue

async def main():
    database = Database(sys.argv[1], pool_size=1, patience_s=60)
    async with database.writing() as connection:
        await enqueue(connection, "task", {}, queue="work", tenant_id="t")
    await database.close()

asyncio.run(main())
"""


LISTENS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT 1'"


async def listens(database: Database) -> bool:
    """Whether those who watch are connected: that wakes them once more."""
    async with database.reading() as connection:
        return database.is_sqlite or bool(await connection.scalar(sa.text(LISTENS)))


async def add(database: Database) -> None:
    async with database.writing() as connection:
        await enqueue(connection, "task", {}, queue="work", tenant_id="t")


async def quiet(watch: Watch) -> None:
    while await watch.wait(1):
        pass


async def test_a_watch_wakes_when_another_process_commits(database, database_url):
    async with database.changes.watch(JOBS) as watch:
        await quiet(watch)
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", ENQUEUE, database_url, cwd=ROOT)
        assert await watch.wait(60)
        assert await other.wait() == 0


async def test_waiters_of_the_same_process_are_woken_at_once_and_only_those_whom_it_concerns(database, until):
    async with database.changes.watch(JOBS) as jobs, database.changes.watch(CALLS) as calls:
        await until(lambda: listens(database))
        await asyncio.gather(quiet(jobs), quiet(calls))
        await add(database)
        assert await jobs.wait(0)
        assert not await calls.wait(0.3)


async def test_what_was_rolled_back_is_told_to_nobody(database, until):
    async def fail() -> None:
        async with database.writing() as connection:
            await enqueue(connection, "task", {}, queue="work", tenant_id="t")
            raise ZeroDivisionError

    async with database.changes.watch(JOBS) as watch:
        await until(lambda: listens(database))
        await quiet(watch)
        with pytest.raises(ZeroDivisionError):
            await fail()
        async with database.writing() as connection:
            await connection.execute(sa.update(tenants).values(name="another"))
        assert not await watch.wait(0.5)


async def test_commits_are_seen_where_nobody_can_ring(tmp_path):
    database, other = (Database(f"sqlite:///{tmp_path}/calls.db") for _ in range(2))
    await migrate(database)
    (tmp_path / "calls.db-bell").write_text("no folder")
    async with database.changes.watch(JOBS) as watch:
        await quiet(watch)
        await add(other)
        assert await watch.wait(60)
    await other.close()
    await database.close()


@pytest.fixture
async def on_postgres(postgres, migrated_postgres) -> AsyncIterator[Database]:
    """One connection only, as a call has it."""
    database = Database(postgres.url(postgres.create(template=migrated_postgres)), pool_size=1)
    yield database
    await database.close()


@asynccontextmanager
async def notifications(database: Database) -> AsyncIterator[list[str]]:
    heard: list[str] = []
    connection = await asyncpg.connect(database.url)
    await connection.add_listener(CHANNEL, lambda *notification: heard.append(notification[-1]))
    yield heard
    await connection.close()


async def test_a_burst_of_commits_is_told_in_a_few_notifications_and_others_in_none(on_postgres, until):
    async with notifications(on_postgres) as heard:
        for _ in range(50):
            async with on_postgres.writing() as connection:
                await connection.execute(sa.update(tenants).values(credits_micros=tenants.c.credits_micros + 1))
        assert heard == []
        began = time.monotonic()
        await asyncio.gather(*(add(on_postgres) for _ in range(50)))
        took_s = time.monotonic() - began
        await until(lambda: heard)
        await asyncio.sleep(0.2)
        assert set(heard) == {JOBS}
        assert len(heard) <= 3 + took_s / 0.02


async def test_what_is_committed_last_is_told_before_the_process_ends(on_postgres, until):
    async with notifications(on_postgres) as heard:
        other = Database(on_postgres.url, pool_size=1)
        await add(other)
        await other.close()
        await until(lambda: heard)


async def test_a_watch_goes_on_after_postgres_was_away(breakable_postgres, breakable_url, until: Callable[..., object]):
    database, other = Database(breakable_url), Database(breakable_url)
    async with database.changes.watch(JOBS) as watch:
        await quiet(watch)
        await asyncio.to_thread(breakable_postgres.kill)
        breakable_postgres.start()
        await quiet(watch)
        await add(other)
        assert await watch.wait(60)
    await asyncio.gather(database.close(), other.close())

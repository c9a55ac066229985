"""The database's clock, on hosts whose own clocks are wrong."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from calls.database.clock import moment
from calls.database.engine import Database
from calls.jobs import JobQueue, enqueue

ROOT = Path(__file__).parents[2]

# A host whose clocks are an hour ahead: whatever asks Python for the time is told so.
AHEAD = """
import asyncio, datetime, sys, time

def wrong(clock):
    return lambda: clock() + 3600

class Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=3600)

time.time, time.monotonic, datetime.datetime = wrong(time.time), wrong(time.monotonic), Ahead

from calls.database.clock import moment
from calls.database.engine import Database
from calls.jobs import JobQueue

async def main():
    database = Database(sys.argv[1], patience_s=60)
    async with database.writing() as connection:
        print(moment(connection).isoformat())
    queue = JobQueue(database, "ahead", 10)
    print(await queue.rescue(), len(await queue.claim("work", 10)))
    await database.close()

asyncio.run(main())
"""


async def test_the_time_is_the_databases_and_goes_on_without_asking(database):
    began = time.monotonic()
    async with database.reading() as connection:
        before = moment(connection)
        real = await clock_of(database)
        asking = timedelta(seconds=time.monotonic() - began)
        await asyncio.sleep(0.1)
        passed = moment(connection) - before
    assert abs(real - before) < timedelta(seconds=1) + asking
    assert passed >= timedelta(seconds=0.09)


async def test_a_host_that_is_ahead_takes_no_job_away_and_starts_none_early(postgres, migrated_postgres):
    url = postgres.url(postgres.create(template=migrated_postgres))
    database = Database(url, patience_s=60)
    async with database.writing() as connection:
        await enqueue(connection, "task", {}, queue="work", tenant_id="t")
        soon = moment(connection) + timedelta(seconds=1800)
        await enqueue(connection, "task", {}, queue="work", tenant_id="t", run_at=soon)
    [held] = await JobQueue(database, "on time", lease_s=1800).claim("work", 10)
    before = await clock_of(database)
    ahead = await asyncio.create_subprocess_exec(
        sys.executable, "-c", AHEAD, url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    told, taken = (await ahead.communicate())[0].decode().splitlines()
    after = await clock_of(database)
    slack = timedelta(seconds=1) + (after - before)
    assert before - slack < datetime.fromisoformat(told) < after + slack
    assert taken == "0 0"
    assert await JobQueue(database, "on time", lease_s=1800).complete(held)
    await database.close()


async def clock_of(database: Database) -> datetime:
    of_sqlite, of_postgres = "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')", "SELECT clock_timestamp()"
    async with database.reading() as connection:
        told = await connection.scalar(sa.text(of_sqlite if database.is_sqlite else of_postgres))
    return datetime.fromisoformat(told) if isinstance(told, str) else told


async def test_all_connections_of_a_process_show_one_time(database_url):
    database = Database(database_url)
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(database.reading()) for _ in range(5)]
        times = [moment(connection) for connection in (*connections, *reversed(connections))]
    await database.close()
    assert times == sorted(times)

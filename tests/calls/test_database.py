"""The database itself: migrations without drift, transactions, changes seen by other processes, many writers."""

import asyncio
import gc
import sqlite3
import sys
import threading
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from itertools import product
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import sqlite

from calls import migrations
from calls.database import compiled
from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import Invalid
from calls.migrations import alembic_config, is_compared, migrate, upgrade_schema
from calls.tables import Json, UtcDateTime, metadata, tenants

pytestmark = pytest.mark.restless

ROOT = Path(__file__).parents[2]

WRITERS = """
import asyncio, os, sys
import sqlalchemy as sa
from calls.database.engine import Database
from calls.tables import tenants

async def main():
    database = Database(sys.argv[1], patience_s=60)
    for number in range(int(sys.argv[2])):
        async with database.writing() as connection:
            name = (await connection.execute(sa.select(tenants.c.credits_micros))).scalar_one()
            await connection.execute(sa.update(tenants).values(credits_micros=tenants.c.credits_micros + 1))
    await database.close()

is_first = os.fork() and os.fork()  # of three
asyncio.run(main())
if is_first:
    sys.exit(any(os.wait()[1] for _ in range(2)))
"""

SLOW_TO_INSERT = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END'",
    "CREATE TRIGGER slow BEFORE INSERT ON tenants FOR EACH ROW EXECUTE FUNCTION slow()",
)


async def test_the_migrations_make_exactly_the_tables(database):
    opts = {"compare_type": True, "include_name": is_compared}
    async with database.writing() as connection:
        drift = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts=opts), metadata),
        )
    assert drift == []


async def test_every_migration_goes_down_and_up_again(database):
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "base"))
        await connection.run_sync(upgrade_schema)
        assert (await connection.execute(sa.select(sa.func.count()).select_from(tenants))).scalar_one() == 0


def at_work(before: set[threading.Thread]) -> list[threading.Thread]:
    """The threads of SQLite's connections that have come since."""
    return [one for one in {*threading.enumerate()} - before if "connection_worker" in one.name]


async def test_whoever_is_cancelled_twice_while_he_opens_a_file_leaves_no_thread_and_no_task(tmp_path):
    lost, before = [], set(threading.enumerate())
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: lost.append(context["message"]))
    for turns, more in product(range(0, 40, 2), range(3)):  # so often the loop has gone round before each of the two
        database = Database(f"sqlite:///{tmp_path / 'new.db'}")
        opening = asyncio.create_task(database.ping())
        for pause in (turns, more):
            for _ in range(pause):
                await asyncio.sleep(0.0001)
            opening.cancel()
        with suppress(asyncio.CancelledError):
            await opening
        await database.close()
        assert at_work(before) == []
    gc.collect()
    assert lost == []


def is_asked(connection: threading.Thread) -> bool:
    """Whether the thread is at a statement."""
    frame = sys._current_frames().get(connection.ident or 0)
    return frame is not None and frame.f_code.co_name in {"_run", "_begin_writing"}


async def write(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(sa.select(1))


async def test_whoever_is_cancelled_while_another_process_writes_is_not_at_work_any_more_once_the_database_is_closed(
    tmp_path, until
):
    before = set(threading.enumerate())
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    await database.ping()
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(write(database))
        await until(lambda: any(is_asked(one) for one in at_work(before)))
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        assert at_work(before)
        await database.close()
        assert at_work(before) == []


async def test_processes_that_migrate_at_once_wait_for_each_other(database_url):
    opened = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(migrate(one) for one in opened))
    await asyncio.gather(*(one.close() for one in opened))


async def test_a_migration_may_take_longer_than_anything_else(postgres, migrated_postgres, monkeypatch):
    monkeypatch.setattr(migrations, "PATIENCE_S", 2.0)
    database = Database(postgres.url(postgres.create(template=migrated_postgres)))
    async with database.writing() as connection:
        for statement in SLOW_TO_INSERT:
            await connection.execute(sa.text(statement))
        await connection.execute(sa.delete(tenants))
    await migrate(database)
    async with database.reading() as connection:
        assert await connection.scalar(sa.select(tenants.c.id)) == DEFAULT_TENANT
    await database.close()


async def test_many_writing_processes_lose_nothing_and_wait_for_each_other(database, database_url):
    writers = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITERS, database_url, "40", cwd=ROOT)
    assert await writers.wait() == 0
    async with database.reading() as connection:
        assert (await connection.execute(sa.select(tenants.c.credits_micros))).scalar_one() == 120


async def test_an_error_rolls_the_whole_transaction_back(database):
    async def change_and_fail() -> None:
        async with database.writing() as connection:
            await connection.execute(sa.update(tenants).values(name="changed"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await change_and_fail()
    async with database.reading() as connection:
        assert (await connection.execute(sa.select(tenants.c.name))).scalar_one() == "default"


async def test_moments_and_json_come_back_as_they_were(database):
    summer = datetime(2026, 7, 1, 12, 30, 15, 250_000, tzinfo=timezone(timedelta(hours=2)))
    value = {"huge": 10**30, "small": 0.1, "text": "é\u2028", "nothing": None}
    async with database.reading() as connection:
        query = sa.select(sa.literal(summer, UtcDateTime), sa.literal(value, Json), sa.null().cast(UtcDateTime))
        moment, parsed, nothing = (await connection.execute(query)).one()
    assert (moment, moment.utcoffset(), nothing) == (summer, timedelta(0), None)
    assert parsed == value


async def test_half_a_character_in_json_can_be_read(sqlite_url):
    database = Database(sqlite_url)
    query = sa.text("""SELECT '{"text": "\\ud83d"}' AS half""").columns(half=Json)
    async with database.reading() as connection:
        assert (await connection.execute(query)).scalar_one() == {"text": "\ud83d"}
    await database.close()


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())  # noqa: DTZ001 - the point


def test_a_database_of_another_kind_is_refused_by_name():
    with pytest.raises(Invalid, match="CALLROOM_DATABASE_URL"):
        Database("mysql://somewhere/else")


async def test_what_one_database_has_compiled_serves_the_next(database_url):
    async def ask() -> set[object]:
        """All that is kept after the same question to a database that is opened anew."""
        database = Database(database_url)
        async with database.reading() as connection:
            await connection.execute(sa.select(tenants.c.id.label("of_which_only_this_test_asks")))
        await database.close()
        return set(compiled.CACHE)

    before = set(compiled.CACHE)
    first = await ask()
    assert len(first - before) == 1
    assert await ask() == first

"""What becomes of transactions while the database is away, and after: one error, soon; then all is as before."""

import asyncio
import errno
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
import sqlalchemy as sa

from calls.database.allowance import allowance, limit
from calls.database.engine import PATIENCE_S, Database
from calls.errors import DatabaseAway, Invalid
from calls.migrations import migrate
from calls.tables import tenants
from tests.awake import awake
from tests.conftest import PATIENCE_S as FOR_ANYTHING_S
from tests.locked import locked
from tests.servers import PostgresCluster

pytestmark = pytest.mark.restless

SOON_S = PATIENCE_S + 3  # of a machine that runs, and takes its time


@pytest.fixture
async def on_postgres(breakable_postgres: PostgresCluster, breakable_url: str) -> AsyncIterator[Database]:
    database = Database(breakable_url, pool_size=2)
    yield database
    breakable_postgres.thaw()
    await database.close()


async def rename(database: Database, name: str) -> None:
    async with database.writing() as connection:
        await connection.execute(sa.update(tenants).values(name=name))


async def name_of(database: Database) -> str:
    async with database.reading() as connection:
        return str(await connection.scalar(sa.select(tenants.c.name)))


async def away(*attempts: Awaitable[object], cut_short: bool = False) -> None:
    """Each of these attempts, made at once, fails as it should, in time; `cut_short`: the server ended it itself."""
    async with awake() as ran_s:
        errors = await asyncio.gather(*attempts, return_exceptions=True)
        assert ran_s() < SOON_S
    assert [type(error) for error in errors] == [DatabaseAway] * len(attempts), errors
    assert [error.cut_short for error in errors if isinstance(error, DatabaseAway)] == [cut_short] * len(attempts)


async def test_a_killed_postgres_is_away_at_once_and_works_at_once_when_it_is_back(on_postgres, breakable_postgres):
    await rename(on_postgres, "before")
    await asyncio.to_thread(breakable_postgres.kill)
    for _ in range(2):
        await away(name_of(on_postgres), rename(on_postgres, "meanwhile"), on_postgres.ping())
    breakable_postgres.start()
    assert await name_of(on_postgres) == "before"
    await rename(on_postgres, "after")
    assert await name_of(on_postgres) == "after"


async def test_connections_of_before_a_restart_are_used_by_nobody(on_postgres, breakable_postgres):
    await asyncio.gather(*(name_of(on_postgres) for _ in range(4)))
    breakable_postgres.kill()  # while the event loop stands still: it has heard of nothing when they are asked for
    breakable_postgres.start()
    assert await asyncio.gather(*(name_of(on_postgres) for _ in range(4))) == ["default"] * 4


async def test_a_postgres_that_never_answers_keeps_nobody_waiting(on_postgres, breakable_postgres):
    await asyncio.gather(*(name_of(on_postgres) for _ in range(4)))
    breakable_postgres.freeze()
    for _ in range(2):  # over the connections that were there, and over new ones; more at once than there are places
        await away(*(name_of(on_postgres) for _ in range(3)), *(rename(on_postgres, "meanwhile") for _ in range(3)))
    breakable_postgres.thaw()
    await rename(on_postgres, "after")
    assert await asyncio.gather(*(name_of(on_postgres) for _ in range(4))) == ["after"] * 4


async def test_a_postgres_that_freezes_in_the_middle_of_a_transaction_does_not_get_to_finish_it(
    on_postgres, breakable_postgres
):
    async def rename_slowly() -> None:
        async with on_postgres.writing() as connection:
            await connection.execute(sa.update(tenants).values(name="half"))
            breakable_postgres.freeze()
            await connection.execute(sa.update(tenants).values(name="whole"))

    await away(rename_slowly())
    breakable_postgres.thaw()
    await rename(on_postgres, "after")  # the row is free again
    assert await name_of(on_postgres) == "after"


async def test_who_starts_while_postgres_is_away_waits_for_it(on_postgres, breakable_postgres):
    await asyncio.to_thread(breakable_postgres.kill)
    starting = asyncio.create_task(migrate(on_postgres))
    await asyncio.sleep(1)
    breakable_postgres.start()
    await asyncio.wait_for(starting, FOR_ANYTHING_S)
    assert await name_of(on_postgres) == "default"


async def test_who_waits_for_a_lock_too_long_gives_up_and_others_keep_their_connections(on_postgres):
    async with on_postgres.writing() as connection:
        await connection.execute(sa.update(tenants).values(name="held"))
        await away(rename(on_postgres, "waits"), cut_short=True)
        assert await name_of(on_postgres) == "default"
    assert await name_of(on_postgres) == "held"


async def test_a_postgres_that_takes_no_writes_is_away_for_those_who_write(on_postgres, breakable_postgres):
    name = on_postgres.url.rpartition("/")[2]
    breakable_postgres.run("psql", "-q", "-c", f"ALTER DATABASE {name} SET default_transaction_read_only = on", name)
    standby = Database(on_postgres.url)
    await away(rename(standby, "meanwhile"))
    assert await name_of(standby) == "default"
    await standby.close()


async def test_a_postgres_that_lets_nobody_in_is_away_until_it_does_again(on_postgres, breakable_postgres, caplog):
    name = on_postgres.url.rpartition("/")[2]

    def tell(*statements: str) -> None:
        commands = [part for statement in statements for part in ("-c", statement)]
        breakable_postgres.run("psql", "-q", "-v", "ON_ERROR_STOP=1", *commands)

    tell("CREATE ROLE guest SUPERUSER LOGIN")
    as_guest = Database(on_postgres.url.replace("postgres@", "guest@"))
    for shut, code, open_again in (
        ("ALTER ROLE guest NOLOGIN", "28000", "ALTER ROLE guest LOGIN"),
        (f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", "55000", f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
        (f"ALTER DATABASE {name} RENAME TO elsewhere", "3D000", f"ALTER DATABASE elsewhere RENAME TO {name}"),
    ):
        await rename(as_guest, code)
        await as_guest.close()  # a database that is renamed has nobody in it
        await on_postgres.close()
        tell(shut)
        for _ in range(2):
            await away(name_of(as_guest), rename(as_guest, "meanwhile"), as_guest.ping())
        if code != "55000":  # which may be another program's doing, and pass
            with pytest.raises(Invalid, match=f"^CALLROOM_DATABASE_URL: .* {code}"):
                await asyncio.wait_for(migrate(as_guest), FOR_ANYTHING_S / 2)
        tell(open_again)
        assert await name_of(as_guest) == code
        told = [getattr(line, "error", "") for line in caplog.records if line.levelno == logging.WARNING]
        assert 1 <= sum(code in error for error in told) <= 2, "once by each pool"
    await as_guest.close()


async def test_only_a_statement_that_is_wrong_itself_is_not_to_be_asked_again(on_postgres):
    for code, expected in (
        ("58030", DatabaseAway),  # the server's disk fails
        ("42501", DatabaseAway),
        ("XX000", DatabaseAway),
        ("0A000", DatabaseAway),
        ("22001", sa.exc.DBAPIError),
        ("23514", sa.exc.DBAPIError),
        ("42703", sa.exc.DBAPIError),
    ):
        async with on_postgres.writing() as connection:
            does = f"RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING ERRCODE = ''{code}''; END'"
            await connection.execute(sa.text(f"CREATE OR REPLACE FUNCTION fail() {does}"))
            trigger = "CREATE OR REPLACE TRIGGER fails BEFORE UPDATE ON tenants"
            await connection.execute(sa.text(f"{trigger} FOR EACH ROW EXECUTE FUNCTION fail()"))
        with pytest.raises(expected):
            await rename(on_postgres, "wrong")


async def test_of_two_who_wait_for_each_other_one_is_told_to_try_again(on_postgres):
    async with on_postgres.writing() as connection:
        await connection.execute(sa.insert(tenants).values(id="another", name="another"))
    both_are_half_done = asyncio.Barrier(2)
    patient = Database(on_postgres.url, pool_size=2, patience_s=FOR_ANYTHING_S)  # Postgres finds it out in its own time

    async def rename_both(*ids: str) -> None:
        async with patient.writing() as connection:
            for number, tenant in enumerate(ids):
                await connection.execute(sa.update(tenants).where(tenants.c.id == tenant).values(name="renamed"))
                if number == 0:
                    await both_are_half_done.wait()

    ways = (rename_both("default", "another"), rename_both("another", "default"))
    outcomes = await asyncio.gather(*ways, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {DatabaseAway, type(None)}, outcomes
    await patient.close()


async def test_a_wrong_statement_is_not_taken_for_an_outage(database):
    async def ask() -> None:
        async with database.reading() as connection:
            await connection.execute(sa.text("SELECT nonsense FROM nowhere"))

    with pytest.raises(sa.exc.DBAPIError):
        await ask()

    async def insert_twice() -> None:
        async with database.writing() as connection:
            for _ in range(2):
                await connection.execute(sa.insert(tenants).values(id="twice", name="twice"))

    with pytest.raises(sa.exc.IntegrityError):
        await insert_twice()


async def test_a_locked_sqlite_lets_nobody_write_and_everybody_read(sqlite_url):
    database = Database(sqlite_url)
    with locked(sqlite_url):
        await away(*(rename(database, "meanwhile") for _ in range(5)))
        assert await name_of(database) == "default"

    async def write_when_free() -> None:
        await rename(database, "waited")

    with locked(sqlite_url):
        waiting = asyncio.create_task(write_when_free())
        await asyncio.sleep(0.5)
    await waiting
    assert await name_of(database) == "waited"
    await database.close()


async def test_a_disk_that_fails_after_a_commit_is_an_outage(sqlite_url, monkeypatch):
    def fail(_file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    database = Database(sqlite_url)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        await away(rename(database, "meanwhile"))
    assert await name_of(database) == "meanwhile"
    await rename(database, "after")
    assert await name_of(database) == "after"
    await database.close()


async def test_a_file_that_is_no_database_is_away_and_whoever_starts_with_it_is_told(tmp_path: Path):
    file = tmp_path / "notes.db"
    file.write_text("This is no database, whatever its name says. " * 100)
    database = Database(f"sqlite:///{file}")
    await away(name_of(database), rename(database, "meanwhile"))
    with pytest.raises(Invalid, match=r"^CALLROOM_DATABASE_URL: .* SQLITE_NOTADB"):
        await asyncio.wait_for(migrate(database), FOR_ANYTHING_S / 2)
    await database.close()


async def test_what_is_read_is_of_one_moment(database, database_url):
    other = Database(database_url)
    async with database.reading() as connection:
        first = await connection.scalar(sa.select(tenants.c.name))
        await rename(other, "changed")
        assert await connection.scalar(sa.select(tenants.c.name)) == first
    assert await name_of(database) == "changed"
    await other.close()


async def test_who_waits_only_because_others_are_served_is_served_too(database_url):
    database = Database(database_url, pool_size=1)

    async def rename_slowly() -> None:
        async with database.writing() as connection:
            await connection.execute(sa.update(tenants).values(name="changed"))
            await asyncio.sleep(0.1)

    began = time.monotonic()
    await asyncio.gather(*(rename_slowly() for _ in range(30)), *(name_of(database) for _ in range(30)))
    assert time.monotonic() - began > PATIENCE_S
    await database.close()


async def test_what_is_waited_in_line_for_nothing_is_waited_once(database_url):
    database = Database(database_url, pool_size=1)

    async def try_again() -> float:
        async with limit(0.5):
            with pytest.raises(DatabaseAway):
                await rename(database, "meanwhile")
            return allowance().left_s

    async with database.writing():
        assert await asyncio.create_task(try_again()) < 0.01
    await database.close()

"""The one file that knows which database this is: engine, transactions, upserts."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from calls.changes import CHANNEL, Changes
from calls.errors import Invalid
from calls.sqlite import Connection, Driver, WriteAheadLog

DEFAULT_TENANT = "default"
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


class Database:
    """One database, SQLite file or Postgres.

    Args:
        url: `sqlite:///path/of/file.db` or `postgresql://user:password@host/name`.
        pool_size: how many connections may be open at once.
    """

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        parsed = _parse(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True)
        # An error of the database shows no values: these may be speech or phone numbers, and errors are logged.
        limits = {"pool_size": pool_size, "max_overflow": 0, "hide_parameters": True}
        self._engine = create_async_engine(parsed, json_deserializer=_from_json, **limits, **_options(parsed))
        self._writer = self._engine.execution_options(callroom_writes=True)
        # SQLite has one writer: waiting in line here is fair and costs nothing, waiting inside SQLite is neither.
        self._turn = asyncio.Lock() if self.is_sqlite else None
        self._log = WriteAheadLog(f"{parsed.database}-wal") if self.is_sqlite else None
        self.changes = Changes(
            sqlite_file=parsed.database if self.is_sqlite else None,
            postgres_dsn=None
            if self.is_sqlite
            else parsed.set(drivername="postgresql").render_as_string(hide_password=False),
        )
        if self.is_sqlite:
            sa.event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection in one read transaction: what it reads is of one moment."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A connection in one write transaction: committed at the end of the block, or rolled back by an error.

        On SQLite its first statement, whatever it is, waits until no other process writes.
        """
        if self._turn is not None and self._log is not None:
            async with self._turn, self._writer.begin() as connection:
                yield connection
            await self._log.sync()
        else:
            async with self._writer.begin() as connection:
                yield connection
                await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))
        self.changes.wake()

    async def ping(self) -> None:
        """Raise if the database does not answer."""
        async with self.reading() as connection:
            await connection.execute(sa.select(1))

    async def close(self) -> None:
        """Close every connection."""
        await self.changes.close()
        await self._engine.dispose()


def upsert(connection: AsyncConnection | str, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT for `table` that has `on_conflict_do_update` and `on_conflict_do_nothing`.

    `connection` may be the name of its dialect, for a statement that is built once and kept.
    """
    dialect = connection if isinstance(connection, str) else connection.dialect.name
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        driver = _DRIVERS[parsed.drivername.partition("+")[0]]
    except (sa.exc.ArgumentError, KeyError) as error:
        expected = "CALLROOM_DATABASE_URL: expected sqlite:///path or postgresql://user:password@host/name"
        raise Invalid(expected) from error
    return parsed.set(drivername=driver)


def _from_json(text: str) -> object:
    try:
        parsed: object = pydantic_core.from_json(text)
    except ValueError:  # half a character, as a language model may give: the quicker parser refuses it
        parsed = json.loads(text)
    return parsed


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        connect = {"timeout": 30, "isolation_level": None, "cached_statements": 512}
        return {"module": Driver(), "connect_args": connect}
    return {"pool_pre_ping": True}


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # NORMAL does not wait for the disk: `writing` does, after it has let the next writer in.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    file = cast("Connection", connection.connection.dbapi_connection)
    # A writer takes the lock at once: one that reads first and writes later can be refused half-way.
    if connection.get_execution_options().get("callroom_writes"):
        file.begin_writing()
    else:
        file.begin_reading()

"""The one file that knows which database this is: engine, transactions, upserts."""

import asyncio
import errno
import json
import logging
import math
import sqlite3
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from calls.database import compiled, postgres
from calls.database.allowance import allowance
from calls.database.changes import CHANNEL, Changes, begin_marking, marked
from calls.database.sqlite import Connection, Driver, WriteAheadLog, is_file_away, wipe
from calls.errors import DatabaseAway, Invalid
from calls.line import Line

log = logging.getLogger(__name__)

DEFAULT_TENANT = "default"
PATIENCE_S = 2.0
_DRIVERS = {**compiled.DRIVERS, "postgres": compiled.DRIVERS["postgresql"]}


class Database:
    """One database, SQLite file or Postgres.

    A transaction raises DatabaseAway if the database cannot be reached, does not answer, or is locked by somebody else:
    about `patience_s` seconds after the transaction, or any statement in it, was begun, and once the task has waited as
    long as its `allowance.limit` says. Who waits for a connection or, on SQLite, for his turn to write waits longer
    only while others are served.

    Args:
        url: `sqlite:///path/of/file.db` or `postgresql://user:password@host/name`.
        pool_size: how many connections may be open at once.
        patience_s: how long the database may take to let somebody in, and then for each statement.
    """

    def __init__(self, url: str, *, pool_size: int = 8, patience_s: float = PATIENCE_S) -> None:
        parsed = _parse(url)
        self.url = url
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._file = parsed.database or ""
        self._patience_s = patience_s
        if self.is_sqlite:
            Path(self._file).parent.mkdir(parents=True, exist_ok=True)
        # An error of the database shows no values: these may be speech or phone numbers, and errors are logged.
        limits = {"pool_size": pool_size, "max_overflow": 0, "hide_parameters": True}
        self._driver = Driver() if self.is_sqlite else None
        options = _sqlite_options(self._driver, patience_s) if self._driver else postgres.engine_options(patience_s)
        self._engine = create_async_engine(
            parsed,
            json_deserializer=_from_json,
            execution_options={"compiled_cache": compiled.CACHE},
            **limits,
            **options,
        )
        self._line = Line(pool_size)
        self._closed_by = ""  # why no connection could be made a moment ago, if none could
        self._writer = self._engine.execution_options(callroom_writes=True)
        if self.is_sqlite:
            self._reader = self._engine
            # SQLite has one writer: waiting in line here is fair and costs nothing, waiting inside SQLite is neither.
            self._writers = [Line(1)]
            self._log: WriteAheadLog | None = WriteAheadLog(f"{parsed.database}-wal")
            self.changes = Changes(sqlite_file=self._file)
            sa.event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine.sync_engine, "begin", partial(_begin_sqlite, patience_s))
        else:
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._writers = []
            self._log = None
            postgres.guard(self._engine)
            dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self.changes = Changes(postgres_dsn=dsn, notify=self._notify, patience_s=patience_s)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection in one read transaction: what it reads is of one moment."""
        async with self._connected(self._reader, self._line) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A connection in one write transaction: committed at the end of the block, or rolled back by an error.

        If the database goes away while it commits, or its disk fails, DatabaseAway is raised: the transaction may be
        there or not. On SQLite its first statement, whatever it is, waits until no other process writes.
        """
        async with self._connected(self._writer, *self._writers, self._line) as connection:
            begin_marking(connection)
            yield connection
            await connection.commit()
            topics = marked(connection)
        try:
            if self._log is not None:
                await self._log.sync()
        except OSError as error:
            raise DatabaseAway(_why(error)) from error
        finally:  # others read it already
            self.changes.committed(topics)

    @asynccontextmanager
    async def _connected(
        self,
        engine: AsyncEngine,
        *lines: Line,
    ) -> AsyncIterator[AsyncConnection]:
        allowed = allowance()
        in_line = is_connecting = True
        try:
            async with AsyncExitStack() as places:
                for line in lines:
                    await places.enter_async_context(line.place(allowed.left_s, allowed.spend))
                in_line = False
                places.enter_context(allowed.spending())
                now = asyncio.get_running_loop().time()
                async with (
                    asyncio.timeout(min(self._patience_s, allowed.left_s)) as wait,
                    engine.connect() as connection,
                ):
                    # On SQLite a statement waits for nothing but the lock, and goes on when nobody waits for it.
                    is_limited = not self.is_sqlite and allowed.left_s < math.inf
                    wait.reschedule(now + allowed.left_s if is_limited else None)
                    is_connecting, self._closed_by = False, ""
                    yield connection
        except (sa.exc.SQLAlchemyError, OSError, *postgres.ERRORS) as error:  # a TimeoutError is an OSError
            # Before it was asked anything, nothing can be wrong with what it was asked.
            if not (is_connecting or _is_away(error)):
                raise
            why, cut_short = _why(error), postgres.was_cut_short(error)
            if is_connecting and not in_line:
                self._tell_closed(why)
            if not (in_line or allowed.is_used_up or cut_short):
                lines[0].dissolve()
            raise DatabaseAway(why, cut_short=cut_short) from error

    def _tell_closed(self, why: str) -> None:
        """Say in the log why no connection can be made: once, and again when it is for another reason."""
        if why != self._closed_by:
            log.warning("no connection to the database can be made", extra={"error": why})
        self._closed_by = why

    async def _notify(self, topics: Collection[str]) -> None:
        # Outside any transaction: the lock that Postgres takes for all who notify is held for nothing else.
        alone = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        async with self._connected(alone, self._line) as connection:
            await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, " ".join(topics))))

    async def ping(self) -> None:
        """Raise DatabaseAway if the database does not answer."""
        async with self.reading() as connection:
            await connection.execute(sa.select(1))

    async def wipe(self) -> bool:
        """Remove what was deleted from SQLite's files; False if somebody was in the way: ask again.

        Postgres does so with its VACUUM, and when the space is used again.
        """
        return not self.is_sqlite or await asyncio.to_thread(wipe, self._file)

    async def close(self) -> None:
        """Tell others what was committed last, and close every connection, those of whoever was cancelled too."""
        await self.changes.close()
        await self._engine.dispose()
        if self._driver is not None:
            await self._driver.ended()


def is_mistaken(away: DatabaseAway) -> bool:
    """Whether the address may well be a mistake: its server does not know us, or its file is no database."""
    error = away.__cause__
    if isinstance(error, sa.exc.DBAPIError) and isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorcode == sqlite3.SQLITE_NOTADB
    return error is not None and postgres.is_unknown(error)


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


def _is_away(error: Exception) -> bool:
    """Whether it may be asked the same again, later: nothing is wrong with what was asked."""
    if isinstance(error, (OSError, sa.exc.TimeoutError)):
        return True
    if isinstance(error, sa.exc.DBAPIError) and isinstance(error.orig, sqlite3.Error):
        return is_file_away(error.orig)
    return postgres.is_away(error)


def _why(error: Exception) -> str:
    """The kind of error and its code, for the log. Its text is not for it: it may have names and values."""
    told = postgres.driver_error(error)
    number = errno.errorcode.get(getattr(told, "errno", None) or 0)
    code = getattr(told, "sqlstate", None) or getattr(told, "sqlite_errorname", None) or number or ""
    return f"{type(told).__name__} {code}".rstrip()


def _sqlite_options(driver: Driver, patience_s: float) -> dict[str, Any]:
    connect = {"timeout": patience_s, "isolation_level": None, "cached_statements": 512}
    return {"module": driver, "connect_args": connect}


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # NORMAL does not wait for the disk: `writing` does, after it has let the next writer in.
    # Deleted rows are overwritten: what was erased is not to be read in the file either.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _begin_sqlite(patience_s: float, connection: sa.Connection) -> None:
    file = cast("Connection", connection.connection.dbapi_connection)
    # A writer takes the lock at once: one that reads first and writes later can be refused half-way.
    if connection.get_execution_options().get("callroom_writes"):
        file.begin_writing(max(min(patience_s, allowance().left_s), 0))
    else:
        file.begin_reading()

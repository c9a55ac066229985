"""aiosqlite under SQLAlchemy with one visit to the connection's thread per statement; its own adapter makes four.

Placing a call takes some ten statements: the switches between threads, each a wait for Python's lock, were most of it.
It takes names of both that are not public; both are pinned.
"""

import asyncio
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy.connectors.asyncio import AsyncIODBAPIConnection
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.util.concurrency import await_
from typing_extensions import override

WIPE_WAIT_S = 0.05
WIPE_PAUSE_S = 0.005
LOOK_MS = 8  # in such steps it is looked whether another writer is done: after 1, 2 and 5 ms, and again
MERGED_PAGES = 64  # some ms, for which writers wait
REWRITTEN_BYTES = 32_000_000  # a third of a second, for which writers wait
# A statement is refused for what it says, or for its values. All else may happen to a file: it is locked, full, not
# readable, or damaged.
_REFUSED = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
}


_Begin = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True)
class _Outcome:
    """What is known of a statement once it has run."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int = 0
    rows: Sequence[Any] = field(default_factory=tuple)


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """Begins the transaction if that is still to do, executes, and fetches every row, all in one visit."""

    __slots__ = ("_outcome", "arraysize")

    def __init__(self, connection: "Connection") -> None:
        self._adapt_connection: Connection = connection
        self._rows = deque()
        self._outcome = _Outcome()
        self.arraysize = 1

    @property
    @override
    def description(self) -> Any:
        return self._outcome.description

    @property
    @override
    def rowcount(self) -> int:
        return self._outcome.rowcount

    @property
    @override
    def lastrowid(self) -> int:
        return self._outcome.lastrowid

    @override
    def execute(self, operation: Any, parameters: Any = None) -> None:
        self._visit("execute", operation, parameters or ())

    @override
    def executemany(self, operation: Any, seq_of_parameters: Any) -> None:
        self._visit("executemany", operation, seq_of_parameters)

    @override
    def close(self) -> None:
        self._rows.clear()

    @override
    async def _async_soft_close(self) -> None:
        """Nothing is open: every visit closes what it opened."""

    def _visit(self, how: str, operation: str, parameters: Sequence[Any]) -> None:
        self._outcome = self._adapt_connection.visit(how, operation, parameters)
        self._rows = deque(self._outcome.rows)


class Connection(AsyncAdapt_aiosqlite_connection):
    """One SQLite connection, which knows whether there is anything to commit or to roll back."""

    __slots__ = ("_begin", "_reading", "_used")

    _cursor_cls: type[AsyncAdapt_aiosqlite_cursor] = _Cursor

    def __init__(self, dbapi: "Driver", connection: AsyncIODBAPIConnection) -> None:
        super().__init__(dbapi, connection)
        self._begin: _Begin | None = None
        self._reading = False
        self._used = False

    def begin_reading(self) -> None:
        """Begin a transaction that only reads, on the same visit as its first statement."""
        self._begin, self._reading = _begin_reading, True

    def begin_writing(self, patience_s: float) -> None:
        """The same for one that writes, for which others may be in the way so long."""
        self._begin, self._reading = partial(_begin_writing, patience_s), False

    def visit(self, how: str, operation: str, parameters: Sequence[Any]) -> _Outcome:
        """Run one statement with the cursor's method `how`."""
        begin, self._begin = self._begin, None
        self._used = True
        file = self._connection
        try:
            outcome: _Outcome = await_(file._execute(_run, file._conn, begin, how, operation, parameters))  # noqa: SLF001 - see above
        except Exception as error:  # noqa: BLE001 - handed on as what SQLAlchemy knows
            self._handle_exception(error)
        return outcome

    @override
    def commit(self) -> None:
        if self._used:
            super().commit()
        self._begin, self._reading, self._used = None, False, False

    @override
    def rollback(self) -> None:
        if self._used and self._reading:
            # Nothing depends on how it ends, and what comes next in this thread comes after it: no need to wait.
            self._connection._tx.put_nowait((None, self._connection._conn.rollback))  # noqa: SLF001 - see above
        elif self._used:
            super().rollback()
        self._begin, self._reading, self._used = None, False, False

    @override
    def terminate(self) -> None:
        # Waited for, the closing would be lost with whoever is cancelled again. The thread does it after what it is at.
        self._connection.stop()


class Driver(AsyncAdapt_aiosqlite_dbapi):
    """For `create_async_engine(…, module=Driver())`."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)
        self._opened: list[aiosqlite.Connection] = []

    @override
    def connect(self, *arguments: Any, **options: Any) -> Connection:
        opened = super().connect(*arguments, **options, async_creator_fn=self._open)
        return Connection(self, opened._connection)  # noqa: SLF001 - see above

    def _open(self, file: str, **options: Any) -> aiosqlite.Connection:  # noqa: ANN401 - as `connect` has them
        connection = aiosqlite.connect(file, **options)
        connection._thread.daemon = True  # noqa: SLF001 - see above
        self._opened = [one for one in self._opened if one._running or one._thread.is_alive()]  # noqa: SLF001 - see above
        self._opened.append(connection)
        return connection

    async def ended(self) -> None:
        """Return once each connection that is closed is at nothing any more: its thread tells this event loop of it."""
        for closed in [one._thread for one in self._opened if not one._running]:  # noqa: SLF001 - see above
            await asyncio.to_thread(closed.join)


class WriteAheadLog:
    """Brings commits to the disk. Of many at once one sync serves all: it is what takes the time, not the writing.

    Args:
        path: SQLite's `-wal` file. SQLite takes no locks on it, so that it may be opened and closed here.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._commits = 0
        self._synced = 0
        self._syncing = asyncio.Lock()

    async def sync(self) -> None:
        """Return once everything that is committed now would survive a loss of power."""
        self._commits += 1
        mine = self._commits
        async with self._syncing:
            if self._synced < mine:
                covered = self._commits
                await asyncio.to_thread(_sync, self._path)
                self._synced = covered


def is_file_away(error: sqlite3.Error) -> bool:
    """Whether the file could not do what it was asked for, rather than that no file could."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)  # without one Python's module itself refuses
    return code & 0xFF not in _REFUSED


def wipe(database: str) -> bool:
    """Leave nothing in the files of rows that are deleted by now; False if somebody was in the way.

    It asks for a moment in which nobody is, and keeps nobody waiting for that. A database so large that its writers
    would have to wait while it is written anew is left as it is: there, copies of rows that were moved can stay.
    """
    try:
        with closing(sqlite3.connect(database, timeout=WIPE_WAIT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete=ON")  # the pieces that were merged are deleted rows as well
            _merge_indexes(connection)
            # Pages that were split have copies of what was moved, which `secure_delete` does not see.
            if Path(database).stat().st_size <= REWRITTEN_BYTES:
                connection.execute("VACUUM")
            # Most of it without any lock, so that the rest, for which writers wait, is short.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            busy, _frames, _moved = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:  # locked
        return False
    return not busy


def _merge_indexes(connection: sqlite3.Connection) -> None:
    """Bring each full-text index into one piece: until then FTS5 has the words of deleted rows in older pieces.

    It is done in steps, so that writers come in between; what is done stays done if one of them is in the way.
    """
    tables = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE % USING fts5%'")
    for (table,) in tables.fetchall():
        changed = MERGED_PAGES
        while changed > 1:  # a step that finds nothing to merge changes one row: that of its own command
            before = connection.total_changes
            connection.execute(f"INSERT INTO {table}({table}, rank) VALUES ('merge', -{MERGED_PAGES})")  # noqa: S608 - a name of ours
            changed = connection.total_changes - before
            time.sleep(WIPE_PAUSE_S)


def _sync(path: str) -> None:
    file = os.open(path, os.O_RDWR)
    try:
        os.fdatasync(file)
    finally:
        os.close(file)


def _begin_reading(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")


def _begin_writing(patience_s: float, connection: sqlite3.Connection) -> None:
    """Wait for other writers, and look for their end as often after a second as at first.

    SQLite itself looks less and less often, to ten times a second: those who came last would have the lock first.
    """
    due = time.monotonic() + patience_s
    connection.execute(f"PRAGMA busy_timeout={min(LOOK_MS, round(patience_s * 1000))}")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= due:
                    raise
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout={round(patience_s * 1000)}")


def _run(
    connection: sqlite3.Connection, begin: _Begin | None, how: str, operation: str, parameters: Sequence[Any]
) -> _Outcome:
    if begin is not None:
        begin(connection)
    cursor = connection.cursor()
    try:
        getattr(cursor, how)(operation, parameters)
        rows = cursor.fetchall() if cursor.description else ()
        return _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid or 0, rows)
    finally:
        cursor.close()

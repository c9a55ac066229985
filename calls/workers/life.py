"""Whether a lease's holder lives: it keeps a lock, and the kernel frees that when the process dies, however it dies.

On Postgres it is an advisory lock of the session, beside SQLite a lock on a file. It is news, not the truth: a lock can
also be free because a connection broke, so a judge believes it when it stays free.
"""

import asyncio
import fcntl
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_LOCK = sa.text("SELECT pg_try_advisory_lock(:key)")
_LOCKED = sa.text(
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks "
    "WHERE locktype = 'advisory' AND objsubid = 1 AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
)

_WRITES = ("POSIX", "120")  # the byte of the -shm file that SQLite locks for as long as it writes
_LIVES = ("FLOCK", "0")
_KERNELS_LOCK = re.compile(r"^\d+: (POSIX|FLOCK) +ADVISORY +WRITE (\d+) \S+:(\d+) (\d+) ", re.MULTILINE)

SHOWN_S = 60.0  # a file is there for a moment before it is locked


class Life:
    """The lock of one holder. It belongs to this process, on Postgres to its connection, until it is ended.

    Args:
        key: `HeldLease.life`.
    """

    def __init__(self, key: int) -> None:
        self._key = key
        self._file: BinaryIO | None = None
        self.shown = False  # whether others can see that this process lives
        self.interrupted = asyncio.Event()  # the connection that had it is gone: it is to be shown again at once

    async def show(self, conn: AsyncConnection) -> None:
        """Take the lock if this connection has it not; to be called with every renewal, and until it is `shown`.

        It may be had later only: a server can still have the session of a connection that broke. A file that somebody
        has removed is made anew.
        """
        if conn.dialect.name == "sqlite":
            self._lock(_file(conn, self._key))
            self.shown = self._file is not None
            return
        if conn.info.get("life") != self._key:
            driver = (await conn.get_raw_connection()).driver_connection
            assert driver is not None
            driver.add_termination_listener(self._interrupt)
            self.interrupted.clear()
            self.shown = bool(await conn.scalar(_LOCK, {"key": self._key}))
            if self.shown:
                conn.info["life"] = self._key

    def end(self) -> None:
        """Free the file; a session's lock is freed with its connection."""
        if self._file is not None:
            Path(self._file.name).unlink(missing_ok=True)
            self._file.close()

    def _interrupt(self, _driver: object) -> None:
        self.shown = False
        self.interrupted.set()

    def _lock(self, path: Path) -> None:
        if self._file is not None:
            if _leads_to(path, self._file):
                return
            self._file.close()
            self._file = None
        path.parent.mkdir(exist_ok=True)
        file = path.open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a judge is just looking: the next renewal takes it
            file.close()
        else:
            self._file = file


async def living(conn: AsyncConnection, keys: set[int]) -> set[int]:
    """Which of these keys are locked now."""
    if conn.dialect.name == "sqlite":
        return {key for key in keys if is_locked(_file(conn, key))}
    return keys & {int(key) for key in await conn.scalars(_LOCKED)} if keys else set()


def outlive_connections(conn: AsyncConnection) -> bool:
    """Whether holders keep their locks while the database is away: those on files; sessions have to be made anew."""
    return conn.dialect.name == "sqlite"


def is_locked(path: Path) -> bool:
    """Whether some process that lives keeps a lock on the file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def kill_stopped_writer(conn: AsyncConnection, keys: set[int]) -> bool:
    """End the one of these holders that was stopped (SIGSTOP) in the middle of a write: nobody else writes until then.

    Only on SQLite, whose lock is of a process on this machine. True if there was one.
    """
    if conn.dialect.name != "sqlite":
        return False
    # The file is not opened and asked: when it is closed, SQLite's own locks on it would be lost in this process.
    listed = _KERNELS_LOCK.findall(Path("/proc/locks").read_text(encoding="ascii"))
    locks = {(kind, start, int(inode)): int(pid) for kind, pid, inode, start in listed}
    with suppress(OSError):  # it has ended, or is another user's
        writer = locks.get((*_WRITES, Path(f"{conn.engine.url.database}-shm").stat().st_ino))
        holders = {locks.get((*_LIVES, _file(conn, key).stat().st_ino)) for key in keys if _file(conn, key).exists()}
        if writer is not None and writer in holders and _is_stopped(writer):
            os.kill(writer, signal.SIGKILL)
            return True
    return False


def _is_stopped(pid: int) -> bool:
    return "\nState:\tT " in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")


def _leads_to(path: Path, file: BinaryIO) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False


def bury(conn: AsyncConnection, key: int) -> None:
    """Remove what a dead holder left."""
    if conn.dialect.name == "sqlite":
        _file(conn, key).unlink(missing_ok=True)


def bury_forgotten(conn: AsyncConnection, held: set[int]) -> None:
    """Remove what holders left that died when they had given their lease back; those of `held` are judged."""
    if conn.dialect.name != "sqlite":
        return
    for path in _file(conn, 0).parent.glob("*"):
        with suppress(FileNotFoundError):
            is_new = time.time() - path.stat().st_mtime < SHOWN_S
            if not is_new and int(path.name, 16) not in held and not is_locked(path):
                path.unlink()


def _file(conn: AsyncConnection, key: int) -> Path:
    return Path(f"{conn.engine.url.database}-lives") / f"{key:016x}"

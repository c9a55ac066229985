"""Who waits for commits, of this process or any other: Postgres tells by NOTIFY, SQLite by its data version."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiosqlite
import asyncpg

CHANNEL = "callroom"
POLL_S = 0.02  # how often SQLite's data version is read; reading it takes no lock and touches no table
RECONNECT_S = 0.5


class Watch:
    """One waiter. A wake-up means that something may have changed: read the database again."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._changed.set()  # what happened before the first wait is not known, so look once

    def wake(self) -> None:
        """Let the waiter look again."""
        self._changed.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Return True once something may have changed since the last wait, False after `timeout_s` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True


class Changes:
    """The commits of every process on one database, as wake-ups; it listens only while somebody watches."""

    def __init__(self, *, sqlite_file: str | None, postgres_dsn: str | None) -> None:
        self._sqlite_file = sqlite_file
        self._postgres_dsn = postgres_dsn
        self._watches: set[Watch] = set()
        self._listener: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[Watch]:
        """A waiter for the length of the block."""
        watch = Watch()
        self._watches.add(watch)
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen(), name="changes")
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def wake(self) -> None:
        """Wake every waiter of this process: a transaction of its own was committed."""
        for watch in self._watches:
            watch.wake()

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    async def _listen(self) -> None:
        while True:
            with suppress(OSError, aiosqlite.Error, asyncpg.PostgresError, asyncpg.InterfaceError):
                if self._postgres_dsn is not None:
                    await self._follow_notifications(self._postgres_dsn)
                elif self._sqlite_file is not None:
                    await self._follow_data_version(self._sqlite_file)
            await asyncio.sleep(RECONNECT_S)

    async def _follow_data_version(self, file: str) -> None:
        async with aiosqlite.connect(file, isolation_level=None) as connection:
            seen = None
            while True:
                async with connection.execute("PRAGMA data_version") as cursor:
                    version = await cursor.fetchone()
                if version != seen:
                    seen = version
                    self.wake()
                await asyncio.sleep(POLL_S)

    async def _follow_notifications(self, dsn: str) -> None:
        connection = await asyncpg.connect(dsn)
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(CHANNEL, lambda *_notification: self.wake())
            self.wake()  # what was committed before the connection stood
            await lost.wait()
        finally:
            connection.terminate()

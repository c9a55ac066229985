"""Who waits for commits, of this process or any other: Postgres tells by NOTIFY, beside SQLite there are bells."""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiosqlite
import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database import postgres
from calls.database.bell import Bell
from calls.errors import DatabaseAway

log = logging.getLogger(__name__)

CALLS = "calls"  # a stream of a call has something to send
JOBS = "jobs"  # a job may be claimed that could not be before
TRUNKS = "trunks"  # LiveKit should have something else of a tenant's trunk than before
TURNS = "turns"  # it may be the turn of a call that waits, or of a phone
WAITING = "waiting"  # a call waits for an agent

CHANNEL = "callroom"
POLL_S = 0.02  # how often SQLite's data version is read where there are no bells; it takes no lock and touches no table
RECONNECT_S = 0.5
PAUSE_S = 0.02  # a process notifies others this often at most: what it commits meanwhile is told together
LISTENER_ASKED_S = 5.0  # a server that is gone without a word is found out by asking it now and then
_MARKED = "marked"


def mark(connection: AsyncConnection, *topics: str) -> None:
    """Whoever waits for these topics is woken once the open transaction is committed, and nobody is if it is not."""
    connection.info.setdefault(_MARKED, set()).update(topics)


def begin_marking(connection: AsyncConnection) -> None:
    """Forget what an earlier transaction on this connection had marked."""
    connection.info[_MARKED] = set()


def marked(connection: AsyncConnection) -> frozenset[str]:
    """The topics that were marked since `begin_marking`."""
    return frozenset(connection.info[_MARKED])


class Watch:
    """One waiter. A wake-up means that something may have changed: read the database again."""

    def __init__(self, *topics: str) -> None:
        self.topics = frozenset(topics)
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
    """The commits of every process on one database, as wake-ups; it listens only while somebody watches.

    Args:
        sqlite_file: the file of the database. In the folder `…-bell` beside it each topic has a bell. Where no pipe can
            be made, its data version is followed, which tells that something was committed, not what.
        postgres_dsn: where to listen for notifications.
        notify: sends one notification, which names topics; raises DatabaseAway.
        patience_s: how long Postgres may take to answer.
    """

    def __init__(
        self,
        *,
        sqlite_file: str | None = None,
        postgres_dsn: str | None = None,
        notify: Callable[[Collection[str]], Awaitable[None]] | None = None,
        patience_s: float = 0,
    ) -> None:
        self._sqlite_file = sqlite_file
        self._postgres_dsn = postgres_dsn
        self._notify = notify
        self._patience_s = patience_s
        self._watches: set[Watch] = set()
        self._listener: asyncio.Task[None] | None = None
        self._hearers: dict[str, asyncio.Task[None]] = {}
        self._untold: set[str] = set()
        self._announcer: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, *topics: str) -> AsyncIterator[Watch]:
        """A waiter for any of `topics`, for the length of the block."""
        watch = Watch(*topics)
        self._watches.add(watch)
        if self._sqlite_file is None:
            self._begin_to_listen()
        else:
            for topic in watch.topics - self._hearers.keys():
                self._hearers[topic] = asyncio.create_task(self._follow_bell(topic), name="bell")
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def wake(self, topics: Collection[str] | None = None) -> None:
        """Wake the waiters of this process for `topics`, or all of them."""
        for watch in self._watches:
            if topics is None or watch.topics.intersection(topics):
                watch.wake()

    def committed(self, topics: Collection[str]) -> None:
        """A transaction of this process was committed: its own waiters know at once, those of others in a moment."""
        self.wake(topics)
        if self._sqlite_file is not None:
            for topic in topics:
                self._bell(topic).ring()
        if self._notify is None or not topics:
            return
        self._untold.update(topics)
        if self._announcer is None or self._announcer.done():
            self._announcer = asyncio.create_task(self._announce(self._notify), name="announcer")

    async def close(self) -> None:
        """Tell what is still untold, if the database answers, and stop listening."""
        if self._announcer is not None:
            await asyncio.wait({self._announcer}, timeout=self._patience_s)
        for task in (self._announcer, self._listener, *self._hearers.values()):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._announcer = self._listener = None
        self._hearers.clear()

    def _bell(self, topic: str) -> Bell:
        return Bell(Path(f"{self._sqlite_file}-bell") / topic)

    def _begin_to_listen(self) -> None:
        self._listener = self._listener or asyncio.create_task(self._listen(), name="changes")

    async def _announce(self, notify: Callable[[Collection[str]], Awaitable[None]]) -> None:
        while self._untold:
            topics, self._untold = self._untold, set()
            try:
                await notify(topics)
            except DatabaseAway:
                self._untold |= topics
                await asyncio.sleep(RECONNECT_S)
            else:
                await asyncio.sleep(PAUSE_S)

    async def _listen(self) -> None:
        while True:
            with suppress(OSError, aiosqlite.Error, *postgres.ERRORS):
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

    async def _follow_bell(self, topic: str) -> None:
        try:
            with self._bell(topic).listening() as rung:
                while True:
                    self.wake({topic})
                    await rung.wait()
                    rung.clear()
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0)
            log.warning("no pipe can be made: commits are looked for", extra={"error": reason})
            self._begin_to_listen()

    async def _follow_notifications(self, dsn: str) -> None:
        connection = await asyncpg.connect(dsn, timeout=self._patience_s, command_timeout=self._patience_s)
        try:
            await connection.add_listener(CHANNEL, lambda *notification: self.wake(notification[-1].split()))
            self.wake()  # what was committed before the connection stood
            while True:
                await connection.execute("SELECT 1")
                await asyncio.sleep(LISTENER_ASKED_S)
        finally:
            connection.terminate()

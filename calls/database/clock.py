"""The database's clock: what hosts compare is never of their own clocks, for these differ."""

import time
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import ConnectionPoolEntry

# A connection is made anew after so many seconds, so that the two clocks have not drifted apart since it was set.
SET_AGAIN_S = 3600
# A host whose wall clock and monotonic clock part by more than this was asleep or set: what it knew is wrong.
_JUMP_S = 1.0
_FIRST_ASKED = 3  # times: an answer that comes late tells the time by as much less exactly
_CLOCK = "server_clock"
_WALL = "wall_clock"


def moment(connection: AsyncConnection | sa.Connection) -> datetime:
    """This moment in UTC by the database's clock, as it was told when a connection was made: no question is asked."""
    clock: ServerClock | None = connection.info.get(_CLOCK)
    # SQLite has no clock but this machine's.
    return datetime.now(UTC) if clock is None else clock.now()


def iso(at: datetime) -> str:
    """A moment to the second, as people and programs are told of it."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


class ServerClock:
    """A Postgres server's clock, as it is known to one pool: one for all its connections, so that it never jumps."""

    def __init__(self) -> None:
        self._began: datetime | None = None  # what it showed when our monotonic clock began

    def now(self) -> datetime:
        """This moment."""
        assert self._began is not None, "nobody asked"
        return self._began + timedelta(seconds=time.monotonic())

    def ask(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Ask a new connection for the time (the pool's `connect`). What is known stays, unless it cannot be right.

        The moment that was meant is any between the question and the answer.
        """
        times = _FIRST_ASKED if self._began is None else 1
        earliest, latest = min((_told(connection) for _ in range(times)), key=lambda told: told[1] - told[0])
        if self._began is None or not earliest <= self._began <= latest:
            self._began = earliest + (latest - earliest) / 2
        record.info[_CLOCK] = self
        record.info[_WALL] = time.time() - time.monotonic()


def _told(connection: DBAPIConnection) -> tuple[datetime, datetime]:
    """Between which two moments by the server's clock our monotonic clock began."""
    asked = time.monotonic()
    told: datetime = connection.run_async(lambda driver: driver.fetchval("SELECT clock_timestamp()"))
    return told - timedelta(seconds=time.monotonic()), told - timedelta(seconds=asked)


def is_set(record: ConnectionPoolEntry) -> bool:
    """Whether what a Postgres connection was told still holds; else it is to be made anew."""
    then: float = record.info[_WALL]
    return abs(time.time() - time.monotonic() - then) < _JUMP_S

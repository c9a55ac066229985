"""asyncpg under SQLAlchemy: nothing waits without an end, and no connection is used that is known to be dead."""

import asyncio
import select
import time
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from calls.database.clock import SET_AGAIN_S, ServerClock, is_set

# The server ends a statement itself so much earlier than we give the connection up: it then stays good.
GRACE_S = 0.3
# A process that stops in the middle of a transaction holds its locks no longer than this. Its connection is lost with
# them, which is taken for its death: a busy machine is to have let it go on by then.
IDLE_IN_TRANSACTION_S = 8
# How soon a server notices that a client's machine is gone, and lets its locks go.
CLIENT_GONE_S = 10
ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# Classes of SQLSTATE: a statement is refused for what it says, or for its values. No other time makes it right, unlike
# all that may happen to a server: it may be full, read-only or closed, its disk may fail, or somebody is in the way.
_REFUSED_CLASSES = ("21", "22", "23", "42", "44", "54", "P0")
_FORBIDDEN = "42501"  # it says nothing wrong: what this user may do is being changed
_CUT_SHORT = ("57014", "55P03", "40001", "40P01")
_UNKNOWN_CLASSES = ("28", "3D")  # nobody is let in as this user, or to a database of this name
_MADE = "connection_made"


def engine_options(patience_s: float) -> dict[str, Any]:
    """What `create_async_engine` is told, for statements that may take `patience_s` seconds."""
    limits = {
        "statement_timeout": patience_s,
        "idle_in_transaction_session_timeout": max(patience_s, IDLE_IN_TRANSACTION_S),
        "tcp_user_timeout": CLIENT_GONE_S,
    }
    keepalives = {"idle": CLIENT_GONE_S - 5, "interval": 1, "count": 5}
    settings = {name: str(round(seconds * 1000)) for name, seconds in limits.items()}
    settings |= {f"tcp_keepalives_{name}": str(value) for name, value in keepalives.items()}
    connect = {"command_timeout": patience_s + GRACE_S, "server_settings": settings}
    return {"connect_args": connect, "pool_recycle": SET_AGAIN_S}


def driver_error(error: BaseException) -> BaseException:
    """The error as the driver raised it; any other as it is."""
    original: BaseException = getattr(error, "orig", None) or error
    return original.__cause__ if isinstance(original.__cause__, ERRORS) else original


def is_away(error: BaseException) -> bool:
    """Whether the server could not do what it was asked for, rather than that no server could."""
    state = _state(error)
    if not state:
        return bool(getattr(error, "connection_invalidated", False))
    return state == _FORBIDDEN or not state.startswith(_REFUSED_CLASSES)


def guard(engine: AsyncEngine) -> None:
    """Give out none of the pool's connections that is known to be dead. Asking each before its use would take time."""
    connections = _Connections()
    sa.event.listen(engine.sync_engine, "connect", connections.set_up)
    sa.event.listen(engine.sync_engine, "checkout", connections.check)
    sa.event.listen(engine.sync_engine, "invalidate", connections.drop)


def was_cut_short(error: BaseException) -> bool:
    """Whether the server ended one statement, which took too long or was in another's way, and is there for others."""
    return _state(error) in _CUT_SHORT


def is_unknown(error: BaseException) -> bool:
    """Whether the server lets nobody in as this user, or has no such database."""
    return _state(error).startswith(_UNKNOWN_CLASSES)


async def end_no_statement(connection: AsyncConnection) -> None:
    """Let what is left of this transaction take any time; the connection is for nothing else then."""
    await connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    # asyncpg takes it when it connects, or with each statement, which SQLAlchemy makes; it is pinned.
    driver._config = driver._config._replace(command_timeout=None)  # noqa: SLF001 - see above


def _state(error: BaseException) -> str:
    return getattr(driver_error(error), "sqlstate", None) or ""


def _has_news(driver: asyncpg.Connection) -> bool:
    """Whether a server that was asked nothing has told something: mostly that it is gone, which nobody has read yet."""
    news = select.poll()
    news.register(driver._transport.get_extra_info("socket"), select.POLLIN)  # noqa: SLF001 - no public way
    return bool(news.poll(0))


class _Connections:
    """What is known of the connections of one pool."""

    def __init__(self) -> None:
        self._clock = ServerClock()
        self._doubtful = 0.0  # those made before this moment, by `time.monotonic()`

    def set_up(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        try:
            self._clock.ask(connection, record)
        except BaseException:
            connection.driver_connection.terminate()
            raise
        record.info[_MADE] = time.monotonic()

    def check(self, connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        driver = connection.driver_connection
        if driver.is_closed() or _has_news(driver) or record.info[_MADE] < self._doubtful or not is_set(record):
            driver.terminate()
            raise sa.exc.DisconnectionError

    def drop(self, connection: DBAPIConnection, _record: object, error: BaseException | None) -> None:
        if isinstance(error, (TimeoutError, asyncio.CancelledError)):
            # Without a farewell, which may not be answered either.
            connection.driver_connection.terminate()
        if isinstance(error, TimeoutError):
            # The connections that were made before now lead to the same server, or to one that is no more.
            self._doubtful = time.monotonic()

"""How often something may be done that costs money: calls of publishable keys, which are public, and voice samples.

The counts are rows, one for each second in which something began, so that any number of api processes keep one limit.
"""

from ipaddress import IPv4Address, ip_network

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api.client_address import Address, client_address
from api.routing import KEY, SETTINGS
from calls.database.clock import moment
from calls.database.engine import upsert
from calls.errors import RateLimited
from calls.tables import rate_windows

PERIOD_S = 60
VOICE_SAMPLES = 20  # of a tenant: its members try voices, and no program needs them
_IPV6_PREFIX = 64  # what one household or server gets: limiting single addresses of it would limit nothing
_LOCK = 0  # the window of a key's lock row, whose count is the minute of its last use
_FORGET = 20


async def admit_new_call(request: web.Request, conn: AsyncConnection) -> None:
    """Count one more call by the request's publishable key and address; a secret key has no limit.

    It is counted in the transaction that creates the call: what creates none, a repetition with the same
    `Idempotency-Key` too, is not counted.

    Raises:
        RateLimited: there were as many as allowed in the last minute.
    """
    key, settings = request[KEY], request.app[SETTINGS]
    if not key.publishable:
        return
    limits = (
        (f"key:{key.id}", settings.publishable_calls_per_minute),
        (f"address:{address_of(request)}", settings.publishable_calls_per_minute_per_address),
    )
    waits = [await _count(conn, name, limit) for name, limit in limits]
    if any(waits):
        raise RateLimited("Too many new calls; try again later.", retry_after=max(waits))
    await _forget(conn, _second(conn))


async def admit_voice_sample(conn: AsyncConnection, tenant_id: str) -> None:
    """Count one more sample of a voice by the tenant, whatever becomes of it; RateLimited as of calls."""
    if wait := await _count(conn, f"voices:{tenant_id}", VOICE_SAMPLES):
        raise RateLimited("Too many voice samples; try again later.", retry_after=wait)
    await _forget(conn, _second(conn))


def address_of(request: web.Request) -> str:
    """Who asks, as limits count them: an IPv4 address, or the network of an IPv6 one."""
    address = client_address(request)
    return str(_group(address)) if address is not None else "unknown"


async def _count(conn: AsyncConnection, name: str, limit: int) -> int:
    """Count one; the seconds to wait if that is one too many, else 0."""
    second = _second(conn)
    await _lock(conn, name, second)
    recent = (rate_windows.c.key == name, rate_windows.c.window > second - PERIOD_S)
    query = sa.select(rate_windows.c.window, rate_windows.c.count).where(*recent).order_by(rate_windows.c.window)
    started = [(int(window), int(count)) for window, count in await conn.execute(query)]
    excess = sum(count for _window, count in started) + 1 - limit
    for window, count in started:
        if excess <= 0:
            break
        excess -= count
        if excess <= 0:
            return max(1, window + PERIOD_S - second)
    one = upsert(conn, rate_windows).values(key=name, window=second, count=1)
    more = {"count": rate_windows.c.count + 1}
    await conn.execute(one.on_conflict_do_update(index_elements=["key", "window"], set_=more))
    return 0


def _second(conn: AsyncConnection) -> int:
    return int(moment(conn).timestamp())


async def _lock(conn: AsyncConnection, name: str, second: int) -> None:
    # Who counts at the same moment in another process waits here until this transaction is over.
    minute = second // PERIOD_S
    row = upsert(conn, rate_windows).values(key=name, window=_LOCK, count=minute)
    await conn.execute(row.on_conflict_do_update(index_elements=["key", "window"], set_={"count": minute}))


async def _forget(conn: AsyncConnection, second: int) -> None:
    """Delete some rows that count no more, of any key: the table stays as small as the last minute was busy."""
    row = (rate_windows.c.key, rate_windows.c.window)
    is_lock = rate_windows.c.window == _LOCK
    old = sa.or_(
        sa.and_(is_lock, rate_windows.c.count < second // PERIOD_S - 1),
        sa.and_(~is_lock, rate_windows.c.window <= second - PERIOD_S),
    )
    some = sa.select(*row).where(old).limit(_FORGET).with_for_update(skip_locked=True)
    await conn.execute(sa.delete(rate_windows).where(sa.tuple_(*row).in_(some)))


def _group(address: Address) -> object:
    if isinstance(address, IPv4Address):
        return address
    return ip_network((address, _IPV6_PREFIX), strict=False)

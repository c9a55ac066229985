"""Credits of metered tenants: reserved for a call before they are spent, and charged when it is over.

A call has reserved what its legs have cost so far, and a minute more for each that is there or is to come. So no two
calls count on the same money, whatever process they run in. The minute of a phone that rings is kept for it; that of a
browser which has not come yet may be spent by those who are there.
Rows are locked in one order everywhere: a call, its tenant, the tenant's counters of calls, those of usage.
"""

import math
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.errors import PaymentRequired
from calls.legs import Leg, read_legs
from calls.states import TERMINAL
from calls.tables import calls, tenants
from calls.tenants.prices import MICROS_PER_DOLLAR

_S_PER_MINUTE = 60
_CALL = (
    sa.select(calls.c.tenant_id, calls.c.status, calls.c.started_at, calls.c.reserved_micros)
    .where(calls.c.id == sa.bindparam("call_id"))
    .with_for_update()
)
_FREE = tenants.c.credits_micros - tenants.c.reserved_micros
_METERED = (tenants.c.id == sa.bindparam("tenant"), tenants.c.metered)
_FREE_OF_TENANT = sa.select(_FREE).where(*_METERED)
_RESERVE = (
    sa.update(tenants)
    .where(*_METERED, tenants.c.credits_micros > 0, sa.bindparam("micros") <= _FREE)
    .values(reserved_micros=tenants.c.reserved_micros + sa.bindparam("micros"))
)
_CHARGE = (
    sa.update(tenants)
    .where(*_METERED)
    .values(
        credits_micros=tenants.c.credits_micros - sa.bindparam("cost"),
        reserved_micros=tenants.c.reserved_micros - sa.bindparam("released"),
    )
)


async def reserve(conn: AsyncConnection, tenant_id: str, micros: int) -> int:
    """Reserve so many micro-dollars for a call, and give how many were; none for a tenant that is not metered.

    Raises:
        PaymentRequired: so many are not left.
    """
    if (await conn.execute(_RESERVE, {"tenant": tenant_id, "micros": micros})).rowcount:
        return micros
    free: int | None = await conn.scalar(_FREE_OF_TENANT, {"tenant": tenant_id})
    if free is None:
        return 0
    wanted, left = micros / MICROS_PER_DOLLAR, max(free, 0) / MICROS_PER_DOLLAR
    message = f"Not enough credits: a minute for each participant costs {wanted:.6g} dollars, {left:.6g} are left."
    raise PaymentRequired(message)


async def keep_ahead(conn: AsyncConnection, call_id: str, at: datetime | None = None) -> float | None:
    """Have reserved for a call what it is to have at this moment, or as much of that as there is.

    Gives for how many seconds that lasts those who are there, and may be less than nothing; None if nobody pays, for
    the tenant is not metered or the call is over.
    """
    call = (await conn.execute(_CALL, {"call_id": call_id})).one()
    if call.status in TERMINAL:
        return None
    free: int | None = await conn.scalar(_FREE_OF_TENANT.with_for_update(), {"tenant": call.tenant_id})
    if free is None:
        return None
    legs = await read_legs(conn, call_id)
    now = at or moment(conn)
    spent = math.ceil(sum(_spent(leg, call.started_at or now, now) for leg in legs))
    ahead = sum(leg.price_micros_per_minute for leg in legs if not leg.is_over)
    present = sum(leg.price_micros_per_minute for leg in legs if leg.is_here)
    ringing = sum(leg.price_micros_per_minute for leg in legs if leg.rings)
    more = min(spent + ahead - call.reserved_micros, max(free, 0))
    reserved = call.reserved_micros + more
    if more:
        await charge(conn, call.tenant_id, 0, released=-more)
        await conn.execute(sa.update(calls).where(calls.c.id == call_id).values(reserved_micros=reserved))
    return (reserved - spent - ringing) * _S_PER_MINUTE / present if present else math.inf


async def charge(conn: AsyncConnection, tenant_id: str, cost_micros: int, *, released: int = 0) -> None:
    """Take a cost from the credits of a tenant, if it is metered, and free what was reserved for it."""
    if cost_micros or released:
        await conn.execute(_CHARGE, {"tenant": tenant_id, "cost": cost_micros, "released": released})


def _spent(leg: Leg, start: datetime, now: datetime) -> float:
    return leg.price_micros_per_minute * leg.lasted(start, now).total_seconds() / _S_PER_MINUTE

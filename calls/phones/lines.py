"""The lines of a tenant: how many phones it may be connected to at once, and how fast it may call them.

They are the limits of a carrier, so legs count, each with its own call to the phone network: those of a call to many
and those that were added, too. Phones that call the tenant take a line, and are never refused for want of one.
"""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.settings import Settings
from calls.tables import LEFT_LINE, ON_LINE, participants, trunks

SECOND = timedelta(seconds=1)
# The carrier hears of a call that we end only after it is over here.
LINGERS = timedelta(seconds=1)

# Written out, not bound: only then do both databases use the partial indexes.
_ON_LINE, _LEFT_LINE, _DIALED = sa.text(ON_LINE), sa.text(LEFT_LINE), sa.text("dialed_at IS NOT NULL")
_COUNT = sa.select(sa.func.count()).select_from(participants)


@dataclass(frozen=True)
class Limits:
    """What one tenant may have of phones."""

    at_once: int
    per_second: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits that the settings ask for."""
        return cls(settings.phone_calls_at_once, settings.phone_calls_per_second)


async def hold(conn: AsyncConnection, tenant_id: str) -> None:
    """Keep the tenant's lines until the commit: whoever counts them to take one is alone in that."""
    await conn.execute(sa.select(trunks.c.tenant_id).where(trunks.c.tenant_id == tenant_id).with_for_update())


async def free(conn: AsyncConnection, tenant_id: str, limits: Limits) -> int:
    """How many more phones could be connected to the tenant now; not above zero if there are none."""
    mine = _COUNT.where(participants.c.tenant_id == tenant_id)
    left = mine.where(_LEFT_LINE, participants.c.left_at > moment(conn) - LINGERS)
    taken = sa.select(mine.where(_ON_LINE).scalar_subquery() + left.scalar_subquery())
    return limits.at_once - int((await conn.execute(taken)).scalar_one())


async def allowance(conn: AsyncConnection, tenant_id: str, limits: Limits) -> int:
    """How many phones the tenant may begin to call now."""
    mine = _COUNT.where(participants.c.tenant_id == tenant_id)
    begun = mine.where(_DIALED, participants.c.dialed_at > moment(conn) - SECOND)
    return limits.per_second - int((await conn.execute(begun)).scalar_one())


async def may_dial(conn: AsyncConnection, tenant_id: str, limits: Limits) -> bool:
    """Whether one more phone may be called now. Whoever asks holds the lines."""
    return await free(conn, tenant_id, limits) > 0 and await allowance(conn, tenant_id, limits) > 0

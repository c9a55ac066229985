"""The legs of a call, each one participant's: when it was there, and what that costs.

A leg costs from the call's start to its end, for the time in which it was there: not while a phone rings, and not while
a browser is away. Whoever writes here holds the call's row.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.states import PARTICIPANT_PRESENT, RINGS, ParticipantStatus
from calls.tables import participants, stays

# What every call runs is built once: SQLAlchemy takes longer to build a statement than the database to run it.
_OF_CALL = participants.c.call_id == sa.bindparam("of_call")
_AT: sa.BindParameter[datetime] = sa.bindparam("at", type_=stays.c.left_at.type)
_AT_OR_COMING = sa.case((stays.c.joined_at > _AT, stays.c.joined_at), else_=_AT)  # nobody goes before he came
_COME = sa.insert(stays)
_GO = (
    sa.update(stays)
    .where(stays.c.participant_id == sa.bindparam("leg"), stays.c.left_at.is_not_distinct_from(sa.bindparam("until")))
    .values(left_at=_AT_OR_COMING)
)
_ALL_GO = (
    sa.update(stays)
    .where(stays.c.participant_id.in_(sa.select(participants.c.id).where(_OF_CALL)), stays.c.left_at.is_(None))
    .values(left_at=_AT_OR_COMING)
)
_LEGS = (
    sa.select(
        participants.c.id,
        participants.c.status,
        participants.c.price_micros_per_minute,
        stays.c.joined_at,
        stays.c.left_at,
    )
    .select_from(participants.outerjoin(stays))
    .where(_OF_CALL)
    .order_by(participants.c.position, stays.c.joined_at)
)
_BILL = (
    sa.update(participants)
    .where(participants.c.id == sa.bindparam("leg"))
    .values(bill_duration=sa.bindparam("seconds"), cost_micros=sa.bindparam("micros"))
)


@dataclass(frozen=True)
class Leg:
    """One participant's: `stays` are from when to when it was there, without an end if it is."""

    id: str
    status: ParticipantStatus
    price_micros_per_minute: int
    stays: list[tuple[datetime, datetime | None]] = field(default_factory=list)

    @property
    def is_here(self) -> bool:
        """Whether it is in the call at this moment."""
        return self.status is ParticipantStatus.JOINED

    @property
    def rings(self) -> bool:
        """Whether it is a phone that is to ring, or rings."""
        return self.status in RINGS or self.status is ParticipantStatus.QUEUED

    @property
    def is_over(self) -> bool:
        """Whether it is not there, and is not awaited either."""
        return self.status not in PARTICIPANT_PRESENT

    def lasted(self, start: datetime, end: datetime) -> timedelta:
        """For how long it was there between these moments."""
        nothing = timedelta()
        return sum((max(min(left or end, end) - max(joined, start), nothing) for joined, left in self.stays), nothing)


async def come(conn: AsyncConnection, participant_id: str, at: datetime, until: datetime | None) -> None:
    """Note that a participant is there; `until` the end of the call, if that is over."""
    await conn.execute(_COME, {"participant_id": participant_id, "joined_at": at, "left_at": until})


async def go(conn: AsyncConnection, participant_id: str, at: datetime, until: datetime | None) -> None:
    """Note that a participant is gone, who was thought to be there until the end of the call if that is over."""
    await conn.execute(_GO, {"leg": participant_id, "at": at, "until": until})


async def all_go(conn: AsyncConnection, call_id: str, at: datetime) -> None:
    """Note that everybody who was there is gone; who came after that, in no time."""
    await conn.execute(_ALL_GO, {"of_call": call_id, "at": at})


async def read_legs(conn: AsyncConnection, call_id: str) -> list[Leg]:
    """Give the call's legs in the order in which they were added."""
    found: dict[str, Leg] = {}
    for row in await conn.execute(_LEGS, {"of_call": call_id}):
        leg = found.setdefault(row.id, Leg(row.id, ParticipantStatus(row.status), row.price_micros_per_minute))
        if row.joined_at is not None:
            leg.stays.append((row.joined_at, row.left_at))
    return list(found.values())


async def bill(conn: AsyncConnection, call_id: str, start: datetime | None, end: datetime) -> int:
    """Write what each leg of a call comes to that lasted from `start` to `end`; their sum in micro-dollars.

    A leg costs its whole seconds, the last one counted as a whole; nothing if the call never started.
    """
    if start is None:
        return 0
    bills: list[dict[str, Any]] = []
    for leg in await read_legs(conn, call_id):
        seconds = math.ceil(leg.lasted(start, end).total_seconds())
        bills.append({"leg": leg.id, "seconds": seconds, "micros": round(leg.price_micros_per_minute * seconds / 60)})
    await conn.execute(_BILL, bills)
    return sum(one["micros"] for one in bills)

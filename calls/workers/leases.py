"""Who may speak and write in a call: one holder at a time, whose token is worth nothing once there is a next one.

A lease is taken by an agent, renewed as long as it lives, and released when all that was said and recorded is written.
What its holder writes meanwhile is a sign of life too: a call is not over before what is known to have happened in it.
Nobody compares clocks: whoever suspects a holder watches whether `renewals` goes on counting, and revokes the lease if
it does not. Locks are taken in one order everywhere: a call's lease, its row, its participants.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.closing import close
from calls.database.clock import moment
from calls.database.engine import upsert
from calls.states import LIVE, CallStatus
from calls.tables import calls, leases

_THIS = leases.c.call_id == sa.bindparam("of_call")
_STATUS = sa.select(calls.c.status).where(calls.c.id == sa.bindparam("of_call"))
# Built once: a call writes several times a second, and to build these would take longer than to execute them.
_MINE = sa.update(leases).where(_THIS, leases.c.token == sa.bindparam("of_token"), leases.c.held)
_NOW = sa.bindparam("now", type_=leases.c.renewed_at.type)
# A sign of life. A conversation lasts as long as an agent is in the room, not as long as others try to get in.
_HOLD = _MINE.values(renewed_at=sa.case((leases.c.entered, _NOW), else_=leases.c.renewed_at))
_RENEW = _HOLD.values(renewals=leases.c.renewals + 1)
_CHANGE = _HOLD.where(leases.c.changes < sa.bindparam("change")).values(changes=sa.bindparam("change"))
_ENTER = _MINE.values(entered=True, renewed_at=_NOW)
# Written out, not bound: only then do both databases use the partial index.
_IS_HELD = sa.text("leases.held")


class Standing(Enum):
    """What a holder's change is to the call."""

    CURRENT = auto()
    WRITTEN = auto()  # this very change is there already: the answer that said so was lost
    LOST = auto()  # the lease is another's


@dataclass(frozen=True)
class HeldLease:
    """A lease as a judge sees it: whose it is, how often it was renewed, and whether its agent is in the room."""

    call_id: str
    token: int
    worker: str
    identity: str
    renewals: int
    entered: bool

    @property
    def life(self) -> int:
        """The key of the lock that the holder's process has while it lives."""
        return life_key(self.call_id, self.token)


def life_key(call_id: str, token: int) -> int:
    """A positive 63-bit number for one holder of one call."""
    digest = hashlib.blake2b(f"{call_id}:{token}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


async def take(conn: AsyncConnection, call_id: str, worker: str, identity: str) -> int | None:
    """Become the one agent that may speak, under a name that is this agent's alone; the token.

    None if another holds the lease or the call is over. Whoever asks again because the answer was lost gets it again.
    """
    status = await conn.scalar(_STATUS, {"of_call": call_id})
    if status not in LIVE:
        return None
    first = {"call_id": call_id, "token": 1, "worker": worker, "identity": identity, "held": True}
    begun = {"entered": False, "renewals": 0, "changes": 0, "probes": 0, "sought": False, "elsewhere": False}
    values = {**first, **begun, "renewed_at": moment(conn)}
    statement = upsert(conn, leases).values(values)
    again = {**values, "token": leases.c.token + 1}
    del again["call_id"], again["renewed_at"]
    taken = statement.on_conflict_do_update(index_elements=["call_id"], set_=again, where=~leases.c.held)
    token: int | None = await conn.scalar(taken.returning(leases.c.token))
    if token is None:
        mine = sa.select(leases.c.token).where(_THIS, leases.c.identity == identity, leases.c.held)
        return await conn.scalar(mine, {"of_call": call_id})
    # An end that is being written was not to be seen above; one that comes later finds the lease.
    if await conn.scalar(_STATUS.with_for_update(), {"of_call": call_id}) not in LIVE:
        await release(conn, call_id, token)
        return None
    return token


async def renew(conn: AsyncConnection, call_id: str, token: int) -> CallStatus | None:
    """Give a sign of life; the call's status, or None if the lease is another's by now."""
    renewed = await conn.execute(_RENEW, _holder(call_id, token) | {"now": moment(conn)})
    if not renewed.rowcount:
        return None
    return CallStatus((await conn.execute(_STATUS, {"of_call": call_id})).scalar_one())


async def enter(conn: AsyncConnection, call_id: str, token: int) -> None:
    """Note that the holder's agent is in the room, which is a sign of life."""
    await conn.execute(_ENTER, _holder(call_id, token) | {"now": moment(conn)})


async def stand(conn: AsyncConnection, call_id: str, token: int, change: int) -> Standing:
    """Whether the holder's change of that number (1, 2, …) may be written now, in this transaction.

    It holds the lease until the commit, so that nobody takes it meanwhile, and is a sign of life.
    """
    counted = await conn.execute(_CHANGE, _holder(call_id, token) | {"now": moment(conn), "change": change})
    if counted.rowcount:
        return Standing.CURRENT
    return Standing.WRITTEN if await hold(conn, call_id, token) else Standing.LOST


async def hold(conn: AsyncConnection, call_id: str, token: int) -> bool:
    """Whether the lease is still of this token, whose holder writes now, which is a sign of life.

    It stays so until the commit.
    """
    held = await conn.execute(_HOLD, _holder(call_id, token) | {"now": moment(conn)})
    return bool(held.rowcount)


async def is_live(conn: AsyncConnection, call_id: str, token: int) -> bool:
    """Whether the lease is still of this token and the call is not over, as far as one can see without a lock."""
    mine = sa.exists().where(leases.c.call_id == calls.c.id, leases.c.token == token, leases.c.held)
    live = sa.select(sa.exists().where(calls.c.id == call_id, calls.c.status.in_(LIVE), mine))
    return bool(await conn.scalar(live))


async def held_by(conn: AsyncConnection, worker: str) -> list[str]:
    """The calls whose leases agents of this worker hold; that stays so until the commit. It probes them."""
    held = sa.select(leases.c.call_id).where(leases.c.worker == worker, leases.c.held).order_by(leases.c.call_id)
    found = list(await conn.scalars(held.with_for_update()))
    await probe(conn, found)
    return found


async def has_agent(conn: AsyncConnection, call_id: str) -> bool:
    """Whether some agent holds the call's lease."""
    return bool(await conn.scalar(sa.select(leases.c.held).where(_THIS), {"of_call": call_id}))


async def has_agent_in(conn: AsyncConnection, room_name: str) -> bool:
    """Whether the room's call is written, and some agent holds its lease."""
    here = sa.exists().where(leases.c.call_id == calls.c.id, calls.c.room_name == room_name, _IS_HELD)
    return bool(await conn.scalar(sa.select(here)))


async def has_entered(conn: AsyncConnection, call_id: str) -> bool:
    """Whether some agent holds the call's lease and is in the room."""
    there = sa.select(sa.exists().where(_THIS, leases.c.held, leases.c.entered))
    return bool(await conn.scalar(there, {"of_call": call_id}))


async def was_entered_by(conn: AsyncConnection, call_id: str, worker: str) -> bool:
    """Whether an agent of this worker, the last that had the call, is or was in the room, or needs not: it is over."""
    there = sa.exists().where(leases.c.call_id == calls.c.id, leases.c.worker == worker, leases.c.entered)
    needless = ~calls.c.status.in_(LIVE)
    return bool(await conn.scalar(sa.select(sa.exists().where(calls.c.id == call_id, needless | there))))


async def last_sign(conn: AsyncConnection, call_id: str) -> datetime:
    """When the last agent that was in the room gave its last sign of life; one that only tries to get in gives none."""
    renewed = sa.select(leases.c.renewed_at).where(_THIS)
    moment: datetime = (await conn.execute(renewed, {"of_call": call_id})).scalar_one()
    return moment


async def release(conn: AsyncConnection, call_id: str, token: int, last_sign: datetime | None = None) -> bool:
    """Give the lease back: all that this agent had to write is written. False if it was another's.

    An agent that was cut off from the room has renewed it in vain since `last_sign`: the conversation broke off then.
    """
    return await _free(conn, call_id, token, _MINE if last_sign is None else _MINE.values(renewed_at=last_sign))


async def revoke(conn: AsyncConnection, lease: HeldLease) -> bool:
    """Take the lease from a holder that shows no life; False if it did show some since `lease` was read."""
    as_seen = _MINE.where(leases.c.renewals == lease.renewals)
    return await _free(conn, lease.call_id, lease.token, as_seen)


async def lock(conn: AsyncConnection, call_ids: Sequence[str]) -> None:
    """Hold the leases of these calls until the commit, as whoever renews one does."""
    query = sa.select(leases.c.call_id).where(leases.c.call_id.in_(call_ids)).order_by(leases.c.call_id)
    await conn.execute(query.with_for_update())


async def probe(conn: AsyncConnection, call_ids: Sequence[str]) -> None:
    """Hold these leases and write to them: where no renewal can be written, as on a full disk, neither is this."""
    await lock(conn, call_ids)
    these = leases.update().where(leases.c.call_id.in_(call_ids))
    await conn.execute(these.values(probes=leases.c.probes + 1))  # what stays as it was, SQLite would not write


async def held_leases(conn: AsyncConnection) -> list[HeldLease]:
    """Every lease that somebody holds, of calls that are over too: their holders may still be writing."""
    columns = [leases.c[name] for name in HeldLease.__dataclass_fields__]
    return [HeldLease(**row) for row in (await conn.execute(sa.select(*columns).where(_IS_HELD))).mappings()]


def _holder(call_id: str, token: int) -> dict[str, Any]:
    return {"of_call": call_id, "of_token": token}


async def _free(conn: AsyncConnection, call_id: str, token: int, whose: sa.Update) -> bool:
    freed = await conn.execute(whose.values(held=False), _holder(call_id, token))
    if freed.rowcount:
        await close(conn, call_id)
    return bool(freed.rowcount)

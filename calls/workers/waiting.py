"""Calls that wait for an agent, the first or another: told to the workers, and taken by the first of them that comes.

LiveKit offers each of them too, but 0.2 s later, for it waits so long for a better answer than the first one; and for
half a minute it offers them to a worker that stands still. Its offer is for what no worker has taken until then, as
those do that are full.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.changes import WAITING, mark
from calls.database.clock import moment
from calls.database.engine import upsert
from calls.tables import calls, leases
from calls.workers.leases import lock, take

# Written out, not bound: only then do both databases use the partial index.
_UNFINISHED = sa.text("calls.status NOT IN ('completed', 'failed')")
_NOBODYS = {
    "token": 0,
    "held": False,
    "worker": "",
    "identity": "",
    "entered": False,
    "renewals": 0,
    "changes": 0,
    "probes": 0,
    "sought": False,
    "elsewhere": False,
}
_WAITING = (
    sa.select(calls.c.id, calls.c.room_name)
    .join(leases, leases.c.call_id == calls.c.id)
    .where(leases.c.sought, _UNFINISHED)
    .where(~leases.c.elsewhere | (leases.c.worker != sa.bindparam("of_worker")))
    .order_by(calls.c.created_at)
    .limit(sa.bindparam("most"))
)


class Claimed(NamedTuple):
    """A call of which the lease is taken, as its number `token`, for an agent of this name in the room."""

    id: str
    room_name: str
    identity: str
    token: int


async def tell(conn: AsyncConnection, call_ids: Iterable[str], *, elsewhere: bool = False) -> None:
    """Let workers take these calls, whose rooms are there or made in this moment, unless they have an agent.

    With `elsewhere`, not the worker that had the last one. To be called before anything else locks the calls.
    """
    asked = {"sought": True, "elsewhere": elsewhere}
    if rows := [{**_NOBODYS, "call_id": one, "renewed_at": moment(conn), **asked} for one in call_ids]:
        told = upsert(conn, leases).on_conflict_do_update(index_elements=["call_id"], set_=asked, where=~leases.c.held)
        await conn.execute(told, rows)
        mark(conn, WAITING)


async def hold(conn: AsyncConnection, call_id: str) -> None:
    """Keep the call from being taken until the commit, also one that nobody was told of."""
    row = {**_NOBODYS, "call_id": call_id, "renewed_at": moment(conn)}
    await conn.execute(upsert(conn, leases).values(row).on_conflict_do_nothing())
    await lock(conn, [call_id])


async def withdraw(conn: AsyncConnection, call_id: str) -> None:
    """Let nobody take the call until it is told again; whoever has it keeps it."""
    await conn.execute(leases.update().where(leases.c.call_id == call_id).values(sought=False))


async def count(conn: AsyncConnection, worker: str, most: int) -> int:
    """How many calls wait that this worker may take; no more than `most` are counted."""
    return len((await conn.execute(_WAITING, {"of_worker": worker, "most": most})).all())


async def claim(conn: AsyncConnection, worker: str, most: int, name: Callable[[], str]) -> list[Claimed]:
    """Take the leases of so many calls at most, those first that wait longest; `name` names the agent of each."""
    claimed = []
    found = _WAITING.with_for_update(of=leases, skip_locked=True)
    for row in await conn.execute(found, {"of_worker": worker, "most": most}):
        identity = name()
        token = await take(conn, row.id, worker, identity)
        if token is not None:
            claimed.append(Claimed(row.id, row.room_name, identity, token))
    return claimed

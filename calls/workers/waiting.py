"""Calls that wait for their first agent: told to the workers as they are placed, and taken by the first that comes.

LiveKit offers each of them too, but 0.2 s later: it waits so long for a better answer than the first one. Its offer is
for what no worker has taken until then, as those do that are full.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.changes import WAITING, mark
from calls.database.clock import moment
from calls.tables import calls, leases
from calls.workers.leases import take

# Written out, not bound: only then do both databases use the partial index.
_UNFINISHED = sa.text("calls.status NOT IN ('completed', 'failed')")
_NOBODYS = {"token": 0, "held": False, "worker": "", "identity": "", "entered": False, "renewals": 0, "changes": 0}
_WAITING = (
    sa.select(calls.c.id, calls.c.room_name)
    .join(leases, leases.c.call_id == calls.c.id)
    .where(leases.c.token == _NOBODYS["token"], _UNFINISHED)
    .order_by(calls.c.created_at)
    .limit(sa.bindparam("most"))
)
_TELL = sa.insert(leases)


class Claimed(NamedTuple):
    """A call of which the lease is taken, as its number `token`, for an agent of this name in the room."""

    id: str
    room_name: str
    identity: str
    token: int


async def tell(conn: AsyncConnection, call_ids: Iterable[str]) -> None:
    """Let workers take these new calls, whose rooms are made in this moment."""
    if rows := [{"call_id": one, "renewed_at": moment(conn), **_NOBODYS} for one in call_ids]:
        await conn.execute(_TELL, rows)
        mark(conn, WAITING)


async def count(conn: AsyncConnection, most: int) -> int:
    """How many calls wait that some worker may take; no more than `most` are counted."""
    return len((await conn.execute(_WAITING, {"most": most})).all())


async def claim(conn: AsyncConnection, worker: str, most: int, name: Callable[[], str]) -> list[Claimed]:
    """Take the leases of so many calls at most, those first that wait longest; `name` names the agent of each."""
    claimed = []
    for row in await conn.execute(_WAITING.with_for_update(of=leases, skip_locked=True), {"most": most}):
        identity = name()
        token = await take(conn, row.id, worker, identity)
        if token is not None:
            claimed.append(Claimed(row.id, row.room_name, identity, token))
    return claimed

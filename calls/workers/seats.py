"""How many calls the workers could take: each tells what it has, and calls that have no agent yet are counted against.

A worker's signs of life are judged in the database's time; one that gave none for `STALE_AFTER` has no seats.
"""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.engine import upsert
from calls.tables import calls, leases, tenants, workers

STALE_AFTER = timedelta(seconds=6)

# Written out, not bound: only then do both databases use the partial indexes.
_ADMITTED = sa.text("admitted_at IS NOT NULL AND status NOT IN ('completed', 'failed')")
_HELD = sa.text("leases.held")
# Calls for which an agent is on its way, tenant by tenant: so SQLite too begins with those that are admitted.
_AWAITED = sa.select(
    sa.func.sum(
        sa.select(sa.func.count())
        .select_from(calls)
        .where(calls.c.tenant_id == tenants.c.id, _ADMITTED)
        .where(~sa.exists().where(leases.c.call_id == calls.c.id, _HELD))
        .correlate(tenants)
        .scalar_subquery()
    )
).select_from(tenants)


async def tell(conn: AsyncConnection, worker: str, seats: int, taken: int) -> None:
    """Give a sign of life of a worker that can have so many calls, and has so many."""
    values = {"seats": seats, "taken": taken, "told_at": moment(conn)}
    statement = upsert(conn, workers).values(id=worker, **values)
    await conn.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


async def forget(conn: AsyncConnection, worker: str) -> None:
    """This worker takes no calls any more."""
    await conn.execute(workers.delete().where(workers.c.id == worker))


async def list_living(conn: AsyncConnection) -> list[sa.Row[Any]]:
    """Give the workers that gave a sign of life a moment ago."""
    lives = workers.c.told_at > moment(conn) - STALE_AFTER
    return list((await conn.execute(sa.select(workers).where(lives).order_by(workers.c.id))).all())


async def hold(conn: AsyncConnection) -> None:
    """Keep the seats until the commit: whoever counts them to promise one is alone in that."""
    await conn.execute(sa.select(workers.c.id).order_by(workers.c.id).with_for_update())


async def free_beside(conn: AsyncConnection, worker: str) -> int:
    """How many seats the other workers have that nobody has; calls that wait are not counted against them."""
    return sum(seats for name, seats in (await _empty(conn)).items() if name != worker)


async def free(conn: AsyncConnection) -> int | None:
    """How many seats nobody has, and nobody waits for; None if there is no worker."""
    empty = await _empty(conn)
    return sum(empty.values()) - int(await conn.scalar(_AWAITED) or 0) if empty else None


async def _empty(conn: AsyncConnection) -> dict[str, int]:
    """How many seats of each living worker nobody has."""
    known = await list_living(conn)
    # An agent has its call's lease before its worker has told that it is taken, and its process outlives the lease.
    counted = sa.select(leases.c.worker, sa.func.count().label("calls")).where(_HELD).group_by(leases.c.worker)
    held = {row.worker: row.calls for row in await conn.execute(counted)}
    return {row.id: max(row.seats - max(row.taken, held.get(row.id, 0)), 0) for row in known}

"""How many calls there are, kept exact in the transaction of every change so that no listing counts rows."""

from functools import cache

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.engine import upsert
from calls.tables import call_counts


async def count(connection: AsyncConnection, tenant_id: str, agent_id: str, changes: dict[str, int]) -> None:
    """Add `changes` (status: how many more) to the counters of a tenant's agent."""
    # In a fixed order: two transactions that lock the same counters must not wait for each other crosswise.
    rows = [
        {"tenant_id": tenant_id, "agent_id": agent_id, "status": str(status), "calls": more}
        for status, more in sorted(changes.items())
    ]
    await connection.execute(_add(connection.dialect.name), rows)


@cache
def _add(dialect: str) -> sa.Insert:
    statement = upsert(dialect, call_counts)
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "agent_id", "status"],
        set_={"calls": call_counts.c.calls + statement.excluded.calls},
    )


def total(tenant_id: str, *, status: str | None = None, agent_id: str | None = None) -> sa.Cast[int]:
    """How many calls a tenant has, of one status and one agent where given; to be selected."""
    query = sa.select(sa.func.coalesce(sa.func.sum(call_counts.c.calls), 0)).where(
        call_counts.c.tenant_id == tenant_id,
    )
    if status is not None:
        query = query.where(call_counts.c.status == status)
    if agent_id is not None:
        query = query.where(call_counts.c.agent_id == agent_id)
    return sa.cast(query.scalar_subquery(), sa.BigInteger)

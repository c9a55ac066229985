"""Reading calls page by page: by offset, or by cursor along (created_at, id), newest first."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.counts import total
from calls.errors import Invalid
from calls.tables import calls

# What a list shows. Decoding the rest, the agent's snapshot above all, would take most of the time.
SHOWN = (
    "id",
    "room_name",
    "agent_id",
    "status",
    "end_reason",
    "created_at",
    "started_at",
    "ended_at",
    "bill_duration",
    "cost_micros",
    "metadata",
    "intelligence_status",
    "participant_count",
    "primary_identity",
    "primary_transport",
    "erased_at",
)
_COLUMNS = [calls.c[name] for name in SHOWN]


@dataclass(frozen=True)
class Page:
    """One page of calls.

    `rows` begin with what is `SHOWN`; `total` counts all that match; `next_cursor` is the id to go on from, None at the
    end.
    """

    rows: list[sa.Row[Any]]
    total: int
    next_cursor: str | None


async def list_calls(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    limit: int,
    offset: int = 0,
    cursor: str | None = None,
    status: str | None = None,
    agent_id: str | None = None,
) -> Page:
    """A page of a tenant's calls, newest first; a cursor that names none of its calls is Invalid."""
    of_tenant = calls.c.tenant_id == tenant_id
    # All in one statement: each visit to the database costs more than what it has to do there.
    matching = total(tenant_id, status=status, agent_id=agent_id)
    query: sa.Select[Any] = sa.select(*_COLUMNS, matching.label("total")).where(of_tenant)
    if status is not None:
        query = query.where(calls.c.status == status)
    if agent_id is not None:
        query = query.where(calls.c.agent_id == agent_id)
    last = sa.select(calls.c.created_at, calls.c.id).where(of_tenant, calls.c.id == cursor)
    if cursor is not None:
        query = query.where(sa.tuple_(calls.c.created_at, calls.c.id) < last.scalar_subquery())
    query = query.order_by(calls.c.created_at.desc(), calls.c.id.desc()).limit(limit + 1).offset(offset)
    rows = list((await connection.execute(query)).all())
    if rows:
        return Page(rows[:limit], rows[0].total, rows[limit - 1].id if len(rows) > limit else None)
    if cursor is not None and (await connection.execute(last)).one_or_none() is None:
        raise Invalid.field("cursor", "expected the id of a call")
    return Page([], (await connection.execute(sa.select(matching))).scalar_one(), None)

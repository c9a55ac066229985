"""Batches: many calls of one request, counted, canceled and completed together."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.database.clock import moment
from calls.database.engine import upsert
from calls.errors import Conflict, NotFound
from calls.states import CallStatus, ParticipantStatus
from calls.tables import WAITS, batches, calls, participants
from calls.tenants import webhooks

Row = sa.Row[Any]

CANCEL_ATTEMPTS = 20
# What a list shows: the kept answer of a large batch is larger than all that.
_FIELDS = ("batch_id", "agent_id", "status", "calls", "rejected", "created_at", "canceled_at", "completed_at")
_SHOWN = [batches.c[name] for name in _FIELDS]
# The states that a call of phones can be in.
COUNTED = tuple(status for status in CallStatus if status is not CallStatus.CONNECTING)
_WAITS = sa.text(WAITS)


class BatchStatus(StrEnum):
    """Where a batch is: `canceled` calls nobody any more, and is over when its last call is."""

    IN_PROGRESS = "in_progress"
    CANCELED = "canceled"
    COMPLETED = "completed"


@dataclass(frozen=True)
class Batch:
    """A batch's row as far as it is shown, how many of its calls have each status, and whether some wait for a turn."""

    row: Row
    counts: dict[str, int]
    waiting: bool


async def begin(
    conn: AsyncConnection, tenant_id: str, batch_id: str, agent_id: str, body_hash: str
) -> dict[str, Any] | None:
    """Claim the id in the caller's write transaction; None if the batch is the caller's to make, else its answer.

    Of several at once the others wait for the first one's transaction. Raises Conflict for another body.
    """
    claim = {"tenant_id": tenant_id, "batch_id": batch_id, "agent_id": agent_id, "body_hash": body_hash}
    empty = {"status": BatchStatus.IN_PROGRESS, "answer": {}, "calls": 0, "rejected": 0, "unfinished": 0}
    statement = upsert(conn, batches).values(**claim, **empty, created_at=moment(conn)).on_conflict_do_nothing()
    if (await conn.execute(statement.returning(batches.c.batch_id))).scalar_one_or_none() is not None:
        return None
    row = (await conn.execute(sa.select(batches).where(*_own(tenant_id, batch_id)))).one()
    if row.body_hash != body_hash:
        raise Conflict("There is another batch of this batch_id.", code="batch_exists")
    answer: dict[str, Any] = row.answer
    return answer


async def keep(conn: AsyncConnection, tenant_id: str, batch_id: str, answer: dict[str, Any]) -> None:
    """Keep the answer of a batch whose calls are written, in the transaction that `begin` was called in."""
    queued, rejected = len(answer["calls"]), len(answer["rejected"])
    values = {"answer": answer, "calls": queued, "rejected": rejected, "unfinished": queued}
    await conn.execute(sa.update(batches).where(*_own(tenant_id, batch_id)).values(**values))
    if not queued:
        await _complete(conn, tenant_id, batch_id)


async def get_batch(conn: AsyncConnection, tenant_id: str, batch_id: str) -> Batch:
    """Give the tenant's batch, or NotFound."""
    row = (await conn.execute(sa.select(*_SHOWN).where(*_own(tenant_id, batch_id)))).one_or_none()
    if row is None:
        raise NotFound("Batch not found.")
    return (await _counted(conn, tenant_id, [row]))[0]


async def read_rejected(conn: AsyncConnection, tenant_id: str, batch_id: str) -> list[dict[str, Any]]:
    """Give the recipients who got no call, as the kept answer has them."""
    rejected = sa.select(batches.c.answer["rejected"]).where(*_own(tenant_id, batch_id))
    return await conn.scalar(rejected) or []


async def read_failures(conn: AsyncConnection, tenant_id: str, batch_id: str) -> dict[str, int]:
    """Why calls of the batch failed: end reason -> how many."""
    failed = (calls.c.tenant_id == tenant_id, calls.c.batch_id == batch_id, calls.c.status == CallStatus.FAILED)
    query = sa.select(calls.c.end_reason, sa.func.count()).where(*failed).group_by(calls.c.end_reason)
    return {str(reason): int(failures) for reason, failures in await conn.execute(query.order_by(calls.c.end_reason))}


async def list_batches(conn: AsyncConnection, tenant_id: str, limit: int, offset: int) -> tuple[list[Batch], int]:
    """Give a page of the tenant's batches, the newest first, and how many there are."""
    mine = batches.c.tenant_id == tenant_id
    total = await conn.scalar(sa.select(sa.func.count()).select_from(batches).where(mine))
    query = sa.select(*_SHOWN).where(mine).order_by(batches.c.created_at.desc(), batches.c.batch_id.desc())
    rows = (await conn.execute(query.limit(limit).offset(offset))).all()
    return await _counted(conn, tenant_id, rows), total or 0


async def cancel(conn: AsyncConnection, tenant_id: str, batch_id: str) -> Batch:
    """Let nobody of the batch be dialled after this commit; what rings or talks goes on, the others end soon.

    Twice is harmless. Raises NotFound, or Conflict if the batch is completed.
    """
    running = (*_own(tenant_id, batch_id), batches.c.status == BatchStatus.IN_PROGRESS)
    values = {"status": BatchStatus.CANCELED, "canceled_at": moment(conn)}
    if (await conn.execute(sa.update(batches).where(*running).values(**values))).rowcount:
        payload = {"batch_id": batch_id}
        await jobs.enqueue(
            conn, "cancel_batch", payload, queue="batches", tenant_id=tenant_id, max_attempts=CANCEL_ATTEMPTS
        )
    batch = await get_batch(conn, tenant_id, batch_id)
    if batch.row.status == BatchStatus.COMPLETED:
        raise Conflict("This batch is completed.", code="batch_over")
    return batch


async def is_canceled(conn: AsyncConnection, tenant_id: str, batch_id: str) -> bool:
    """Whether the batch is canceled; if it is not, it may be at any moment."""
    return bool(await conn.scalar(_status(tenant_id, batch_id)) == BatchStatus.CANCELED)


async def hold_uncanceled(conn: AsyncConnection, tenant_id: str, batch_id: str) -> bool:
    """Whether the batch is not canceled, nor will be before the commit.

    Many may hold it at once: whoever does must end no call of it in the same transaction, or two wait crosswise.
    """
    query = _status(tenant_id, batch_id).with_for_update(read=True)
    return bool(await conn.scalar(query) != BatchStatus.CANCELED)


async def undialled(conn: AsyncConnection, tenant_id: str, batch_id: str, most: int) -> list[str]:
    """Give the ids of some calls of the batch of which no phone was called yet."""
    query = sa.select(calls.c.id).where(calls.c.tenant_id == tenant_id, calls.c.batch_id == batch_id, is_undialled())
    return list(await conn.scalars(query.limit(most)))


async def hold_undialled(conn: AsyncConnection, call_ids: Sequence[str]) -> list[sa.Row[Any]]:
    """Those of these calls, id, room_name and admitted_at, of which no phone is called before the commit, either."""
    some = calls.c.id.in_(call_ids)
    await conn.execute(sa.select(calls.c.id).where(some).order_by(calls.c.id).with_for_update())
    # In a statement of its own: the one that waited sees phones as they were before.
    query: sa.Select[Any] = sa.select(calls.c.id, calls.c.room_name, calls.c.admitted_at).where(some, is_undialled())
    return list((await conn.execute(query)).all())


def is_undialled() -> sa.ColumnElement[bool]:
    """The condition that a call is not over, and none of its phones was called."""
    leg = (participants.c.call_id == calls.c.id, participants.c.status != ParticipantStatus.QUEUED)
    return sa.and_(calls.c.status == CallStatus.QUEUED, ~sa.exists().where(*leg))


async def call_ended(conn: AsyncConnection, tenant_id: str, batch_id: str) -> None:
    """Count a call of the batch as over; with the last one the batch is."""
    one_less = sa.update(batches).where(*_own(tenant_id, batch_id)).values(unfinished=batches.c.unfinished - 1)
    if await conn.scalar(one_less.returning(batches.c.unfinished)) == 0:
        await _complete(conn, tenant_id, batch_id)


async def _complete(conn: AsyncConnection, tenant_id: str, batch_id: str) -> None:
    status = sa.case((batches.c.canceled_at.is_(None), BatchStatus.COMPLETED), else_=batches.c.status)
    over = {"status": status, "completed_at": moment(conn)}
    await conn.execute(sa.update(batches).where(*_own(tenant_id, batch_id)).values(**over))
    batch = await get_batch(conn, tenant_id, batch_id)
    await webhooks.announce_batch(conn, tenant_id, batch.row._asdict() | {"counts": batch.counts})


async def _counted(conn: AsyncConnection, tenant_id: str, rows: Sequence[Row]) -> list[Batch]:
    ids = [row.batch_id for row in rows]
    mine = (calls.c.tenant_id == tenant_id, calls.c.batch_id.in_(ids))
    query = sa.select(calls.c.batch_id, calls.c.status, sa.func.count().label("calls")).where(*mine)
    counts = {batch_id: dict.fromkeys(map(str, COUNTED), 0) for batch_id in ids}
    for row in await conn.execute(query.group_by(calls.c.batch_id, calls.c.status)):
        counts[row.batch_id][row.status] = row.calls
    waits = sa.exists().where(calls.c.tenant_id == tenant_id, calls.c.batch_id == batches.c.batch_id, _WAITS)
    shown = (batches.c.tenant_id == tenant_id, batches.c.batch_id.in_(ids))
    waiting = set(await conn.scalars(sa.select(batches.c.batch_id).where(*shown, waits)))
    return [Batch(row, counts[row.batch_id], row.batch_id in waiting) for row in rows]


def _status(tenant_id: str, batch_id: str) -> sa.Select[Any]:
    return sa.select(batches.c.status).where(*_own(tenant_id, batch_id))


def _own(tenant_id: str, batch_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return batches.c.tenant_id == tenant_id, batches.c.batch_id == batch_id

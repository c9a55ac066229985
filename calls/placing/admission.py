"""Whose turn it is: which waiting calls get a room and an agent, and which phones are dialled that waited for a line.

A call to phones is admitted when a line is likely to be free for it. One of a batch waits for a seat of a worker too,
and lets all others of its tenant pass: it has time.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.database.changes import TURNS, mark
from calls.database.clock import moment
from calls.phones import lines
from calls.phones.lines import Limits
from calls.phones.trunk import outbound_trunk
from calls.placing.batches import BatchStatus, is_undialled
from calls.states import ParticipantStatus
from calls.tables import WAITS, batches, calls, participants, tenants
from calls.tables import jobs as job_rows
from calls.tables import leases as lease_rows
from calls.workers import seats, waiting

AHEAD_S = 2  # so many seconds of dialling a batch has rooms ready for: an agent that waits for its turn takes a seat
MOST = 50  # at a time
OPEN_ATTEMPTS = 10  # with the queue's backoff, LiveKit may be away for a quarter of an hour

# Written out, not bound: only then do both databases use the partial indexes.
_WAITS = sa.text(WAITS)
_ADMITTED = sa.text("calls.admitted_at IS NOT NULL AND calls.status NOT IN ('completed', 'failed')")
_HELD = sa.text("leases.held")
_QUEUED = participants.c.status == ParticipantStatus.QUEUED
# Phones to be called, whose call has an agent in its room.
_READY = (
    calls.join(lease_rows, lease_rows.c.call_id == calls.c.id)
    .join(participants, participants.c.call_id == calls.c.id)
    .join(job_rows, job_rows.c.id == participants.c.job_id)
)
_IS_READY = (_ADMITTED, _HELD, lease_rows.c.entered, _QUEUED)
_PARKED = sa.and_(job_rows.c.state == "waiting", job_rows.c.run_at == jobs.NEVER)


class Holdup(StrEnum):
    """What the next call of a batch waits for."""

    LINE = "line"
    SEAT = "seat"
    WORKER = "worker"


@dataclass(frozen=True)
class Turns:
    """Whose turn it is: jobs that dial, and calls."""

    dials: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.dials or self.calls)


async def tenants_in_wait(conn: AsyncConnection) -> list[str]:
    """The tenants of whom a call waits to be admitted, or a phone with an agent to be dialled."""
    mine = calls.c.tenant_id == tenants.c.id
    waiting = sa.select(calls.c.id).where(mine, _WAITS).correlate(tenants)
    parked = sa.select(job_rows.c.id).select_from(_READY).where(mine, *_IS_READY, _PARKED).correlate(tenants)
    return list(await conn.scalars(sa.select(tenants.c.id).where(sa.or_(waiting.exists(), parked.exists()))))


async def find_turns(conn: AsyncConnection, tenant_id: str, limits: Limits) -> Turns:
    """Whose turn it is as far as can be seen now."""
    if await outbound_trunk(conn, tenant_id) is None:  # nobody can be called: they need not wait to hear so
        waiting = await _single(conn, tenant_id, MOST) + await _of_batches(conn, tenant_id, MOST)
        return Turns(await _dials(conn, tenant_id, MOST), waiting)
    free = await lines.free(conn, tenant_id, limits)
    promised = await _promised(conn, tenant_id)
    found = await _single(conn, tenant_id, min(free - promised, MOST))
    promised += len(found)
    ahead = min(free, limits.per_second * AHEAD_S) - promised
    if ahead > 0:
        empty = await seats.free(conn) or 0
        found += await _of_batches(conn, tenant_id, min(ahead, empty - len(found), MOST))
    allowed = min(free, await lines.allowance(conn, tenant_id, limits))
    return Turns(await _dials(conn, tenant_id, allowed), found)


async def admit(conn: AsyncConnection, tenant_id: str, limits: Limits) -> Turns:
    """Give everybody of the tenant whose turn it is the word, in the caller's write transaction."""
    await lines.hold(conn, tenant_id)
    await seats.hold(conn)
    turns = await find_turns(conn, tenant_id, limits)
    if turns.dials:
        await jobs.start(conn, sa.select(job_rows.c.id).where(job_rows.c.id.in_(turns.dials)))
    await _admit(conn, tenant_id, turns.calls)
    return turns


async def let_in(conn: AsyncConnection, call: sa.Row[Any]) -> None:
    """Admit a call at once, unless it is: somebody comes who does not have to be called."""
    await _admit(conn, call.tenant_id, [call.id])


async def send_back(conn: AsyncConnection, call_id: str) -> bool:
    """Let a call of which no phone was called wait for another turn; False if an agent has come after all."""
    await waiting.withdraw(conn, call_id)
    # First the lock, then a look: one statement for both would show the lease as it was before the wait.
    await conn.execute(sa.select(calls.c.id).where(calls.c.id == call_id).with_for_update())
    without = ~sa.exists().where(lease_rows.c.call_id == calls.c.id, _HELD)
    alone = (calls.c.id == call_id, is_undialled(), without)
    sent = await conn.execute(sa.update(calls).where(*alone).values(admitted_at=None, dispatches=0))
    mark(conn, TURNS)
    return bool(sent.rowcount)


async def holdup(conn: AsyncConnection, tenant_id: str, limits: Limits) -> Holdup | None:
    """What the tenant's batches wait for, if they do."""
    if await outbound_trunk(conn, tenant_id) is None:
        return None
    if await lines.free(conn, tenant_id, limits) - await _promised(conn, tenant_id) <= 0:
        return Holdup.LINE
    empty = await seats.free(conn)
    if empty is None:
        return Holdup.WORKER
    return Holdup.SEAT if empty <= 0 else None


async def next_of_batch(conn: AsyncConnection, tenant_id: str) -> str | None:
    """The call that is next when a batch of the tenant goes on."""
    return next(iter(await _of_batches(conn, tenant_id, 1)), None)


async def _admit(conn: AsyncConnection, tenant_id: str, call_ids: list[str]) -> None:
    if not call_ids:
        return
    # Whoever holds one of them may wait for what is held here: it has its turn the next time.
    free = sa.select(calls.c.id).where(calls.c.id.in_(call_ids)).order_by(calls.c.id).with_for_update(skip_locked=True)
    waiting = sa.update(calls).where(calls.c.id.in_((await conn.scalars(free)).all()), _WAITS)
    admitted = await conn.scalars(waiting.values(admitted_at=moment(conn)).returning(calls.c.id))
    if rooms := [(call_id, {"call_id": call_id}) for call_id in admitted]:
        await jobs.enqueue_all(conn, "open_room", rooms, queue="rooms", tenant_id=tenant_id, max_attempts=OPEN_ATTEMPTS)


async def _promised(conn: AsyncConnection, tenant_id: str) -> int:
    """The phones for which an agent is there, or on its way."""
    legs = calls.join(participants, participants.c.call_id == calls.c.id)
    query = sa.select(sa.func.count()).select_from(legs).where(calls.c.tenant_id == tenant_id, _ADMITTED, _QUEUED)
    return await conn.scalar(query) or 0


async def _single(conn: AsyncConnection, tenant_id: str, most: int) -> list[str]:
    return await _first(conn, tenant_id, None, most)


async def _of_batches(conn: AsyncConnection, tenant_id: str, most: int) -> list[str]:
    """Those of the oldest batch, then of the next one."""
    found: list[str] = []
    if most <= 0:
        return found
    running = (batches.c.tenant_id == tenant_id, sa.text(f"batches.status = '{BatchStatus.IN_PROGRESS}'"))
    query = sa.select(batches.c.batch_id).where(*running).order_by(batches.c.created_at)
    for batch_id in (await conn.scalars(query)).all():
        found += await _first(conn, tenant_id, batch_id, most - len(found))
        if len(found) == most:
            break
    return found


async def _first(conn: AsyncConnection, tenant_id: str, batch_id: str | None, most: int) -> list[str]:
    if most <= 0:
        return []
    waiting = (calls.c.tenant_id == tenant_id, calls.c.batch_id == batch_id, _WAITS)
    query = sa.select(calls.c.id).where(*waiting).order_by(calls.c.created_at, calls.c.id)
    return list(await conn.scalars(query.limit(most)))


async def _dials(conn: AsyncConnection, tenant_id: str, allowed: int) -> list[int]:
    """The phones that wait for a line, those of batches last, but for as many lines as others are about to take."""
    if allowed <= 0:
        return []
    ready = (calls.c.tenant_id == tenant_id, *_IS_READY)
    query = sa.select(job_rows.c.id, _PARKED.label("parked")).select_from(_READY).where(*ready)
    legs = (await conn.execute(query.order_by(calls.c.batch_id.is_not(None), job_rows.c.id))).all()
    parked = [leg.id for leg in legs if leg.parked]
    return parked[: max(allowed - (len(legs) - len(parked)), 0)]

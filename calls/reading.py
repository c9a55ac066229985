"""Reading one call's parts: who was in it, what it left behind, and its event log."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.analysis.generations import REPROCESS_JOB
from calls.database.clock import iso, moment
from calls.events import EventKind
from calls.jobs import JobState
from calls.states import IntelligenceStatus
from calls.tables import call_events, generations, jobs, participants, recordings, results

Row = sa.Row[Any]

LATE = timedelta(seconds=60)  # after which a part of an analysis that is not there yet is explained


@dataclass(frozen=True)
class Part:
    """A part of a generation: what it found, or why there is nothing, or nothing yet."""

    generation: int
    stage: str
    status: str
    value: dict[str, Any] | None
    error: str | None  # in a sentence or two, with when it is tried again
    cause: str | None  # the same without that
    attempt: int | None = None
    max_attempts: int | None = None
    next_attempt_at: datetime | None = None


# Built once: SQLAlchemy takes longer to build a statement than the database to run it.
_CALL: sa.BindParameter[str] = sa.bindparam("call_id")
_PARTICIPANTS = sa.select(participants).where(participants.c.call_id == _CALL).order_by(participants.c.position)
# Peaks are read by whoever draws them alone: they are larger than all the rest.
_RECORDING = sa.select(*(column for column in recordings.c if column is not recordings.c.peaks)).where(
    recordings.c.call_id == _CALL
)
_PEAKS = sa.select(recordings.c.peaks).where(recordings.c.call_id == _CALL)
_PARTS = (
    sa.select(results, *(jobs.c[name].label(f"job_{name}") for name in ("state", "run_at", "attempt", "max_attempts")))
    .add_columns(jobs.c.error.label("job_error"))
    .outerjoin(jobs, jobs.c.id == results.c.job_id)
    .where(results.c.call_id == _CALL)
    .order_by(results.c.generation.desc(), results.c.stage)
)
_GOOD = results.alias()
_LATEST = sa.select(sa.func.max(_GOOD.c.generation)).where(_GOOD.c.call_id == _CALL).scalar_subquery()
_LAST_GOOD = (
    sa.select(sa.func.max(_GOOD.c.generation))
    .where(_GOOD.c.call_id == _CALL, _GOOD.c.stage == results.c.stage)
    .where(_GOOD.c.status == IntelligenceStatus.COMPLETED)
    .correlate(results)
    .scalar_subquery()
)
_SHOWN_PARTS = _PARTS.where(sa.or_(results.c.generation == _LATEST, results.c.generation == _LAST_GOOD))
_GENERATIONS = (
    sa.select(generations)
    .where(generations.c.call_id == _CALL)
    .order_by(generations.c.number.desc())
    .limit(sa.bindparam("limit"))
    .offset(sa.bindparam("offset"))
)
_EVENTS = (
    sa.select(call_events)
    .where(call_events.c.call_id == _CALL)
    .order_by(call_events.c.id)
    .limit(sa.bindparam("limit"))
    .offset(sa.bindparam("offset"))
)
_LAST_EVENT = (
    sa.select(call_events.c.kind, call_events.c.created_at, call_events.c.data)
    .where(call_events.c.call_id == _CALL)
    .order_by(call_events.c.id.desc())
    .limit(1)
)
_HANG_UP = _LAST_EVENT.where(call_events.c.kind.in_([EventKind.HANG_UP_BEGUN, EventKind.HANG_UP_TAKEN_BACK]))
_TRANSFER = _LAST_EVENT.where(
    call_events.c.kind.in_([EventKind.TRANSFER_STARTED, EventKind.TRANSFER_COMPLETED, EventKind.TRANSFER_FAILED])
)


async def read_participants(conn: AsyncConnection, call_id: str) -> list[Row]:
    """Give the call's participants in the order in which they were added."""
    return list((await conn.execute(_PARTICIPANTS, {"call_id": call_id})).all())


async def read_recording(conn: AsyncConnection, call_id: str) -> Row | None:
    """Give the call's recording, once the call has ended with one."""
    return (await conn.execute(_RECORDING, {"call_id": call_id})).one_or_none()


async def read_peaks(conn: AsyncConnection, call_id: str) -> bytes | None:
    """Give the peaks of the call's recording: of the people, then as many of the agent."""
    peaks: bytes | None = await conn.scalar(_PEAKS, {"call_id": call_id})
    return peaks


async def read_parts(conn: AsyncConnection, call_id: str) -> list[Part]:
    """Give the parts of the call's latest generation, and of each part what was found last, the newest first."""
    at = moment(conn)
    return [_part(row, at) for row in await conn.execute(_SHOWN_PARTS, {"call_id": call_id})]


async def why_not_begun(conn: AsyncConnection, call: Row, parts: list[Part]) -> str | None:
    """Say why an analysis that is to come has no `parts` yet, once that is late."""
    pending = IntelligenceStatus.PENDING
    if call.intelligence_status != pending or any(part.status == pending for part in parts):
        return None
    asked = (jobs.c.call_id == call.id, jobs.c.kind == REPROCESS_JOB, jobs.c.finished_at.is_(None))
    since = await conn.scalar(sa.select(sa.func.min(jobs.c.created_at)).where(*asked)) or call.ended_at
    return None if moment(conn) - since < LATE else f"It has not begun, and waits for that since {iso(since)}."


async def read_generations(
    conn: AsyncConnection, call_id: str, limit: int, offset: int
) -> list[tuple[Row, list[Part]]]:
    """Give a page of the call's generations with their parts, the newest first."""
    rows = (await conn.execute(_GENERATIONS, {"call_id": call_id, "limit": limit, "offset": offset})).all()
    if not rows:
        return []
    at = moment(conn)
    numbers = _PARTS.where(results.c.generation.between(rows[-1].number, rows[0].number))
    parts = [_part(row, at) for row in await conn.execute(numbers, {"call_id": call_id})]
    return [(row, [part for part in parts if part.generation == row.number]) for row in rows]


async def count_generations(conn: AsyncConnection, call_id: str) -> int:
    """Give how often the call was analysed."""
    query = sa.select(sa.func.count()).select_from(generations).where(generations.c.call_id == call_id)
    return int((await conn.execute(query)).scalar_one())


async def read_events(conn: AsyncConnection, call_id: str, limit: int, offset: int = 0) -> list[Row]:
    """Give a part of the call's event log, the oldest first."""
    return list((await conn.execute(_EVENTS, {"call_id": call_id, "limit": limit, "offset": offset})).all())


async def count_events(conn: AsyncConnection, call_id: str) -> int:
    """Give how many entries the call's event log has."""
    query = sa.select(sa.func.count()).select_from(call_events).where(call_events.c.call_id == call_id)
    return int((await conn.execute(query)).scalar_one())


async def read_hang_up(conn: AsyncConnection, call_id: str) -> datetime | None:
    """Give when the call's agent began to hang up, unless it never did or that was taken back."""
    last = (await conn.execute(_HANG_UP, {"call_id": call_id})).one_or_none()
    return None if last is None or last.kind == EventKind.HANG_UP_TAKEN_BACK else last.created_at


async def read_transfer(conn: AsyncConnection, call_id: str) -> tuple[str, datetime] | None:
    """Give the id of the participant whom the call's agent is sending elsewhere, and since when; None if nobody."""
    last = (await conn.execute(_TRANSFER, {"call_id": call_id})).one_or_none()
    if last is None or last.kind != EventKind.TRANSFER_STARTED:
        return None
    return last.data["participant_id"], last.created_at


def _part(row: Row, at: datetime) -> Part:
    tried = {"attempt": row.job_attempt or None, "max_attempts": row.job_max_attempts}
    part = (row.generation, row.stage, row.status, row.value)
    if row.status != IntelligenceStatus.PENDING:
        return Part(*part, row.error, row.error, **tried)
    error, waits = _delay(row, at), row.job_state == JobState.WAITING and row.job_attempt
    return Part(*part, error, row.job_error or error, **tried, next_attempt_at=row.job_run_at if waits else None)


def _delay(row: Row, at: datetime) -> str | None:
    """Why a part is not there yet, if there is something to be said of that."""
    again = f"{row.job_error} " if row.job_error else ""
    if row.job_state == JobState.WAITING and row.job_attempt:
        return f"{again}It is tried again at {iso(row.job_run_at)}, {row.job_attempt + 1} of {row.job_max_attempts}."
    if row.job_state == JobState.ACTIVE and row.job_attempt > 1:
        return f"{again}It is being tried again, {row.job_attempt} of {row.job_max_attempts}."
    if at - row.created_at < LATE:
        return None
    doing = "waits for its turn" if row.job_state == JobState.WAITING else "is being made"
    return f"It {doing} since {iso(row.created_at)}."

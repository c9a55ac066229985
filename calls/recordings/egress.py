"""What LiveKit Egress records of calls, where it records instead of the worker: who asked for it, what became of it.

A call has one egress at a time, whoever asks, and however many agents it has. When one ends while the call goes on, it
is followed by another. LiveKit's word for what became of it comes by webhook or is asked for: it counts once.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

import sqlalchemy as sa
from livekit import api
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.database.clock import moment
from calls.database.engine import upsert
from calls.events import EventKind
from calls.recordings.pieces import PieceState, queue_joining
from calls.states import LIVE
from calls.store import CallStore
from calls.tables import calls, egresses, recordings
from calls.tables import jobs as queued

JOB, QUEUE = "record", "egress"
LATE_JOB = "remove_late"
ATTEMPTS = 1000  # a call that is not recorded is recorded as soon as there is a free egress, however late
LATEST = timedelta(days=1)  # so long after it was asked for a lost egress may upload its file
LATE_EVERY = timedelta(hours=1)
MOST_FAILED = 5  # of one call; what LiveKit ends because it has run for long enough does not count

# Written out, in the words of the indexes: only then do both databases use them.
_OPEN = sa.text("status IN ('asked', 'running')")
_IS_OPEN = sa.text("egresses.status IN ('asked', 'running')")
_IS_UNUSED = sa.text("egresses.status NOT IN ('added', 'joined', 'kept')")
_IS_LIVE = sa.text("calls.status NOT IN ('completed', 'failed')")

Row = sa.Row[Any]


class EgressStatus(StrEnum):
    """Where an egress is: asked for, there, over (with its file, or stopped before there was one), broken, or lost.

    Of a lost one LiveKit has not said what became of it: it may run and upload its file all the same.
    Then where its file is, should there be one, in the words of `PieceState`.
    """

    ASKED = "asked"
    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"
    LOST = "lost"
    ADDED = "added"
    JOINED = "joined"
    KEPT = "kept"


@dataclass(frozen=True)
class EgressFile:
    """What one egress recorded of a call, from `starts_at_ms` on, which may be before the call; or it left no file.

    One that is lost may leave it later.
    """

    id: str
    key: str
    starts_at_ms: int
    is_lost: bool


_BROKEN = api.EgressStatus.EGRESS_FAILED
_WITHOUT_FILE = {_BROKEN, api.EgressStatus.EGRESS_ABORTED}
_OVER = _WITHOUT_FILE | {api.EgressStatus.EGRESS_COMPLETE, api.EgressStatus.EGRESS_LIMIT_REACHED}

_FILES = {
    EgressStatus.ASKED: PieceState.LOCAL,
    EgressStatus.RUNNING: PieceState.LOCAL,
    EgressStatus.ENDED: PieceState.STORED,
    EgressStatus.FAILED: PieceState.STORED,
    EgressStatus.LOST: PieceState.STORED,
}


def is_over(info: api.EgressInfo) -> bool:
    """Whether nothing more is recorded or uploaded by it."""
    return info.status in _OVER


def row_id(info: api.EgressInfo) -> str:
    """The id of the row that it was asked for with: its file's name ends in it. Nobody's if it is not one of ours."""
    names = [file.filename for file in info.file_results] + [one.filepath for one in info.room_composite.file_outputs]
    return PurePosixPath(names[0]).stem.rpartition(".")[2] if names else ""


_failed = egresses.alias()
_FAILED = (
    sa.select(sa.func.count())
    .where(
        _failed.c.call_id == calls.c.id,
        _failed.c.status.in_([EgressStatus.FAILED, EgressStatus.LOST]),
        # What LiveKit has never told of says only that it was slow to answer.
        _failed.c.egress_id.is_not(None),
    )
    .scalar_subquery()
)
_UNRECORDED: sa.Select[Any] = sa.select(calls.c.id, calls.c.tenant_id).where(
    _IS_LIVE,
    calls.c.dispatches > 0,
    calls.c.post_call["recording", "enabled"].as_boolean(),
    ~sa.exists().where(egresses.c.call_id == calls.c.id, _IS_OPEN),
    _FAILED < MOST_FAILED,
)
_NEVER_BEGAN: sa.Select[Any] = sa.select(calls.c.id, calls.c.tenant_id).where(
    # Of these there are few: only what was recorded of a call that began becomes a recording.
    calls.c.id.in_(sa.select(egresses.c.call_id).where(_IS_UNUSED)),
    calls.c.transcript_closed_at.is_not(None),
    calls.c.started_at.is_(None),
    ~sa.exists().where(queued.c.call_id == calls.c.id, queued.c.kind == LATE_JOB),  # there is one that sees to it
)


async def find_due(conn: AsyncConnection, call_id: str | None = None) -> list[Row]:
    """The calls, of all or this one, that are not recorded and are to be, and those of which nothing is to be kept.

    The latter ended before they began. Each with its `id` and `tenant_id`.
    """
    which = sa.true() if call_id is None else calls.c.id == call_id
    queries = (_UNRECORDED, _NEVER_BEGAN)
    return [due for query in queries for due in (await conn.execute(query.where(which))).all()]


async def ask_if_due(conn: AsyncConnection, call_id: str) -> None:
    """Have the call recorded if it is not and is to be."""
    for due in await find_due(conn, call_id):
        await look_after(conn, due.id, due.tenant_id)


async def look_after(conn: AsyncConnection, call_id: str, tenant_id: str) -> None:
    """Queue a look at what LiveKit has of the call's egress."""
    await jobs.enqueue(
        conn,
        JOB,
        {"call_id": call_id},
        queue=QUEUE,
        tenant_id=tenant_id,
        call_id=call_id,
        dedup=f"{JOB}:{call_id}",
        max_attempts=ATTEMPTS,
    )


async def begin(conn: AsyncConnection, call: Row) -> Row | None:
    """Write that an egress is asked for, which is to be done next; None if the call has one, or needs none.

    Written before it is asked for, so that whatever dies in between, its file is known.
    """
    if (await conn.execute(_UNRECORDED.where(calls.c.id == call.id))).first() is None:
        return None
    name = str(uuid.uuid4())
    key = f"recordings/{call.tenant_id}/{call.id}.{name}.ogg"
    asked = {"id": name, "call_id": call.id, "status": EgressStatus.ASKED, "key": key, "asked_at": moment(conn)}
    add = upsert(conn, egresses).values(asked)
    unless_there = add.on_conflict_do_nothing(index_elements=["call_id"], index_where=_OPEN)
    asked_for: Row | None = (await conn.execute(unless_there.returning(egresses))).one_or_none()
    return asked_for


async def refuse(conn: AsyncConnection, row: Row, reason: str) -> None:
    """It was asked for in vain."""
    asked = (egresses.c.id == row.id, egresses.c.status == EgressStatus.ASKED)
    await conn.execute(sa.update(egresses).where(*asked).values(status=EgressStatus.ENDED, error=reason))


async def note(conn: AsyncConnection, info: api.EgressInfo) -> None:
    """Write down what LiveKit says of an egress, and queue what follows; one that is not ours, or over, is left alone.

    Older news than what is known change nothing: an egress that is over stays so. A lost one stays lost: when LiveKit
    tells of its end, it is looked whether its file has come.
    """
    over = is_over(info)
    status = EgressStatus.FAILED if info.status == _BROKEN else EgressStatus.ENDED if over else EgressStatus.RUNNING
    error = info.error or info.details or _word(info) if info.status in _WITHOUT_FILE else None
    is_known = sa.or_(_IS_OPEN, egresses.c.status == EgressStatus.LOST)
    mine = (egresses.c.id == row_id(info), is_known)
    row = (await conn.execute(sa.select(egresses).where(*mine).with_for_update())).one_or_none()
    if row is None:
        return
    if row.status == EgressStatus.LOST:
        if over:
            await _hurry(conn, row.call_id)
        if over and error is None:
            await _join_after_all(conn, row.call_id)
        return
    values: dict[str, Any] = {"egress_id": info.egress_id, "status": status, "error": error}
    began = _began(info, row.asked_at, moment(conn))
    if began is not None:
        values["started_at"] = min(began, row.started_at or began)
    await conn.execute(sa.update(egresses).where(*mine).values(values))
    about = {"egress_id": info.egress_id}
    if row.started_at is None and began is not None and error is None:
        await _tell(conn, row.call_id, EventKind.RECORDING_STARTED, "LiveKit Egress records the call", about)
    if over:
        await _follow(conn, row.call_id, about | {"status": _word(info)} | ({"error": error} if error else {}))


async def _join_after_all(conn: AsyncConnection, call_id: str) -> None:
    """Make the recording that had failed for want of a file, unless nothing of it is to be kept any more."""
    kept = (calls.c.id == call_id, calls.c.recording_erased_at.is_(None))
    tenant_id = await conn.scalar(sa.select(calls.c.tenant_id).where(*kept).with_for_update())
    failed = sa.exists().where(recordings.c.call_id == call_id, recordings.c.status == "failed")
    if tenant_id is not None and await conn.scalar(sa.select(failed)):
        await queue_joining(conn, tenant_id, call_id)


async def lose(conn: AsyncConnection, row: Row, reason: str) -> None:
    """Nobody can say any more what became of it; should its file be there, it counts."""
    lost = sa.update(egresses).where(egresses.c.id == row.id, _IS_OPEN)
    if (await conn.execute(lost.values(status=EgressStatus.LOST, error=reason))).rowcount:
        await _follow(conn, row.call_id, {"egress_id": row.egress_id, "status": "lost", "error": reason})


async def read(conn: AsyncConnection, call_id: str) -> list[Row]:
    """The call's egresses, the first one first."""
    mine = sa.select(egresses).where(egresses.c.call_id == call_id)
    return list((await conn.execute(mine.order_by(egresses.c.asked_at, egresses.c.id))).all())


async def files(conn: AsyncConnection, call: Row) -> dict[EgressFile, PieceState]:
    """The files of the egresses of a call that began, `LOCAL` as long as they are not uploaded."""
    found = {}
    for row in await read(conn, call.id):
        began = row.started_at or row.asked_at  # when it began was lost on the way: it was not much later
        starts_at_ms = round((began - call.started_at).total_seconds() * 1000)
        file = EgressFile(row.id, row.key, starts_at_ms, row.status == EgressStatus.LOST)
        found[file] = _FILES.get(row.status) or PieceState(row.status)
    return found


async def set_state(conn: AsyncConnection, file: EgressFile, state: PieceState) -> None:
    """Say where a file is now; of one that is removed nobody needs to know any more."""
    mine = egresses.c.id == file.id
    if state is PieceState.REMOVED:
        await conn.execute(sa.delete(egresses).where(mine))
    else:
        await conn.execute(sa.update(egresses).where(mine).values(status=state))


async def read_open(conn: AsyncConnection) -> list[Row]:
    """Every egress of a live call that is not over, as far as is known, with its call's `tenant_id` and `room_name`."""
    columns: sa.Select[Any] = sa.select(*egresses.c, calls.c.tenant_id, calls.c.room_name)
    of_live = columns.join(calls, calls.c.id == egresses.c.call_id).where(_IS_OPEN, _IS_LIVE)
    return list((await conn.execute(of_live)).all())


async def forget(conn: AsyncConnection, call: Row) -> bool:
    """Clear away the rows of a call's egresses, whose files are gone; False as long as a lost one may upload its own.

    The row of that one stays, and a job removes what comes.
    """
    mine = egresses.c.call_id == call.id
    may_come = sa.and_(egresses.c.status == EgressStatus.LOST, egresses.c.asked_at > moment(conn) - LATEST)
    await conn.execute(sa.delete(egresses).where(mine, ~may_come))
    if not await conn.scalar(sa.select(sa.exists().where(mine))):
        return True
    await jobs.enqueue(
        conn,
        LATE_JOB,
        {"call_id": call.id},
        queue=QUEUE,
        tenant_id=call.tenant_id,
        call_id=call.id,
        run_at=moment(conn) + LATE_EVERY,
        dedup=f"{LATE_JOB}:{call.id}",
        max_attempts=ATTEMPTS,
    )
    return False


def _began(info: api.EgressInfo, asked_at: datetime, now: datetime) -> datetime | None:
    """When its file begins, in the database's time.

    By the clock of Egress, which is right to a few milliseconds as a rule; if it is not, then no earlier than we asked
    for it, and no later than what it says of itself allows.
    """
    started_ns = info.file_results[0].started_at if info.file_results else 0
    if not started_ns:
        return None
    by_its_clock = datetime.fromtimestamp(started_ns / 1e9, UTC)
    ran_for = timedelta(microseconds=max(info.updated_at - started_ns, 0) // 1000)
    return max(min(by_its_clock, now - ran_for), asked_at)


async def _follow(conn: AsyncConnection, call_id: str, about: dict[str, Any]) -> None:
    """An egress is over: a call that goes on needs another, one that is over has its recording."""
    call = await CallStore(conn).get(None, call_id)
    if call.status in LIVE:
        message = "LiveKit Egress records the call no longer"
        await _tell(conn, call_id, EventKind.RECORDING_INTERRUPTED, message, about, level="warning")
        await ask_if_due(conn, call_id)
    await _hurry(conn, call_id)


async def _hurry(conn: AsyncConnection, call_id: str) -> None:
    await jobs.hurry(conn, call_id, ("store_recording", JOB, LATE_JOB, "erase"))


async def _tell(
    conn: AsyncConnection,
    call_id: str,
    kind: EventKind,
    message: str,
    data: dict[str, Any],
    level: str = "info",
) -> None:
    await CallStore(conn).add_event(call_id, kind, "livekit", message, level=level, data=data)


def _word(info: api.EgressInfo) -> str:
    return api.EgressStatus.Name(info.status).removeprefix("EGRESS_").lower()

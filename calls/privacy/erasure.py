"""Erasing what was said in a call, its recording, and who was in it. The call's row stays: it is the bill.

The database forgets at once. Files are removed by a durable job, which also clears away what work that was under way
meanwhile still wrote, and waits for a storage that is away.
"""

from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.changes import CALLS, mark
from calls.database.clock import moment
from calls.errors import Conflict, NotFound
from calls.events import EventKind
from calls.jobs import JobState, enqueue
from calls.recordings import egress, pieces
from calls.search.index import forget_words
from calls.states import IntelligenceStatus
from calls.store import CallStore
from calls.tables import (
    batches,
    call_events,
    calls,
    deliveries,
    generations,
    idempotency_keys,
    jobs,
    notes,
    participants,
    recordings,
    results,
    segments,
    tool_calls,
    turns,
)
from calls.tenants import idempotency

QUEUE, JOB = "erasure", "erase"
RECORDING_QUEUE = "recording"
RECORDING_JOBS = {"store_recording", egress.JOB}  # what puts a recording's files into the storage
CLAIMED_BEFORE = timedelta(minutes=1)  # a request's key is claimed in the transaction that writes its call, before that
ERASED = "erased"  # stands where a name or a number was
_OF_DIGITS = (EventKind.DTMF_RECEIVED, EventKind.DTMF_SENT)


class Part(StrEnum):
    """What can be erased of a call."""

    TRANSCRIPT = "transcript"  # and what was made of it
    RECORDING = "recording"
    PARTICIPANTS = "participants"  # and all that a user's server said of them

    @property
    def erased_at(self) -> sa.Column[Any]:
        """The column that says when."""
        return {
            Part.TRANSCRIPT: calls.c.transcript_erased_at,
            Part.RECORDING: calls.c.recording_erased_at,
            Part.PARTICIPANTS: calls.c.erased_at,
        }[self]


async def erase_call(conn: AsyncConnection, tenant_id: str, call_id: str) -> None:
    """Erase everything of a call but its bill; nothing happens to one that is erased.

    Raises:
        NotFound: the tenant has no such call.
        Conflict: it is not over, or its agent has not yet written all that was said.
    """
    call = await _lock(conn, call_id)
    if call is None or call.tenant_id != tenant_id:
        raise NotFound("Call not found.")
    if call.transcript_closed_at is None:
        raise Conflict(
            "This call is not over, or its agent still writes what was said: end it first.", code="call_running"
        )
    if call.erased_at is None:
        await erase(conn, call_id, frozenset(Part))


async def erase(conn: AsyncConnection, call_id: str, parts: Collection[Part]) -> None:
    """Erase these parts of a call that is over, in the caller's transaction, and queue the job that does the rest."""
    at = moment(conn)
    marks = {part.erased_at: sa.func.coalesce(part.erased_at, at) for part in parts}
    await conn.execute(sa.update(calls).where(calls.c.id == call_id).values(marks))
    call = await sweep(conn, call_id)
    named = [part for part in Part if part in parts]
    message = f"Erased: {', '.join(named)}"
    await CallStore(conn).add_event(call_id, EventKind.ERASED, "lifecycle", message, data={"parts": named})
    await enqueue(
        conn,
        JOB,
        {"call_id": call_id},
        queue=QUEUE,
        tenant_id=call.tenant_id,
        call_id=call_id,
        ordering_key=f"{JOB}:{call_id}",
        lane=f"{QUEUE}:{call.tenant_id}",
        # For a process that dies again and again: whatever else is in the way, it waits for.
        max_attempts=1000,
    )


async def sweep(conn: AsyncConnection, call_id: str) -> sa.Row[Any]:
    """Clear away what there is of the parts that are marked as erased; the call's row, locked.

    All but the recording's rows: they say which files are to be removed. What the sound looked like goes.
    """
    call = await _lock(conn, call_id)
    assert call is not None
    mark(conn, CALLS)
    if call.transcript_erased_at is not None:
        await _forget_transcript(conn, call_id)
    if call.erased_at is not None:
        await _forget_participants(conn, call)
    if call.recording_erased_at is not None:
        await conn.execute(sa.update(recordings).where(recordings.c.call_id == call_id).values(peaks=None))
    await _forget_jobs(conn, call)
    return call


async def kinds_at_work(conn: AsyncConnection, call_id: str) -> set[str]:
    """The kinds of the call's jobs, other than its erasure, at which some process is at work, and may still write."""
    at_work = (jobs.c.call_id == call_id, jobs.c.state == JobState.ACTIVE, jobs.c.kind != JOB)
    return set(await conn.scalars(sa.select(jobs.c.kind).where(*at_work)))


async def is_recording_erased(conn: AsyncConnection, call_id: str) -> bool:
    """Whether nobody may hear the call's recording any more, though its file may still be there."""
    erased = (calls.c.id == call_id, calls.c.recording_erased_at.is_not(None))
    return bool(await conn.scalar(sa.select(sa.exists().where(*erased))))


async def is_last(conn: AsyncConnection, job_id: int) -> bool:
    """Whether no later erasure is due, so that this one is to wipe the database's files for those before it too."""
    due = (jobs.c.queue == QUEUE, jobs.c.run_at <= moment(conn), sa.text("state = 'waiting'"))
    return not await conn.scalar(sa.select(sa.exists().where(*due, jobs.c.id > job_id)))


async def files_to_remove(conn: AsyncConnection, call: sa.Row[Any]) -> list[str]:
    """The keys of the files that are to be removed from the storage, and may be there."""
    recorded = [one.key for one in await egress.read(conn, call.id)]
    recorded += [piece.key for piece in await pieces.of_call(conn, call.id)]
    columns = sa.select(recordings.c.key, recordings.c.format)
    made = await conn.execute(columns.where(recordings.c.call_id == call.id))
    return recorded + [row.key or pieces.recording_key(call.tenant_id, call.id, row.format) for row in made]


async def forget_recording(conn: AsyncConnection, call: sa.Row[Any]) -> None:
    """Clear away the rows of a recording whose files are gone."""
    await pieces.forget(conn, call.id)
    await egress.forget(conn, call)
    await conn.execute(sa.delete(recordings).where(recordings.c.call_id == call.id))


async def _lock(conn: AsyncConnection, call_id: str) -> sa.Row[Any] | None:
    return (await conn.execute(sa.select(calls).where(calls.c.id == call_id).with_for_update())).one_or_none()


async def _forget_transcript(conn: AsyncConnection, call_id: str) -> None:
    await forget_words(conn, call_id)
    for table in (segments, turns, tool_calls, notes, results, generations, deliveries):
        await conn.execute(sa.delete(table).where(table.c.call_id == call_id))
    analysed = (calls.c.id == call_id, calls.c.intelligence_status == IntelligenceStatus.PENDING)
    await conn.execute(sa.update(calls).where(*analysed).values(intelligence_status=IntelligenceStatus.FAILED))
    # Why a part of the post-call work failed may quote what was said, and digits were a kind of saying.
    told = sa.or_(call_events.c.source == "post_call", call_events.c.kind.in_(_OF_DIGITS))
    await _forget_events(conn, call_events.c.call_id == call_id, told)


async def _forget_participants(conn: AsyncConnection, call: sa.Row[Any]) -> None:
    mine = participants.c.call_id == call.id
    identities = set(await conn.scalars(sa.select(participants.c.identity).where(mine)))
    await _forget_answers(conn, call, identities)
    await conn.execute(
        sa.update(participants)
        .where(mine)
        .values(identity=ERASED, room_identity=participants.c.id, metadata={}, sip_call_id=None),
    )
    await _forget_events(conn, call_events.c.call_id == call.id)
    await conn.execute(
        sa.update(calls)
        .where(calls.c.id == call.id)
        .values(
            agent={name: call.agent[name] for name in ("id", "name")},
            metadata={},
            variables={},
            post_call={},
            own_post_call=None,
            primary_identity=ERASED,
        ),
    )


async def _forget_jobs(conn: AsyncConnection, call: sa.Row[Any]) -> None:
    """Jobs that wait have nothing more to do; of those that are done what they were about is forgotten.

    What is not erased keeps its jobs: a recording may still be on its way when the transcript goes.
    """
    mine = [jobs.c.call_id == call.id, jobs.c.kind.not_in([JOB, egress.LATE_JOB])]
    if call.recording_erased_at is None:
        mine.append(jobs.c.queue != RECORDING_QUEUE)
    if call.transcript_erased_at is None:
        mine.append(jobs.c.queue == RECORDING_QUEUE)
    await conn.execute(sa.delete(jobs).where(*mine, jobs.c.state == JobState.WAITING))
    await conn.execute(sa.update(jobs).where(*mine, jobs.c.finished_at.is_not(None)).values(payload={}, error=None))


async def _forget_events(conn: AsyncConnection, *which: sa.ColumnElement[bool]) -> None:
    """Keep that something happened, and when."""
    forget = sa.update(call_events).where(*which, call_events.c.kind != EventKind.ERASED)
    await conn.execute(forget.values(message=call_events.c.kind, data=None))


async def _forget_answers(conn: AsyncConnection, call: sa.Row[Any], identities: set[str]) -> None:
    """Names and ways in go from the kept answers that tell of the call; that these were given is known as before.

    An answer of a batch tells of other calls too, which it keeps.
    """
    since = max(call.created_at - CLAIMED_BEFORE, moment(conn) - idempotency.KEPT)
    given = idempotency_keys.c.created_at.between(since, call.ended_at)
    mine = (idempotency_keys.c.tenant_id == call.tenant_id, given)
    names = sa.cast(idempotency_keys.c.answer, sa.Text).contains(call.id)
    of_call = sa.or_(names, idempotency_keys.c.scope.contains(call.id))
    for row in (await conn.execute(sa.select(idempotency_keys).where(*mine, of_call))).all():
        same = (idempotency_keys.c.key == row.key, idempotency_keys.c.scope == row.scope, *mine)
        answer = _without(row.answer, identities)
        await conn.execute(sa.update(idempotency_keys).where(*same).values(answer=answer))
    if call.batch_id is not None:
        batch = (batches.c.tenant_id == call.tenant_id, batches.c.batch_id == call.batch_id)
        answer = await conn.scalar(sa.select(batches.c.answer).where(*batch).with_for_update())
        await conn.execute(sa.update(batches).where(*batch).values(answer=_without(answer, identities)))


def _without(answer: object, identities: set[str]) -> object:
    """An answer without these names, and without tokens, which tell a name to whoever decodes them."""
    if isinstance(answer, dict):
        return {
            name: ERASED if name in {"token", "client_token"} else _without(value, identities)
            for name, value in answer.items()
        }
    if isinstance(answer, list):
        return [_without(value, identities) for value in answer]
    return ERASED if isinstance(answer, str) and answer in identities else answer

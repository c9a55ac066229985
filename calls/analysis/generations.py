"""Generations: every time that a call is analysed is one, and every part of it is a durable job.

They are asked for, begun and concluded while the call's row is locked, so that of one that ends and one that is asked
for in the same moment each sees the other.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.agent_config import AgentConfig, AgentSnapshot
from calls.analysis.post_call import PostCall, Section, merge
from calls.database.changes import CALLS, mark
from calls.database.clock import moment
from calls.errors import Invalid, NotFound
from calls.events import EventKind
from calls.states import CallStatus, IntelligenceStatus
from calls.tables import agents, call_events, calls, generations, results
from calls.tables import jobs as job_rows

PART_JOB, REPROCESS_JOB = "post_call", "reprocess"  # each on the queue of that name
# Seconds between the attempts of one part; together with their spread less than an hour.
RETRY_AFTER_S = (2, 10, 60, 240, 600, 900, 1500)
ATTEMPTS = len(RETRY_AFTER_S) + 1

# Section of `post_call` that reads the transcript -> the part of an analysis that is made of it.
STAGES: dict[Section, str] = {
    "summary": "summary",
    "structured_extraction": "extraction",
    "evaluation": "evaluation",
}

_PENDING = IntelligenceStatus.PENDING


def stages(call: sa.Row[Any], post_call: PostCall) -> list[str]:
    """The parts that are to be made of a call by these sections: none where nothing is transcribed."""
    if not AgentSnapshot.stored(call.agent).features.transcription_enabled:
        return []
    return [stage for section, stage in STAGES.items() if section in post_call.on]


async def begin(
    conn: AsyncConnection,
    call: sa.Row[Any],
    post_call: PostCall,
    *,
    asked_at: datetime | None = None,
    job_id: int | None = None,
) -> bool:
    """Begin a generation of a call whose row is locked and whose transcript is closed; False if nothing is on.

    `job_id` is that of the job that asked for it; without one it is the generation that comes by itself. What was
    asked for is noted also if nothing is on: so it is known that it has had its turn.
    """
    wanted = stages(call, post_call)
    if not wanted and job_id is None:
        return False
    at = moment(conn)
    latest = await conn.scalar(sa.select(sa.func.max(generations.c.number)).where(generations.c.call_id == call.id))
    number = (latest or 0) + 1
    row = {"call_id": call.id, "number": number, "post_call": post_call.given(), "job_id": job_id, "created_at": at}
    times = {"asked_at": asked_at or at, "concluded_at": None if wanted else at}
    status = _PENDING if wanted else IntelligenceStatus.NOT_STARTED
    await conn.execute(sa.insert(generations).values(**row, **times, status=status))
    for stage in wanted:
        part = {"call_id": call.id, "generation": number, "stage": stage}
        part_job = await jobs.enqueue(
            conn,
            PART_JOB,
            {"generation": number, "stage": stage},
            queue=PART_JOB,
            tenant_id=call.tenant_id,
            call_id=call.id,
            lane=f"{PART_JOB}:{call.tenant_id}",
            max_attempts=ATTEMPTS,
        )
        await conn.execute(sa.insert(results).values(**part, status=_PENDING, job_id=part_job, created_at=at))
    if wanted:
        await set_status(conn, call.id, _PENDING)
    return bool(wanted)


async def reprocess(conn: AsyncConnection, tenant_id: str, call_id: str) -> int:
    """Queue one more generation of a completed call; returns the id of the job that begins it.

    It takes the agent's sections of the moment in which it begins, overridden by what the call had said for itself.
    While another generation is being made it waits for its end; one that has not begun yet is not asked for twice.

    Raises NotFound, or Invalid if the call is not completed or its transcript was erased.
    """
    call = await lock_call(conn, call_id)
    if call is None or call.tenant_id != tenant_id:
        raise NotFound("Call not found.")
    if call.status != CallStatus.COMPLETED:
        raise Invalid(f"Only a completed call can be reprocessed; this one is {call.status}.")
    if call.transcript_erased_at is not None:
        raise Invalid("The transcript of this call was erased: there is nothing to be processed.")
    asked: int | None = await conn.scalar(_asked(call_id))
    if asked is not None:
        return asked
    running = sa.exists().where(generations.c.call_id == call_id, generations.c.status == _PENDING)
    waits = call.transcript_closed_at is None or await conn.scalar(sa.select(running))
    at = jobs.NEVER if waits else None
    job_id = await jobs.enqueue(
        conn, REPROCESS_JOB, {}, queue=REPROCESS_JOB, tenant_id=tenant_id, call_id=call_id, run_at=at
    )
    if stages(call, await _resolved(conn, call)):
        await set_status(conn, call_id, _PENDING)
    return job_id


async def begin_again(conn: AsyncConnection, job: jobs.Job) -> int | None:
    """Begin the generation that this job was queued for, unless it has; its number, or None if the call is erased."""
    call_id = str(job.call_id)
    call = await lock_call(conn, call_id)
    assert call is not None
    mine = sa.select(generations.c.number).where(generations.c.call_id == call_id, generations.c.job_id == job.id)
    number: int | None = await conn.scalar(mine)
    if number is not None or call.transcript_erased_at is not None:
        return number
    if not await begin(conn, call, await _resolved(conn, call), asked_at=job.created_at, job_id=job.id):
        made = (generations.c.call_id == call_id, generations.c.status != IntelligenceStatus.NOT_STARTED)
        last = sa.select(generations.c.status).where(*made).order_by(generations.c.number.desc()).limit(1)
        await set_status(conn, call_id, await conn.scalar(last) or IntelligenceStatus.NOT_STARTED)
        number = await conn.scalar(mine)
        note = "Post-call analysis skipped: nothing of it is on."
        await _tell(conn, call_id, EventKind.ANALYSIS_SKIPPED, note, {"generation": number})
    return await conn.scalar(mine)


async def start_asked(conn: AsyncConnection, call_id: str) -> bool:
    """Let the generation begin that was asked for meanwhile; whether there is one. The call's row is locked."""
    if await conn.scalar(_asked(call_id)) is None:
        return False
    await jobs.start(conn, _asked(call_id))
    return True


async def set_status(conn: AsyncConnection, call_id: str, status: str) -> None:
    """Set the `intelligence_status` of a call whose row is locked; that it is pending again is told in the log."""
    mark(conn, CALLS)
    other = (calls.c.id == call_id, calls.c.intelligence_status != status)
    changed = await conn.execute(sa.update(calls).where(*other).values(intelligence_status=status))
    if changed.rowcount and status == _PENDING:
        await _tell(conn, call_id, EventKind.ANALYSIS_PENDING, "Post-call analysis pending.")


async def lock_call(conn: AsyncConnection, call_id: str) -> sa.Row[Any] | None:
    """The call's row, held until the end of the transaction."""
    return (await conn.execute(sa.select(calls).where(calls.c.id == call_id).with_for_update())).one_or_none()


async def _tell(
    conn: AsyncConnection, call_id: str, kind: EventKind, message: str, data: dict[str, Any] | None = None
) -> None:
    """Write one row of the log of a call whose row is locked."""
    event = {"call_id": call_id, "kind": kind, "level": "info", "source": "post_call", "message": message}
    await conn.execute(sa.insert(call_events).values(**event, data=data, created_at=moment(conn)))


def _asked(call_id: str) -> sa.Select[tuple[int]]:
    """The job of a generation that was asked for and has not begun."""
    begun = sa.exists().where(generations.c.call_id == call_id, generations.c.job_id == job_rows.c.id)
    mine = (job_rows.c.call_id == call_id, job_rows.c.kind == REPROCESS_JOB)
    return sa.select(job_rows.c.id).where(*mine, job_rows.c.finished_at.is_(None), ~begun)


async def _resolved(conn: AsyncConnection, call: sa.Row[Any]) -> PostCall:
    """The sections as they would be now: those of its agent, also of a deleted one, and the call's own."""
    config = (await conn.execute(sa.select(agents.c.config).where(agents.c.id == call.agent_id))).scalar_one()
    own = call.own_post_call and PostCall.stored(call.own_post_call)
    return merge(AgentConfig.stored(config).post_call, own)

"""How the parts of an analysis end, and with the last of them its generation."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.analysis.generations import begin_again, lock_call, set_status, start_asked
from calls.analysis.notes import forget_notes
from calls.database.changes import CALLS, mark
from calls.database.clock import iso, moment
from calls.events import EventKind
from calls.states import IntelligenceStatus
from calls.store import CallStore
from calls.tables import generations, results
from calls.tenants import webhooks

_PENDING, _FAILED = IntelligenceStatus.PENDING, IntelligenceStatus.FAILED


async def end_part(
    conn: AsyncConnection,
    call_id: str,
    generation: int,
    stage: str,
    *,
    value: dict[str, Any] | None = None,
    error: str | None = None,
    condensed: bool = False,
) -> None:
    """Write what a part found, or why it found nothing, unless it has ended; the last one concludes its generation.

    `condensed` says that the model has read notes of the call, not its transcript.
    """
    await lock_call(conn, call_id)
    part = (results.c.call_id == call_id, results.c.generation == generation, results.c.stage == stage)
    outcome = {"status": IntelligenceStatus.COMPLETED if error is None else _FAILED, "value": value, "error": error}
    end = sa.update(results).where(*part, results.c.status == _PENDING).values(**outcome, ended_at=moment(conn))
    if not (await conn.execute(end)).rowcount:
        return
    await forget_notes(conn, call_id, generation, stage)
    mark(conn, CALLS)
    told = {"generation": generation, "stage": stage}
    if condensed:
        note = f"The transcript is too long for the model, which has read its own notes of it instead ({stage})."
        await CallStore(conn).add_event(call_id, EventKind.TRANSCRIPT_CONDENSED, "post_call", note, data=told)
    if error is None:
        kind, note = EventKind.ANALYSIS_PART_COMPLETED, f"Post-call analysis: {stage} completed."
        await CallStore(conn).add_event(call_id, kind, "post_call", note, data=told)
    else:
        kind, note = EventKind.ANALYSIS_PART_FAILED, f"{stage}: {error}"
        await CallStore(conn).add_event(
            call_id, kind, "post_call", note, level="warning", data={**told, "error": error}
        )
    parts = sa.select(results.c.status).where(results.c.call_id == call_id, results.c.generation == generation)
    statuses = set(await conn.scalars(parts))
    if _PENDING not in statuses:
        await _conclude(conn, call_id, generation, _FAILED if statuses == {_FAILED} else IntelligenceStatus.COMPLETED)


async def delay_part(
    conn: AsyncConnection, call_id: str, generation: int, stage: str, reason: str, run_at: datetime
) -> None:
    """Tell that an attempt at a part has failed, and when the next one comes."""
    told = {"generation": generation, "stage": stage, "error": reason, "next_attempt_at": iso(run_at)}
    note = f"{stage}: {reason} It is tried again at {iso(run_at)}."
    kind = EventKind.ANALYSIS_PART_DELAYED
    await CallStore(conn).add_event(call_id, kind, "post_call", note, level="warning", data=told)


async def fail_all(conn: AsyncConnection, job: jobs.Job, reason: str) -> None:
    """The job that was to begin a generation is dead: the generation has failed in each of its parts."""
    number = await begin_again(conn, job)
    parts = sa.select(results.c.stage).where(results.c.call_id == job.call_id, results.c.generation == number)
    for stage in list(await conn.scalars(parts)):
        await end_part(conn, str(job.call_id), number or 0, stage, error=reason)


async def _conclude(conn: AsyncConnection, call_id: str, number: int, status: IntelligenceStatus) -> None:
    this = (generations.c.call_id == call_id, generations.c.number == number)
    await conn.execute(sa.update(generations).where(*this).values(status=status, concluded_at=moment(conn)))
    await set_status(conn, call_id, status)
    failed = status is _FAILED
    kind = EventKind.ANALYSIS_FAILED if failed else EventKind.ANALYSIS_COMPLETED
    level = "error" if failed else "info"
    told = {"generation": number}
    await CallStore(conn).add_event(call_id, kind, "post_call", f"Post-call analysis {status}.", level=level, data=told)
    await webhooks.announce(conn, call_id, webhooks.WebhookEvent.INTELLIGENCE_READY)
    if await start_asked(conn, call_id):
        await set_status(conn, call_id, _PENDING)

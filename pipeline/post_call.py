"""Job `post_call`: makes summary, extraction and evaluation from a call's transcript, once that is closed.

Every step is written by itself and may be repeated: a killed process repeats at most the step that it was in, and no
transaction is open while a model thinks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import webhooks
from calls.agent_config import AgentSnapshot
from calls.clock import moment
from calls.database import Database, upsert
from calls.events import EventKind
from calls.jobs import Job, held
from calls.post_call import ANALYSES, PostCall, Section
from calls.states import IntelligenceStatus
from calls.store import CallStore
from calls.tables import calls, results
from calls.transcript import as_text, read_transcript
from pipeline.deps import Deps
from pipeline.evaluation import evaluate
from pipeline.extraction import extract
from pipeline.fate import Done, Fate, Retry, Wait
from pipeline.llm import Answer, Conversation, Llm, LlmFailed, LlmUnavailable
from pipeline.summary import summarize

STILL_WRITING_S = 1.0

# Each is asked with the section of its own.
Ask = Callable[[Llm, Any, Conversation], Awaitable[Answer]]

# Section -> the name of its row in `results`, and what makes it.
STAGES: dict[Section, tuple[str, Ask]] = {
    "summary": ("summary", summarize),
    "structured_extraction": ("extraction", extract),
    "evaluation": ("evaluation", evaluate),
}


async def run(job: Job, deps: Deps) -> Fate:
    """One attempt; the results that it already has are kept, so that a repetition asks only for what is missing."""
    call = await _read(deps.db, job)
    if call.transcript_closed_at is None:
        return Wait(STILL_WRITING_S)  # somebody asked for it the very moment in which the call ended
    agent, post_call = AgentSnapshot.stored(call.agent), PostCall.stored(call.post_call)
    sections = post_call.on & ANALYSES if agent.features.transcription_enabled else set()
    if call.intelligence_status != IntelligenceStatus.PENDING or not sections:
        return Done()
    async with deps.db.reading() as conn:
        conversation = Conversation(as_text(await read_transcript(conn, call.id)), call.started_at or call.created_at)
        ours = sa.select(results.c.stage).where(results.c.call_id == call.id, results.c.job_id == job.id)
        have = set(await conn.scalars(ours))
    missing = [section for section in sections if STAGES[section][0] not in have]
    attempts = [_make(deps, job, section, getattr(post_call, section), conversation) for section in missing]
    reasons = [reason for reason in await asyncio.gather(*attempts) if reason]
    if reasons:
        return Retry(reasons[0])
    async with deps.db.writing() as conn:
        await _finish(conn, job, {STAGES[section][0] for section in sections})
    return Done()


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """The job is dead: the call's analysis has failed, whatever part of it is there."""
    await _conclude(conn, str(job.call_id), IntelligenceStatus.FAILED, f"Post-call analysis failed: {reason}")


async def _read(db: Database, job: Job) -> sa.Row[Any]:
    async with db.reading() as conn:
        return await CallStore(conn).get(job.tenant_id, str(job.call_id))


async def _make(deps: Deps, job: Job, section: Section, options: object, conversation: Conversation) -> str | None:
    """Make one stage and write its result or its error; returns why it should be tried again, or None."""
    stage, ask = STAGES[section]
    if not conversation.transcript:
        await _write(deps.db, job, stage, None, "The call has no transcript: nothing was said in it.")
        return None
    try:
        answer = await ask(deps.llm, options, conversation)
    except LlmUnavailable as problem:
        if not job.last_attempt:
            return str(problem)
        await _write(deps.db, job, stage, None, str(problem))
    except LlmFailed as problem:
        await _write(deps.db, job, stage, None, str(problem))
    else:
        await _write(deps.db, job, stage, answer, None)
    return None


async def _write(db: Database, job: Job, stage: str, answer: Answer | None, error: str | None) -> None:
    async with db.writing() as conn:
        values = {"value": answer and answer.value, "error": error, "job_id": job.id, "created_at": moment(conn)}
        add = upsert(conn, results).values(call_id=job.call_id, stage=stage, **values)
        newer = sa.or_(results.c.job_id.is_(None), results.c.job_id <= job.id)
        await conn.execute(add.on_conflict_do_update(index_elements=["call_id", "stage"], set_=values, where=newer))
        if answer and answer.condensed:
            note = f"The transcript is too long for the model, which has read its own notes of it instead ({stage})."
            await CallStore(conn).add_event(
                str(job.call_id), EventKind.TRANSCRIPT_CONDENSED, "post_call", note, data={"stage": stage}
            )


async def _finish(conn: AsyncConnection, job: Job, stages: set[str]) -> None:
    if not await conn.scalar(sa.select(held(job))):
        return
    mine = results.c.call_id == job.call_id
    await conn.execute(sa.delete(results).where(mine, results.c.stage.not_in(stages)))
    errors = {row.stage: row.error for row in await conn.execute(sa.select(results).where(mine)) if row.error}
    if len(errors) == len(stages):
        status, message = IntelligenceStatus.FAILED, "Post-call analysis failed."
    else:
        status, message = IntelligenceStatus.COMPLETED, "Post-call analysis completed."
    for stage, error in sorted(errors.items()):
        await CallStore(conn).add_event(
            str(job.call_id),
            EventKind.ANALYSIS_PART_FAILED,
            "post_call",
            f"{stage}: {error}",
            level="warning",
            data={"stage": stage, "error": error},
        )
    await _conclude(conn, str(job.call_id), status, message)


async def _conclude(conn: AsyncConnection, call_id: str, status: IntelligenceStatus, message: str) -> None:
    pending = (calls.c.id == call_id, calls.c.intelligence_status == IntelligenceStatus.PENDING)
    concluded = await conn.execute(sa.update(calls).where(*pending).values(intelligence_status=status))
    if concluded.rowcount:
        failed = status is IntelligenceStatus.FAILED
        kind = EventKind.ANALYSIS_FAILED if failed else EventKind.ANALYSIS_COMPLETED
        await CallStore(conn).add_event(call_id, kind, "post_call", message, level="error" if failed else "info")
        await webhooks.announce(conn, call_id, "call.intelligence.ready")

"""Jobs `post_call` and `reprocess`: one part of an analysis, made from a call's transcript; and one more generation.

A part that has ended is not made again, nor a note of a long call: a killed process repeats at most the question that
it was waiting for, and no transaction is open while a model thinks.
"""

import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.analysis import parts as analysis
from calls.analysis.generations import RETRY_AFTER_S, STAGES, begin_again
from calls.analysis.notes import Note, keep_note, read_notes
from calls.analysis.post_call import PostCall
from calls.jobs import Job
from calls.states import IntelligenceStatus
from calls.tables import calls, generations, results
from calls.transcript import as_text, read_transcript
from pipeline.deps import Deps
from pipeline.evaluation import evaluate
from pipeline.extraction import extract
from pipeline.fate import Done, Fail, Fate, Retry
from pipeline.llm import Answer, Conversation, Llm, LlmFailed, LlmUnavailable, Notebook
from pipeline.summary import summarize

SPREAD = 0.05

# Each is asked with the section of its own.
Ask = Callable[[Llm, Any, Conversation], Awaitable[Answer]]
ASKS: dict[str, Ask] = {"summary": summarize, "extraction": extract, "evaluation": evaluate}
SECTIONS = {stage: section for section, stage in STAGES.items()}


async def run(job: Job, deps: Deps) -> Fate:
    """One attempt at a part."""
    generation, stage = _part(job)
    part = (str(job.call_id), generation, stage)
    async with deps.db.reading() as conn:
        call = await _read(conn, job)
        if call is None:
            return Done()  # it has ended, or the call was erased
        transcript = as_text(await read_transcript(conn, str(job.call_id)))
        noted = await read_notes(conn, *part)

    async def keep(note: Note) -> None:
        async with deps.db.writing() as conn:
            await keep_note(conn, *part, note)

    if not transcript:
        return Fail("The call has no transcript: nothing was said in it.")
    section = getattr(PostCall.stored(call.post_call), SECTIONS[stage])
    conversation = Conversation(transcript, call.started_at or call.created_at, Notebook(noted, keep))
    try:
        answer = await ASKS[stage](deps.llm, section, conversation)
    except LlmUnavailable as problem:
        return _again(job, str(problem))
    except LlmFailed as problem:
        return Fail(str(problem))
    async with deps.db.writing() as conn:
        await analysis.end_part(conn, *part, value=answer.value, condensed=answer.condensed)
    return Done()


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """The part has failed; the others go on."""
    await analysis.end_part(conn, str(job.call_id), *_part(job), error=reason)


async def put_off(conn: AsyncConnection, job: Job, reason: str, run_at: datetime) -> None:
    """The part is tried again."""
    await analysis.delay_part(conn, str(job.call_id), *_part(job), reason, run_at)


async def run_again(job: Job, deps: Deps) -> Fate:
    """Begin the generation that somebody asked for."""
    async with deps.db.writing() as conn:
        await begin_again(conn, job)
    return Done()


async def give_up_again(conn: AsyncConnection, job: Job, reason: str) -> None:
    """It could not be begun, so it has failed."""
    await analysis.fail_all(conn, job, reason)


def _part(job: Job) -> tuple[int, str]:
    return job.payload["generation"], job.payload["stage"]


async def _read(conn: AsyncConnection, job: Job) -> sa.Row[Any] | None:
    """When the call took place, and the sections of the generation, unless the part has ended."""
    generation, stage = _part(job)
    told = sa.select(calls.c.started_at, calls.c.created_at, generations.c.post_call)
    query = told.select_from(results).join(generations).join(calls)
    this = (calls.c.id == job.call_id, results.c.generation == generation, results.c.stage == stage)
    pending = results.c.status == IntelligenceStatus.PENDING
    return cast("sa.Row[Any] | None", (await conn.execute(query.where(*this, pending))).one_or_none())


def _again(job: Job, reason: str) -> Retry:
    if job.last_attempt:
        return Retry(f"{reason} Given up after {job.attempt} attempts.")
    pause = RETRY_AFTER_S[job.attempt - 1]
    return Retry(reason, pause * random.uniform(1 - SPREAD, 1 + SPREAD))  # noqa: S311 - spreads load, no secret

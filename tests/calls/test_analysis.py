"""Generations: how they are asked for, begun and concluded, and what is shown of them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from calls.analysis.generations import RETRY_AFTER_S, begin_again, reprocess
from calls.analysis.parts import end_part, fail_all
from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import Invalid, NotFound
from calls.jobs import Job, JobQueue
from calls.placing.creation import NewCall
from calls.reading import Part, read_generations, read_parts
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents, call_events, jobs, results
from calls.workers import leases
from tests.conftest import now

SCHEMA = {"type": "object", "properties": {"booked": {"type": "boolean"}}}
SUMMARY = {"summary": {"enabled": True}}
BOTH = {**SUMMARY, "evaluation": {"rubric": "Was it kind?"}}

Over = Callable[..., Awaitable[str]]


@pytest.fixture
def over(database: Database, agent: dict[str, Any], running: Callable[..., Awaitable[tuple[NewCall, int]]]) -> Over:
    """`await over(post_call)`: the id of a call that is over and written, and of whose agent that is the default."""

    async def end(post_call: dict[str, Any], **fields: Any) -> str:
        call, token = await running(agent={**agent, "post_call": post_call}, post_call=post_call, **fields)
        await set_default(database, post_call)
        async with database.writing() as connection:
            await CallStore(connection).finish(call.id, EndReason.CALLER_HUNG_UP)
            await leases.release(connection, call.id, token)
        return call.id

    return end


async def set_default(database: Database, post_call: dict[str, Any]) -> None:
    async with database.writing() as connection:
        await connection.execute(sa.update(agents).values(config={"post_call": post_call}))


async def ask(database: Database, call_id: str) -> int:
    async with database.writing() as connection:
        return await reprocess(connection, DEFAULT_TENANT, call_id)


async def work(database: Database) -> list[Job]:
    """Begin what was asked for and may begin; the jobs that did so, and are not settled yet."""
    at_work = JobQueue(database, "here", 60)
    begun = await at_work.claim("reprocess", 100)
    for job in begun:
        async with database.writing() as connection:
            await begin_again(connection, job)
            await begin_again(connection, job)  # as after a crash
    return begun


async def end(database: Database, call_id: str, generation: int, stage: str = "summary", **outcome: Any) -> None:
    async with database.writing() as connection:
        await end_part(connection, call_id, generation, stage, **(outcome or {"value": {"summary": f"{generation}"}}))


async def status(database: Database, call_id: str) -> str:
    async with database.reading() as connection:
        return str((await CallStore(connection).get(None, call_id)).intelligence_status)


async def shown(database: Database, call_id: str) -> list[Part]:
    async with database.reading() as connection:
        return await read_parts(connection, call_id)


async def resolved(database: Database, call_id: str) -> list[dict[str, Any]]:
    """The sections of each generation, the newest first."""
    async with database.reading() as connection:
        return [row.post_call for row, _ in await read_generations(connection, call_id, 50, 0)]


async def test_each_reprocessing_takes_the_agents_sections_of_then_and_keeps_the_calls_own(database, over):
    own = {"evaluation": {"rubric": "own"}, "summary": None}
    call_id = await over({"evaluation": {"rubric": "first"}}, own_post_call=own)
    await end(database, call_id, 1, "evaluation", value={"passed": True})
    extraction = {"structured_extraction": {"json_schema": SCHEMA}}
    for default in ({**extraction, **SUMMARY}, {"summary": {"enabled": True, "prompt": "short"}}):
        await set_default(database, default)
        await ask(database, call_id)
        await work(database)
        for part in await shown(database, call_id):
            await end(database, call_id, part.generation, part.stage, value={})
    third, second, first = await resolved(database, call_id)
    assert third == {"summary": None, "evaluation": {"rubric": "own"}}
    assert second == {**extraction, "summary": None, "evaluation": {"rubric": "own"}}
    assert first == {"evaluation": {"rubric": "first"}}
    async with database.reading() as connection:
        assert (await CallStore(connection).get(None, call_id)).post_call == first


async def test_what_is_asked_for_while_one_runs_is_one_more_after_it_with_the_sections_of_then(database, over):
    call_id = await over(BOTH)
    asked = {await ask(database, call_id) for _ in range(100)}
    assert len(asked) == 1
    assert await work(database) == []
    await set_default(database, SUMMARY)
    await end(database, call_id, 1)
    assert await work(database) == []
    await end(database, call_id, 1, "evaluation", error="no")
    assert await status(database, call_id) == "pending"
    assert {job.id for job in await work(database)} == asked
    assert await resolved(database, call_id) == [SUMMARY, BOTH]
    await end(database, call_id, 2)
    assert await status(database, call_id) == "completed"


async def test_what_is_asked_for_between_the_end_of_one_and_that_of_its_job_is_not_lost(database, over):
    call_id = await over(SUMMARY)
    await end(database, call_id, 1)
    for generation in range(2, 5):
        asked = await ask(database, call_id)
        assert await ask(database, call_id) == asked
        [job] = await work(database)  # still at work for the queue
        assert job.id == asked
        await end(database, call_id, generation)
    assert await status(database, call_id) == "completed"
    assert len(await resolved(database, call_id)) == 4


async def test_the_last_part_concludes_once_and_a_part_ends_once(database, over):
    call_id = await over(BOTH)
    await end(database, call_id, 1, "evaluation", error="no")
    await end(database, call_id, 1, "evaluation", value={"passed": True})
    await end(database, call_id, 1)
    await end(database, call_id, 1, error="late")
    assert [(part.stage, part.status, part.value, part.error) for part in await shown(database, call_id)] == [
        ("evaluation", "failed", None, "no"),
        ("summary", "completed", {"summary": "1"}, None),
    ]
    async with database.reading() as connection:
        told = sa.select(call_events.c.kind).where(call_events.c.source == "post_call").order_by(call_events.c.id)
        assert list(await connection.scalars(told)) == [
            "analysis.part_failed",
            "analysis.part_completed",
            "analysis.completed",
        ]
    assert await status(database, call_id) == "completed"


async def test_the_log_tells_when_results_are_to_come_again_and_when_none_do(database, over):
    call_id = await over(SUMMARY)
    await end(database, call_id, 1)
    await ask(database, call_id)
    await set_default(database, {})
    await work(database)
    assert await status(database, call_id) == "completed"
    async with database.reading() as connection:
        told = sa.select(call_events.c.kind, call_events.c.data).where(call_events.c.source == "post_call")
        assert (await connection.execute(told.order_by(call_events.c.id))).all() == [
            ("analysis.part_completed", {"generation": 1, "stage": "summary"}),
            ("analysis.completed", {"generation": 1}),
            ("analysis.pending", None),
            ("analysis.skipped", {"generation": 2}),
        ]


async def test_a_generation_that_cannot_begin_has_failed_and_leaves_what_was_found(database, over):
    call_id = await over(SUMMARY)
    await end(database, call_id, 1)
    await ask(database, call_id)
    [job] = await JobQueue(database, "here", 60).claim("reprocess", 10)
    async with database.writing() as connection:
        await fail_all(connection, job, "The process that ran the job died.")
    latest, before = await shown(database, call_id)
    assert (latest.generation, latest.status, latest.error) == (2, "failed", "The process that ran the job died.")
    assert (before.generation, before.value) == (1, {"summary": "1"})
    assert await status(database, call_id) == "failed"


async def test_where_nothing_is_on_nothing_changes(database, over):
    call_id = await over(SUMMARY)
    await end(database, call_id, 1)
    await ask(database, call_id)
    await set_default(database, {"summary": {"enabled": False}})
    [job] = await work(database)
    assert await status(database, call_id) == "completed"
    assert [part.generation for part in await shown(database, call_id)] == [1]
    await set_default(database, SUMMARY)
    assert await ask(database, call_id) != job.id
    await work(database)
    await end(database, call_id, 3)
    assert await status(database, call_id) == "completed"


async def test_what_is_late_says_why_and_when_it_is_tried_again(database, over):
    call_id = await over(BOTH)
    queue = JobQueue(database, "here", 60)
    assert [part.error for part in await shown(database, call_id)] == [None, None]
    job, _other = sorted(await queue.claim("post_call", 2), key=lambda job: job.payload["stage"], reverse=True)
    await queue.retry(job, "The server answered 503.", RETRY_AFTER_S[4])
    async with database.writing() as connection:
        await connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(attempt=5))
        due = await connection.scalar(sa.select(jobs.c.run_at).where(jobs.c.id == job.id))
    evaluation, summary = await shown(database, call_id)
    assert (summary.status, evaluation.error) == ("pending", None)
    assert summary.error == f"The server answered 503. It is tried again at {due:%Y-%m-%dT%H:%M:%S}Z, 6 of 8."
    async with database.writing() as connection:
        await connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(run_at=jobs.c.created_at))
        await connection.execute(sa.update(results).values(created_at=now() - timedelta(minutes=5)))
    await queue.claim("post_call", 2)
    evaluation, summary = await shown(database, call_id)
    assert summary.error == "The server answered 503. It is being tried again, 6 of 8."
    assert evaluation.error is not None
    assert evaluation.error.startswith("It is being made since ")


async def test_the_attempts_of_a_part_take_nearly_an_hour(database):
    assert 0.9 * 3600 < sum(RETRY_AFTER_S) * 1.05 <= 3600


async def test_only_a_completed_call_of_the_tenant_can_be_reprocessed(database, running):
    call, _ = await running()
    async with database.writing() as connection:
        with pytest.raises(Invalid, match="in_progress"):
            await reprocess(connection, DEFAULT_TENANT, call.id)
        with pytest.raises(NotFound):
            await reprocess(connection, "another", call.id)

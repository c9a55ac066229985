"""Post-call work by the real runner, with a scripted model behind OpenAI's protocol."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from calls.analysis.generations import ATTEMPTS, reprocess
from calls.database.engine import DEFAULT_TENANT, Database
from calls.jobs import LOST, SHARED_LANE_WIDTHS, JobQueue
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import calls, generations, jobs, notes, results, segments
from calls.tenants.keys import create_tenant
from calls.transcript import write_segments
from calls.workers import leases
from pipeline import post_call
from pipeline.deps import Deps, open_deps
from tests.pipeline.finished import (
    EVERYTHING,
    GOOD,
    SAID,
    analysed,
    announced,
    call_row,
    events,
    finished_call,
    hang_up,
    listen,
    made,
    queued,
    running_call,
    segment,
    working,
)
from tests.pipeline.patient import open_patient
from tests.providers import Chat, Never, Providers, field

SUMMARY = {"summary": {"enabled": True}}
FITTING = 12_000  # characters of a question that the model of a small context takes


def stage(chat: Chat) -> str:
    return str(chat.body["response_format"]["json_schema"]["name"])


def well(chat: Chat) -> dict[str, Any]:
    """A model that always answers well."""
    return GOOD[stage(chat)]


@pytest.fixture
async def model() -> AsyncIterator[Providers]:
    async with Providers() as providers:
        yield providers


@pytest.fixture
async def deps(settings, model) -> AsyncIterator[Deps]:
    async with open_patient(settings(llm_url=model.url, lease_s=2)) as opened:
        yield opened


def completed(part: str) -> str:
    return f"Post-call analysis: {part} completed."


async def test_every_part_that_is_on_is_made_and_told_once(database_url, deps, model, until):
    model.answer_with(well)
    await listen(deps.db, deps.keyring)
    call_id = await finished_call(deps.db, EVERYTHING)
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    assert await made(deps.db, call_id) == GOOD
    row = await call_row(deps.db, call_id)
    assert row.intelligence_status == "completed"
    assert row.transcript_closed_at is not None
    *parts, last = await events(deps.db, call_id)
    assert (sorted(parts), last) == (sorted(map(completed, GOOD)), "Post-call analysis completed.")
    told = await announced(deps.db, call_id)
    assert told == ["call.completed", "call.intelligence.ready", "call.started", "call.transcript.ready"]


async def test_the_model_reads_the_transcript_and_what_the_user_asked_for(deps, model, until):
    model.answer_with(well)
    sections = {**EVERYTHING, "summary": {"enabled": True, "prompt": "Mind the dessert."}}
    call_id = await finished_call(deps.db, sections)
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    chats = {stage(chat): chat for chat in model.chats}
    for chat in chats.values():
        assert "Agent: Hello, this is Aria.\nCaller: I need a table for four." in chat.last_user
    assert "Mind the dessert." in chats["summary"].system
    assert '"guests"' in chats["extraction"].system
    assert "Did the agent book a table?" in chats["evaluation"].system


async def test_nothing_is_asked_before_the_worker_has_let_go_of_the_call(deps, model, until):
    model.answer_with(well)
    call_id, token = await running_call(deps.db, SUMMARY)
    await hang_up(deps.db, call_id, token=None)
    async with working(deps):
        async with deps.db.writing() as conn:
            assert await queued(conn, call_id) == []
            assert await write_segments(conn, call_id, token, [segment(3, "user", "One last word.")])
            await leases.release(conn, call_id, token)
            assert await queued(conn, call_id) == ["post_call"]
        await until(lambda: analysed(deps.db, call_id))
    [chat] = model.chats
    assert chat.last_user.endswith("Caller: One last word.\n</transcript>")
    async with deps.db.writing() as conn:
        assert not await write_segments(conn, call_id, token, [segment(4, "user", "Too late.")])


async def test_what_is_asked_for_while_the_agent_still_writes_waits_until_it_has_let_go(deps, model, until):
    model.answer_with(well)
    call_id, token = await running_call(deps.db, SUMMARY)
    await hang_up(deps.db, call_id, token=None)
    async with deps.db.writing() as conn:
        await reprocess(conn, DEFAULT_TENANT, call_id)
        assert await queued(conn, call_id) == ["reprocess"]
    async with working(deps):
        async with deps.db.writing() as conn:
            assert await write_segments(conn, call_id, token, [segment(3, "user", "One last word.")])
            await leases.release(conn, call_id, token)
        await until(lambda: analysed(deps.db, call_id))
    assert all(chat.last_user.endswith("Caller: One last word.\n</transcript>") for chat in model.chats)
    assert await made(deps.db, call_id) == {"summary": GOOD["summary"]}


async def test_an_answer_that_does_not_fit_is_sent_back(deps, model, until):
    model.answer({"guests": "four"}, {"guests": 4})
    call_id = await finished_call(deps.db, {"structured_extraction": EVERYTHING["structured_extraction"]})
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    assert await made(deps.db, call_id) == {"extraction": {"guests": 4}}
    assert '"four" is not of type "integer"' in model.chats[1].last_user
    assert (await call_row(deps.db, call_id)).intelligence_status == "completed"


@pytest.mark.parametrize(
    "answer", ["I think it was nice.", "", '{"summary": "A."}', {"summary": " ", "sentiment": "neutral"}]
)
async def test_a_useless_answer_is_an_error_and_no_text_takes_its_place(deps, model, until, answer):
    model.answer_with(lambda chat: answer if stage(chat) == "summary" else well(chat))
    call_id = await finished_call(deps.db, EVERYTHING)
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    results = await made(deps.db, call_id)
    assert "model" in results.pop("summary")
    assert results == {name: GOOD[name] for name in ("extraction", "evaluation")}
    assert (await call_row(deps.db, call_id)).intelligence_status == "completed"
    assert (await events(deps.db, call_id))[-1] == "Post-call analysis completed."


async def test_analysis_fails_when_every_part_failed(deps, model, until):
    model.fail("llm", 401)
    call_id = await finished_call(deps.db, EVERYTHING)
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    assert set(await made(deps.db, call_id)) == set(GOOD)
    assert (await made(deps.db, call_id))["summary"] == "The language model's server refused the request with 401."
    assert (await call_row(deps.db, call_id)).intelligence_status == "failed"
    assert (await events(deps.db, call_id))[-1] == "Post-call analysis failed."


async def test_a_model_that_is_away_for_a_while_is_asked_again_for_what_is_missing(deps, model, until):
    model.answer_with(well)
    model.fail("llm", 503, times=1)
    call_id = await finished_call(deps.db, EVERYTHING)
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    assert await made(deps.db, call_id) == GOOD
    assert len(model.chats) == 3
    assert [" It is tried again at " in told for told in await events(deps.db, call_id)].count(True) == 1


async def test_a_call_in_which_nothing_was_said_has_errors_that_say_so(deps, model, until):
    call_id = await finished_call(deps.db, EVERYTHING, said=())
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    assert set((await made(deps.db, call_id)).values()) == {"The call has no transcript: nothing was said in it."}
    assert (await call_row(deps.db, call_id)).intelligence_status == "failed"
    assert model.chats == []


@pytest.mark.parametrize(
    ("post_call", "features"), [(EVERYTHING, {"transcription_enabled": False}), ({"summary": {"enabled": False}}, {})]
)
async def test_nothing_starts_where_nothing_is_on_or_nothing_is_transcribed(deps, model, until, post_call, features):
    call_id = await finished_call(deps.db, post_call, features=features)
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    assert (await call_row(deps.db, call_id)).intelligence_status == "not_started"
    assert (model.chats, await made(deps.db, call_id), await events(deps.db, call_id)) == ([], {}, [])


async def test_a_part_whose_job_dies_fails_alone(deps, model, until):
    model.answer_with(well)
    call_id = await finished_call(deps.db, EVERYTHING)
    doomed = JobQueue(deps.db, "doomed", -1, {"post_call": post_call.give_up})
    for _ in range(ATTEMPTS):  # every process that takes it
        for job in await doomed.claim("post_call", 10):
            if job.payload["stage"] != "evaluation":
                await doomed.postpone(job, 0)
        assert await doomed.rescue() == 1
    assert (await call_row(deps.db, call_id)).intelligence_status == "pending"
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    assert await made(deps.db, call_id) == {**GOOD, "evaluation": LOST}
    assert (await call_row(deps.db, call_id)).intelligence_status == "completed"
    told = await events(deps.db, call_id)
    assert told[0] == f"evaluation: {LOST}"
    assert sorted(told[1:3]) == [completed("extraction"), completed("summary")]
    assert told[3:] == ["Post-call analysis completed."]


async def test_who_asks_again_as_soon_as_it_is_completed_gets_one_more_each_time(database_url, deps, model, until):
    model.answer_with(well)
    await listen(deps.db, deps.keyring)
    call_id = await finished_call(deps.db, SUMMARY)
    async with working(deps):
        for _ in range(20):
            await until(lambda: is_completed(deps.db, call_id))
            async with deps.db.writing() as conn:
                await reprocess(conn, DEFAULT_TENANT, call_id)
        await until(lambda: is_completed(deps.db, call_id))
        await until(lambda: analysed(deps.db, call_id))
    assert await events(deps.db, call_id) == [
        *[completed("summary"), "Post-call analysis completed."],
        *["Post-call analysis pending.", completed("summary"), "Post-call analysis completed."] * 20,
    ]
    assert (await announced(deps.db, call_id)).count("call.intelligence.ready") == 21
    assert len(model.chats) == 21


async def is_completed(db: Database, call_id: str) -> bool:
    return bool((await call_row(db, call_id)).intelligence_status == "completed")


async def test_many_ended_calls_of_one_tenant_hold_up_no_other_one(deps, model, until):
    at_once = SHARED_LANE_WIDTHS["post_call"]
    model.answer_with(lambda chat: Never() if "flood" in chat.last_user else well(chat))
    async with deps.db.writing() as conn:
        other = (await create_tenant(conn, "another")).id
    await copied(deps.db, await finished_call(deps.db, EVERYTHING, said=[("user", "flood")]), 499)
    async with working(deps):
        await until(lambda: len(model.chats) == at_once)
        call_id = await finished_call(deps.db, EVERYTHING, tenant_id=other)
        await until(lambda: is_completed(deps.db, call_id))
    assert await made(deps.db, call_id) == GOOD


async def copied(db: Database, call_id: str, times: int) -> None:
    """So many more calls like this one, with their work."""
    async with db.writing() as conn:
        for table in (calls, segments, generations, jobs, results):
            mine = (table.c.id if table is calls else table.c.call_id) == call_id
            rows = (await conn.execute(sa.select(table).where(mine))).mappings().all()
            await conn.execute(
                sa.insert(table),
                [{**row, **_renamed(row, str(uuid.UUID(int=copy)), copy)} for copy in range(times) for row in rows],
            )


def _renamed(row: sa.RowMapping, call_id: str, copy: int) -> dict[str, Any]:
    if "room_name" in row:
        return {"id": call_id, "room_name": f"call_{call_id}"}
    number = {"id": row["id"] + 1000 * (copy + 1)} if "max_attempts" in row else {}
    made_by = {"job_id": row["job_id"] + 1000 * (copy + 1)} if "stage" in row else {}
    return {"call_id": call_id, **number, **made_by}


async def test_reprocessing_replaces_what_was_made(database_url, deps, model, until):
    model.answer_with(lambda _: {"summary": "First.", "sentiment": "neutral"})
    call_id = await finished_call(deps.db, SUMMARY)
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
        model.answer_with(lambda _: {"summary": "Second.", "sentiment": "negative"})
        async with deps.db.writing() as conn:
            await reprocess(conn, DEFAULT_TENANT, call_id)
        await until(lambda: analysed(deps.db, call_id))
    assert await made(deps.db, call_id) == {"summary": {"summary": "Second.", "sentiment": "negative"}}
    assert await events(deps.db, call_id) == [
        *[completed("summary"), "Post-call analysis completed."],
        *["Post-call analysis pending.", completed("summary"), "Post-call analysis completed."],
    ]


async def test_a_transcript_that_is_too_long_for_the_model_is_condensed_and_that_is_noted(deps, model, until):
    model.answer_with(lambda chat: well(chat) if "response_format" in chat.body else "Caller: tells a long story")
    model.fail("llm", 413, times=1)
    long = [("user", f"Sentence number {number} of a long story.") for number in range(200)]
    call_id = await finished_call(deps.db, SUMMARY, said=[*SAID, *long])
    async with working(deps):
        await until(lambda: analysed(deps.db, call_id))
    read = model.chats[-1].last_user
    assert "Caller: tells a long story" in read
    assert await made(deps.db, call_id) == {"summary": GOOD["summary"]}
    first, *_, last = await events(deps.db, call_id)
    assert "too long for the model" in first
    assert last == "Post-call analysis completed."


async def test_the_notes_of_a_long_call_are_paid_for_once_whatever_happens_meanwhile(settings, deps, model, until):
    away = False

    def answer(chat: Chat) -> Any:
        if "You read part" not in chat.system:
            return field.TOO_LONG["openai"] if len(chat.last_user) > FITTING else well(chat)
        noted.append(chat.last_user)
        return field.error("Come back later.", 503) if away and len(noted) > 2 else f"Caller: note {len(noted)}"

    noted: list[str] = []
    model.answer_with(answer)
    long = [("user", f"Sentence number {number} of a long story.") for number in range(800)]
    away, call_id = True, await finished_call(deps.db, SUMMARY, said=long)
    async with working(deps):
        await until(lambda: len(noted) > 2)
    away = False
    async with open_deps(settings(llm_url=model.url, lease_s=2)) as another, working(another):
        await until(lambda: analysed(another.db, call_id))
    assert await made(deps.db, call_id) == {"summary": GOOD["summary"]}
    assert [text for text, times in Counter(noted).items() if times > 1] == [noted[2]], "only the one that failed"
    assert all(f"Caller: note {number}\n" in model.chats[-1].last_user for number in (1, 2, 4, len(noted)))
    async with deps.db.reading() as conn:
        assert (await conn.execute(sa.select(notes))).all() == []


async def test_nobody_is_given_a_call_that_ends_in_this_moment(database_url, deps):
    call_id, token = await running_call(deps.db, SUMMARY)
    async with deps.db.writing() as conn:
        await leases.release(conn, call_id, token)

    async def take() -> int | None:
        async with deps.db.writing() as conn:
            return await leases.take(conn, call_id, "worker", "agent-2")

    async with deps.db.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
        taking = asyncio.create_task(take())
        await asyncio.wait({taking}, timeout=0.3)  # it may have to wait for the end to be written
    assert await taking is None
    async with deps.db.reading() as conn:
        assert not await leases.has_agent(conn, call_id)
        assert await queued(conn, call_id) == ["post_call"]

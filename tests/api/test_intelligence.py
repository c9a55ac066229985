"""What was found of a call, analysis by analysis, and what is refused when it is configured."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from calls.analysis.generations import ATTEMPTS, begin_again
from calls.analysis.parts import end_part
from calls.database.clock import moment
from calls.jobs import JobQueue
from calls.reading import LATE
from calls.tables import generations, jobs
from pipeline.post_call import put_off
from tests.api.conftest import Api, browser
from tests.pipeline.finished import finished_call

BOTH = {"summary": {"enabled": True}, "evaluation": {"rubric": "Was it kind?"}}
KIND = {"passed": True, "score": 1.0, "reasoning": "It was."}


async def end(api: Api, call_id: str, generation: int, stage: str, **outcome: Any) -> None:
    async with api.database.writing() as conn:
        await end_part(conn, call_id, generation, stage, **outcome)


async def ask_again(api: Api, call_id: str) -> None:
    assert (await api.post(f"/v1/calls/{call_id}/reprocess")).status == 202
    [job] = await JobQueue(api.database, "pipeline", 60).claim("reprocess", 10)
    async with api.database.writing() as conn:
        await begin_again(conn, job)


def summary(text: str) -> dict[str, str]:
    return {"summary": text, "sentiment": "neutral"}


async def test_lists_tell_how_a_call_went(database_url: str, api: Api):
    both, unknown, failed = [await finished_call(api.database, BOTH) for _ in range(3)]
    plain = await finished_call(api.database, {"structured_extraction": {"json_schema": {"type": "object"}}})
    for call_id, verdict in ((both, KIND), (failed, {**KIND, "passed": False})):
        await end(api, call_id, 1, "summary", value=summary("Short."))
        await end(api, call_id, 1, "evaluation", value=verdict)
    await end(api, plain, 1, "extraction", value={"sentiment": "own", "passed": "own"})
    went = {both: ("neutral", True), failed: ("neutral", False), unknown: (None, None), plain: (None, None)}
    listed = (await api.get("/v1/calls")).body["calls"]
    assert {one["id"]: (one["sentiment"], one["passed"]) for one in listed} == went
    async with api.session.get(f"{api.url}/v1/calls.csv", headers={"Authorization": f"Bearer {api.key}"}) as answer:
        table = csv.DictReader(io.StringIO((await answer.read()).decode("utf-8-sig")))
        as_text = {None: "", True: "true", False: "false", "neutral": "neutral"}
        assert {row["id"]: (row["sentiment"], row["passed"]) for row in table} == {
            call_id: (as_text[sentiment], as_text[passed]) for call_id, (sentiment, passed) in went.items()
        }


async def test_every_generation_is_there_and_the_call_shows_what_was_found_last(database_url: str, api: Api):
    call_id = await finished_call(api.database, BOTH)
    path = f"/v1/calls/{call_id}"
    await end(api, call_id, 1, "summary", value=summary("First."))
    half = (await api.get(path)).body["intelligence"]
    assert (half["status"], half["summary"], half["evaluation"], half["errors"]) == ("pending", "First.", None, [])
    assert (await api.get(f"{path}/summary")).body == {"status": "pending", **summary("First.")}
    await end(api, call_id, 1, "evaluation", value=KIND)

    await ask_again(api, call_id)
    again = (await api.get(path)).body["intelligence"]
    assert {part["status"] for part in again.pop("parts").values()} == {"pending"}
    assert {**again, "parts": half["parts"]} == {**half, "evaluation": KIND}
    await end(api, call_id, 2, "summary", error="no answer")
    await end(api, call_id, 2, "evaluation", error="no verdict")
    failed = (await api.get(path)).body["intelligence"]
    assert failed["errors"] == ["evaluation: no verdict", "summary: no answer"]
    found = {**half, "status": "failed", "evaluation": KIND}
    assert failed == {**found, "errors": failed["errors"], "parts": failed["parts"]}
    assert [(part["status"], part["error"]) for part in failed["parts"].values()] == [
        ("failed", "no verdict"),
        ("failed", "no answer"),
    ]

    await ask_again(api, call_id)
    await end(api, call_id, 3, "summary", value=summary("Third."))
    page = (await api.get(f"{path}/intelligence")).body
    assert (page["total"], page["limit"], page["offset"]) == (3, 50, 0)
    third, second, first = page["generations"]
    (listed,) = (await api.get("/v1/calls")).body["calls"]
    assert (listed["sentiment"], listed["passed"]) == ("neutral", True)
    assert [one["generation"] for one in page["generations"]] == [3, 2, 1]
    assert (third["status"], third["concluded_at"]) == ("pending", None)
    assert {stage: part["status"] for stage, part in third["parts"].items()} == {
        "summary": "completed",
        "evaluation": "pending",
    }
    assert (third["summary"], third["evaluation"]) == ("Third.", None)
    assert (second["status"], second["summary"], second["errors"]) == ("failed", None, failed["errors"])
    assert (first["status"], first["summary"], first["evaluation"]) == ("completed", "First.", KIND)
    assert first["post_call"] == BOTH
    assert first["asked_at"] <= first["concluded_at"] <= second["asked_at"]
    assert (await api.get(f"{path}/intelligence?limit=1&offset=2")).body["generations"] == [first]


async def test_of_a_part_that_is_tried_again_it_is_said_why_and_when(database_url: str, api: Api):
    call_id = await finished_call(api.database, BOTH)

    async def parts() -> dict[str, Any]:
        shown: dict[str, Any] = (await api.get(f"/v1/calls/{call_id}")).body["intelligence"]["parts"]
        return shown

    untried = {"status": "pending", "error": None, "attempt": None, "max_attempts": ATTEMPTS, "next_attempt_at": None}
    assert await parts() == {"summary": untried, "evaluation": untried}
    queue = JobQueue(api.database, "pipeline", 60, put_off={"post_call": put_off})
    for job in await queue.claim("post_call", 10):
        if job.payload["stage"] == "summary":
            assert await queue.retry(job, "The model is away.", 60)
    shown = await parts()
    again = shown["summary"].pop("next_attempt_at")
    assert shown["summary"] == {
        "status": "pending",
        "error": "The model is away.",
        "attempt": 1,
        "max_attempts": ATTEMPTS,
    }
    assert shown["evaluation"] == {**untried, "attempt": 1}
    [told] = [
        event["data"]
        for event in (await api.get(f"/v1/calls/{call_id}/events")).body["events"]
        if event["kind"] == "analysis.part_delayed"
    ]
    due = datetime.fromisoformat(told.pop("next_attempt_at"))
    assert due == datetime.fromisoformat(again).replace(microsecond=0)
    assert told == {"generation": 1, "stage": "summary", "error": "The model is away."}
    await end(api, call_id, 1, "summary", error="It stays away.")
    ended = (await parts())["summary"]
    assert (ended["status"], ended["error"], ended["next_attempt_at"]) == ("failed", "It stays away.", None)


async def test_an_analysis_that_does_not_begin_says_so_once_that_is_late(database_url: str, api: Api):
    call_id = await finished_call(api.database, BOTH)
    await end(api, call_id, 1, "summary", value=summary("First."))
    await end(api, call_id, 1, "evaluation", value=KIND)
    assert (await api.post(f"/v1/calls/{call_id}/reprocess")).status == 202

    async def errors() -> list[str]:
        shown = (await api.get(f"/v1/calls/{call_id}")).body["intelligence"]
        assert (shown["status"], shown["summary"]) == ("pending", "First.")
        return list(shown["errors"])

    asked = sa.update(jobs).where(jobs.c.kind == "reprocess")
    for age, is_late in ((timedelta(0), False), (2 * LATE, True)):
        async with api.database.writing() as conn:
            await conn.execute(asked.values(created_at=moment(conn) - age))
        assert [error.startswith("analysis: It has not begun") for error in await errors()] == [True] * is_late


async def test_of_a_call_that_was_not_analysed_there_is_no_generation_and_of_an_erased_one_none_any_more(api: Api):
    silent = await finished_call(api.database, {})
    assert (await api.get(f"/v1/calls/{silent}/intelligence")).body["generations"] == []
    call_id = await finished_call(api.database, BOTH)
    assert (await api.delete(f"/v1/calls/{call_id}")).status == 204
    erased = await api.get(f"/v1/calls/{call_id}/intelligence")
    assert (erased.status, erased.body["code"]) == (404, "erased")
    assert (await api.get(f"/v1/calls/{call_id}")).body["intelligence_status"] == "failed"
    async with api.database.reading() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(generations)) == 0
    assert (await api.get("/v1/calls/00000000-0000-4000-8000-000000000000/intelligence")).status == 404


@pytest.mark.parametrize(
    ("post_call", "path"),
    [
        ({"evaluation": {"rubric": " "}}, "post_call.evaluation.rubric"),
        ({"extraction": {}}, "post_call.extraction"),
        ({"structured_extraction": {"json_schema": {"$ref": "#"}}}, "post_call.structured_extraction.json_schema"),
    ],
)
async def test_what_could_only_fail_after_the_call_is_refused_wherever_it_is_given(
    api: Api, agent: str, post_call: dict[str, Any], path: str
):
    call = {"agent_id": agent, "participants": [browser()]}
    many = {"agent_id": agent, "to": ["+15551234567"]}
    for answer in (
        await api.post("/v1/agents", {"name": "Ben", "post_call": post_call}),
        await api.put(f"/v1/agents/{agent}", {"post_call": post_call}),
        await api.post("/v1/calls", {**call, "post_call": post_call}),
        await api.post("/v1/calls/batch", {**many, "post_call": post_call}),
        await api.post("/v1/calls/fanout", {**many, "post_call": post_call}),
    ):
        assert (answer.status, [one["path"] for one in answer.body["details"]]) == (400, [path])
    assert (await api.get("/v1/calls")).body["total"] == 0

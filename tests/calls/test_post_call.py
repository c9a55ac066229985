"""What `post_call` may say, how a call's merges with its agent's, and what is then on."""

from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from calls.database import DEFAULT_TENANT
from calls.errors import Invalid, NotFound
from calls.post_call import PostCall, merge, reprocess, sections_on
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents, jobs

SCHEMA = {"type": "object", "properties": {"booked": {"type": "boolean"}}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"in": schema}}
    return schema


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"sumary": {}}, ("sumary",)),
        ({"summary": {"enabled": "yes"}}, ("summary", "enabled")),
        ({"summary": {"length": 3}}, ("summary", "length")),
        ({"evaluation": {"rubric": 5}}, ("evaluation", "rubric")),
        ({"recording": True}, ("recording",)),
        *(
            ({"structured_extraction": {"json_schema": schema}}, ("structured_extraction", "json_schema"))
            for schema in [
                "object",
                {"type": "strange"},
                {"type": "array"},
                {"properties": {"a": {"pattern": "("}}},
                {"properties": {"a": {"minimum": "one"}}},
                {"properties": {"a": {"$ref": "http://example.com/schema.json"}}},
                {"properties": {"a": {"enum": list(range(6000))}}},
                nested(40),
                nested(3000),
            ]
        ),
    ],
)
def test_what_is_wrong_is_named(given, path):
    with pytest.raises(ValidationError) as caught:
        PostCall.model_validate(given)
    assert path in {error["loc"] for error in caught.value.errors()}


def test_the_examples_of_the_specification_are_valid():
    PostCall.model_validate(
        {
            "recording": {"enabled": True},
            "summary": {"enabled": True, "prompt": "Focus on action items."},
            "structured_extraction": {
                "json_schema": {
                    "type": "object",
                    "properties": {"steps": {"type": "array", "items": {"type": "string"}}},
                }
            },
            "evaluation": {"rubric": "Did the agent greet?", "criteria": "And book?"},
        },
    )
    PostCall.model_validate({"summary": None, "evaluation": {}})
    PostCall.model_validate({"structured_extraction": {"json_schema": {"$ref": "#/$defs/a", "$defs": {"a": SCHEMA}}}})


@pytest.mark.parametrize(
    ("default", "override", "merged"),
    [
        (None, None, {}),
        ({"summary": {"enabled": True}}, None, {"summary": {"enabled": True}}),
        (
            {"summary": {"enabled": True, "prompt": "a"}},
            {"summary": {"prompt": "b"}},
            {"summary": {"enabled": True, "prompt": "b"}},
        ),
        (
            {"structured_extraction": {"json_schema": SCHEMA, "prompt": "p"}},
            {"structured_extraction": {"json_schema": {"properties": {"x": {}}}}},
            {"structured_extraction": {"json_schema": {"properties": {"x": {}}}, "prompt": "p"}},
        ),
        ({"summary": {"enabled": True}}, {"summary": None}, {"summary": None}),
        ({"summary": {"enabled": True}}, {"summary": {}}, {"summary": {}}),
        ({"summary": None}, {"summary": {"enabled": True}}, {"summary": {"enabled": True}}),
    ],
)
def test_sections_merge_key_by_key_and_a_schema_as_a_whole(default, override, merged):
    assert merge(default, override) == merged


@pytest.mark.parametrize(
    ("post_call", "on"),
    [
        (None, set()),
        ({"summary": {}, "recording": None}, set()),
        ({"summary": {"prompt": "a"}, "recording": {"enabled": False}}, set()),
        ({"summary": {"enabled": True}, "recording": {"enabled": True}}, {"summary", "recording"}),
        ({"structured_extraction": {"json_schema": SCHEMA}}, {"structured_extraction"}),
        ({"structured_extraction": {"json_schema": SCHEMA, "enabled": False}}, set()),
        ({"structured_extraction": {"prompt": "p"}}, set()),
        ({"evaluation": {"rubric": "r"}}, {"evaluation"}),
        ({"evaluation": {"criteria": "c"}}, {"evaluation"}),
        ({"evaluation": {"rubric": " "}}, set()),
    ],
)
def test_a_section_is_on_when_it_has_what_it_needs(post_call, on):
    assert sections_on(post_call) == on


async def test_reprocessing_takes_the_agents_sections_of_today_and_keeps_the_calls_own(
    database, agent, running, finish
):
    then = {"summary": {"enabled": True, "prompt": "old"}, "evaluation": {"rubric": "old"}}
    own = {"evaluation": {"rubric": "own"}}
    call, _ = await running(agent={**agent, "post_call": then}, post_call=merge(then, own))
    await finish(call.id, EndReason.CALLER_HUNG_UP)
    today = {"summary": {"enabled": True, "prompt": "new"}, "structured_extraction": {"json_schema": SCHEMA}}
    async with database.writing() as connection:
        await connection.execute(sa.update(agents).values(config={"post_call": today}))
        job_id = await reprocess(connection, DEFAULT_TENANT, call.id)
        assert await reprocess(connection, DEFAULT_TENANT, call.id) == job_id
        row = await CallStore(connection).get(DEFAULT_TENANT, call.id)
        queued = (await connection.execute(sa.select(jobs).where(jobs.c.kind == "post_call"))).all()
    assert row.post_call == {**today, **own}
    assert row.intelligence_status == "pending"
    assert len(queued) == 2
    assert len({job.ordering_key for job in queued}) == 1


async def test_only_a_completed_call_of_the_tenant_can_be_reprocessed(database, running):
    call, _ = await running()
    async with database.writing() as connection:
        with pytest.raises(Invalid, match="in_progress"):
            await reprocess(connection, DEFAULT_TENANT, call.id)
        with pytest.raises(NotFound):
            await reprocess(connection, "another", call.id)

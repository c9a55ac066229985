"""Answers against the schemas of users: what is mended, what is asked again, and what is not waited for."""

import asyncio
import json
import sys
from typing import Any

import pytest

from pipeline.llm import LlmFailed, judging
from tests.pipeline.llm.conftest import GUESTS, SUMMARY, well

VISIT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["Dinner", "Lunch"]},
        "day": {"type": "string", "format": "date"},
        "note": {"type": "string"},
        "guest": {"anyOf": [{"type": "object", "properties": {"mood": {"enum": ["Good", "Bad"]}}}, {"type": "null"}]},
    },
    "required": ["kind"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"kind": "Lunch", "note": None}, {"kind": "Lunch"}),
        ({"kind": "lunch "}, {"kind": "Lunch"}),
        ({"kind": "Lunch", "mood": "good"}, {"kind": "Lunch"}),
        ({"kind": "Lunch", "guest": {"mood": "good"}}, {"kind": "Lunch", "guest": {"mood": "Good"}}),
        ({"kind": "Lunch", "guest": None}, {"kind": "Lunch", "guest": None}),
        ({"KIND": 1, "kind": "DINNER", "day": None, "note": None}, {"kind": "Dinner"}),
    ],
)
async def test_what_can_mean_one_thing_only_is_mended_without_asking_again(model, data_of, said, kept):
    model.answer(said)
    assert (await data_of(schema=VISIT)).value == kept
    assert len(model.chats) == 1


async def test_a_wrong_answer_is_sent_back_with_all_that_is_wrong_at_most_twice(model, data_of):
    model.answer({"kind": "Tea", "day": "tomorrow"}, "I am not sure.", {"kind": "Lunch", "day": "2026-11-29"})
    assert (await data_of(schema=VISIT)).value == {"kind": "Lunch", "day": "2026-11-29"}
    _, second, third = model.chats
    assert '"tomorrow" is not a "date"' in second.last_user
    assert '"Tea" is not one of' in second.last_user
    assert "not JSON" in third.last_user
    model.answer(*[{"kind": "Tea"}] * 3)
    with pytest.raises(LlmFailed, match="kind"):
        await data_of(schema=VISIT)
    assert len(model.chats) == 6


def fan(levels: int) -> dict[str, Any]:
    """A schema of a few lines that looks at the same value again and again, twice as often with each level."""
    above = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2} for n in range(1, levels)}
    return {"type": "object", "$ref": f"#/$defs/a{levels - 1}", "$defs": {"a0": {"type": "object"}, **above}}


def dynamic_fan(levels: int) -> dict[str, Any]:
    """The same, with the other keyword that refers."""
    made: dict[str, Any] = json.loads(json.dumps(fan(levels)).replace("$ref", "$dynamicRef"))
    return made


@pytest.mark.parametrize("fan", [fan, dynamic_fan])
async def test_a_schema_that_takes_for_ever_holds_nobody_up(monkeypatch, model, data_of, summary_of, until, fan):
    monkeypatch.setattr(judging, "DEADLINE_S", 60.0)
    model.answer_with(lambda chat: well(chat) if "sentiment" in chat.system else {})
    asking = asyncio.create_task(data_of(schema=fan(40)))
    await until(lambda: model.chats)
    assert (await summary_of()).value == SUMMARY
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_schema_that_takes_for_ever_is_given_up(monkeypatch, model, data_of):
    monkeypatch.setattr(judging, "DEADLINE_S", 0.5)
    model.answer({})
    with pytest.raises(LlmFailed, match="could not be judged"):
        await data_of(schema=fan(40))


async def test_whoever_judges_ends_before_it_takes_all_memory():
    answer = f'{{"a": [{"{}," * 8_000_000}{{}}]}}'
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "pipeline.schema_judge")
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    output, _ = await process.communicate(f"[{answer}, {{}}]".encode())
    assert (process.returncode, output) == (1, b"")


async def test_schemas_that_refer_to_themselves_are_judged(model, data_of):
    tree = {"type": "object", "properties": {"name": {"type": "string"}, "under": {"$ref": "#"}}, "required": ["name"]}
    model.answer({"name": "a", "under": {"name": 1}}, {"name": "a", "under": {"name": "b", "under": None}})
    assert (await data_of(schema=tree)).value == {"name": "a", "under": {"name": "b"}}
    assert "under.name: 1 is not of type" in model.chats[-1].last_user


async def test_a_regular_expression_takes_no_longer_with_what_was_said(model, data_of):
    schema = {"type": "object", "properties": {"code": {"type": "string", "pattern": "^(a+)+$"}}}
    model.answer(*[{"code": "a" * 5000 + "!"}] * 3)
    with pytest.raises(LlmFailed, match="does not match"):
        await data_of(schema=schema)


@pytest.mark.parametrize("schema", [{"$ref": "http://127.0.0.1:9/schema.json"}, {"type": "object", "properties": 7}])
async def test_a_schema_that_leads_elsewhere_or_is_none_is_an_error(model, data_of, schema):
    model.answer_with(lambda _: {})
    with pytest.raises(LlmFailed, match="schema cannot be used"):
        await data_of(schema=schema)


async def test_what_to_look_for_is_told_in_words_from_the_schema_or_as_given(model, data_of):
    model.answer_with(lambda _: {"guests": 4})
    schema = {
        **GUESTS,
        "description": "The booking.",
        "properties": {
            "guests": {"type": "integer", "description": "how many people come"},
            "table_wishes": {"type": "array", "items": {"enum": ["window", "quiet"]}},
        },
    }
    await data_of(schema=schema)
    assert "The booking.\n\n- guests (integer): how many people come\n" in model.chats[-1].system
    assert "- table_wishes (a list, each one of window, quiet): table wishes" in model.chats[-1].system
    await data_of(prompt="Count the guests.")
    assert "Count the guests." in model.chats[-1].system
    assert "- guests" not in model.chats[-1].system


async def test_of_a_schema_that_stands_for_millions_of_fields_the_first_are_told(model, data_of):
    model.answer_with(lambda _: {})
    below = [{f"p{n}": {"$ref": f"#/$defs/{level}"} for n in range(50)} for level in range(1, 5)]
    levels = {str(level): {"type": "object", "properties": fields} for level, fields in enumerate([*below, {}])}
    await data_of(schema={"type": "object", "properties": {"root": {"$ref": "#/$defs/0"}}, "$defs": levels})
    assert model.chats[-1].system.count("(object)") <= 250
    assert "- and all the other fields of the schema" in model.chats[-1].system


async def test_fields_that_hold_themselves_are_told_once(model, data_of):
    model.answer_with(lambda _: {})
    term = {"type": "object", "properties": {"under": {"$ref": "#/$defs/term"}}}
    await data_of(schema={"type": "object", "properties": {"top": {"$ref": "#/$defs/term"}}, "$defs": {"term": term}})
    assert model.chats[-1].system.count("under (object)") == 1

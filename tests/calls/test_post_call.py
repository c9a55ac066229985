"""What `post_call` may say, how a call's merges with its agent's, and what is then on."""

from typing import Any

import pytest
from pydantic import ValidationError

from calls.analysis.post_call import PostCall, merge

SCHEMA = {"type": "object", "properties": {"booked": {"type": "boolean"}}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"in": schema}}
    return schema


def fan(levels: int) -> dict[str, Any]:
    """A few lines by which one value is looked at again and again, ten times as often with each level."""
    above = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 10} for n in range(1, levels)}
    return {"$ref": f"#/$defs/a{levels - 1}", "$defs": {"a0": {"type": "object"}, **above}}


def twice_below() -> dict[str, Any]:
    """What is in a value is looked at twice by the same schema, and what is in that twice again."""
    below = {"properties": {"in": {"$ref": "#/$defs/a"}}}
    return {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [below] * 8}}}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"sumary": {}}, ("sumary",)),
        ({"summary": {"enabled": "yes"}}, ("summary", "enabled")),
        ({"summary": {"length": 3}}, ("summary", "length")),
        ({"evaluation": {"rubric": 5}}, ("evaluation", "rubric")),
        ({"evaluation": {"rubric": ""}}, ("evaluation", "rubric")),
        ({"evaluation": {"criteria": " \n"}}, ("evaluation", "criteria")),
        ({"recording": True}, ("recording",)),
        ({"recording": {"enabled": True, "format": "mp3"}}, ("recording", "format")),
        *(
            ({"structured_extraction": {"json_schema": schema}}, ("structured_extraction", "json_schema"))
            for schema in [
                "object",
                {"type": "strange"},
                {"type": "array"},
                {"properties": {"a": {"pattern": "("}}},
                {"properties": {"a": {"minimum": "one"}}},
                {"properties": {"a": {"$ref": "http://example.com/schema.json"}}},
                {"properties": {"a": {"$ref": "#/nowhere"}}},
                {"properties": {"a": {"$dynamicRef": "#here"}}, "$defs": {"a": {"$anchor": "here"}}},
                {"properties": {"a": {"$ref": "#here"}}, "$defs": {"a": {"$dynamicAnchor": "here"}}},
                {"$recursiveRef": "#/$defs/a", "$defs": {"a": True}},
                {"$defs": {"a": {"$anchor": "here"}}, "default": {"$anchor": "here"}},
                {"properties": {"a": {"$id": "http://example.com/", "$defs": {"b": {}}, "$ref": "#/$defs/b"}}},
                {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"$id": "#here"}}},
                {"$schema": "http://json-schema.org/draft-04/schema#", "definitions": {"a": {"id": "#here"}}},
                {"properties": {"a": {"enum": list(range(6000))}}},
                {"properties": {"a": {"description": "x" * 60_000}}},
                {"properties": {"a": {"pattern": "(a{100}){1000}"}}},
                {"properties": {"a": {"pattern": "(?=a)"}}},
                {"$ref": "#"},
                {"allOf": [{"anyOf": [{"$ref": "#"}]}]},
                fan(8),
                fan(40),
                twice_below(),
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


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": SCHEMA}},
        {"properties": {"name": {"type": "string"}, "left": {"$ref": "#"}, "right": {"$ref": "#"}}},
        {"$id": "http://example.com/", "properties": {"$id": {"type": "string"}}, "default": {"id": "x"}},
        {"properties": {"mail": {"pattern": r"^[a-z.]{1,64}@[a-z.]{1,255}$"}, "$ref": {"type": "string"}}},
        {
            "$defs": {"a~/b": {"$anchor": "named"}},
            "properties": {"x": {"$ref": "#/$defs/a~0~1b"}, "y": {"$ref": "#named"}},
        },
        {
            "$defs": {
                "term": {
                    "anyOf": [
                        {"properties": {"kind": {"const": kind}, "of": {"items": {"$ref": "#/$defs/term"}}}}
                        for kind in ("sum", "product", "power", "root", "minus", "number")
                    ]
                }
            },
            "properties": {"term": {"$ref": "#/$defs/term"}},
        },
    ],
)
def test_schemas_as_people_write_them_are_accepted(schema):
    given = {"structured_extraction": {"json_schema": schema}}
    assert PostCall.model_validate(given).given() == given


@pytest.mark.parametrize(
    ("default", "override", "merged"),
    [
        ({}, None, {}),
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
    own = None if override is None else PostCall.model_validate(override)
    assert merge(PostCall.model_validate(default), own).given() == merged


@pytest.mark.parametrize(
    ("post_call", "on"),
    [
        ({}, set()),
        ({"summary": {}, "recording": None}, set()),
        ({"summary": {"prompt": "a"}, "recording": {"enabled": False}}, set()),
        ({"summary": {"enabled": True}, "recording": {"enabled": True}}, {"summary", "recording"}),
        ({"structured_extraction": {"json_schema": SCHEMA}}, {"structured_extraction"}),
        ({"structured_extraction": {"json_schema": SCHEMA, "enabled": False}}, set()),
        ({"structured_extraction": {"prompt": "p"}}, set()),
        ({"evaluation": {"rubric": "r"}}, {"evaluation"}),
        ({"evaluation": {"criteria": "c"}}, {"evaluation"}),
        ({"evaluation": {"rubric": None}}, set()),
    ],
)
def test_a_section_is_on_when_it_has_what_it_needs(post_call, on):
    assert PostCall.model_validate(post_call).on == on


def test_a_stored_schema_is_read_without_being_checked_again():
    stored = {"structured_extraction": {"json_schema": nested(3000)}}
    assert PostCall.stored(stored).given() == stored

"""Which answers of a model are data, and what is said about the others."""

import pytest

from pipeline.llm import LlmFailed, parse, shorten

SCHEMA = {"type": "object", "properties": {"guests": {"type": "integer"}}, "required": ["guests"]}


@pytest.mark.parametrize(
    "text",
    ['{"guests": 4}', ' {"guests": 4}\n', '```json\n{"guests": 4}\n```', '```\n{"guests": 4}```'],
)
def test_an_object_is_taken_bare_or_fenced(text):
    assert parse(text, SCHEMA) == {"guests": 4}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("Four guests.", "not JSON"),
        ('{"guests": 4', "not JSON"),
        ('{"guests": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[4]", "not a JSON object"),
        ("{}", "'guests' is a required property"),
        ('{"guests": "four"}', "guests: 'four' is not of type 'integer'"),
    ],
)
def test_anything_else_is_named(text, complaint):
    with pytest.raises(LlmFailed, match=complaint):
        parse(text, SCHEMA)


def test_what_no_database_keeps_is_left_out():
    assert parse(r'{"a\u0000": ["b\u0000", "\ud83d\ude00", "\ud800"]}', {}) == {"a": ["b", "😀", "\ufffd"]}


@pytest.mark.parametrize("schema", [{"$ref": "http://127.0.0.1:9/schema.json"}, {"allOf": [{"$ref": "#"}]}])
def test_a_schema_that_leads_elsewhere_or_nowhere_is_an_error_and_nothing_is_fetched(schema):
    with pytest.raises(LlmFailed, match="schema cannot be used"):
        parse("{}", schema)


def test_a_shortened_transcript_keeps_its_beginning_and_its_end_and_says_what_is_missing():
    lines = [f"line {number:02}" for number in range(50)]
    assert shorten(lines, 1000) == ("\n".join(lines), 0)
    text, left_out = shorten(lines, 120)
    kept = [line for line in text.split("\n") if line in lines]
    assert (kept[0], kept[-1], len(kept)) == ("line 00", "line 49", 50 - left_out)
    assert f"{left_out} lines" in text
    assert shorten(["x" * 100], 50)[1] == 1

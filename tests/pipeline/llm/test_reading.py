"""Which answers of a model are data, and what is said about the others."""

import pytest

from pipeline.llm.errors import Unusable
from pipeline.llm.reading import read_object


@pytest.mark.parametrize(
    "text",
    [
        '{"guests": 4}',
        ' {"guests": 4}\n',
        '\ufeff{"guests": 4}',
        '```json\n{"guests": 4}\n```',
        '```\n{"guests": 4}```',
        '```json\n{"guests": 4}',
        'Here it is:\n```json\n{"guests": 4}\n```\nI hope that helps.',
        'As for [1], the answer is {"guests": 4}. See [2].',
        '<think>Perhaps {"guests": 9}?</think>\n{"guests": 4}',
        'Perhaps {"guests": 9}?\n</think>\n\n{"guests": 4}',
        '[{"guests": 4}]',
        "{'guests': 4,}",
        '{"guests": 4 // a table for four\n}',
    ],
)
def test_an_object_is_found_in_whatever_stands_around_it(text):
    assert read_object(text) == {"guests": 4}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("<think>Four, I think", "empty"),
        ("Four guests.", "not JSON"),
        ('{"guests": 4', "not JSON"),
        ('{"guests": "fo', "not JSON"),
        ('{"guests": NaN}', "a number that is none"),
        ('{"guests": 1e999}', "a number that is none"),
        ("[" * 100_000, "not JSON"),
        ("{" * 40_000 + "}", "not JSON"),
        ("x" * 300_000, "too long"),
        ("[4]", "not a JSON object"),
        ('[{"guests": 4}, {"guests": 5}]', "not a JSON object"),
    ],
)
def test_anything_else_is_named(text, complaint):
    with pytest.raises(Unusable, match=complaint):
        read_object(text)


def test_an_answer_that_quotes_the_end_of_a_thought_is_whole():
    assert read_object(r'{"summary": "He said </think> {\"passed\": true}"}')["summary"].startswith("He said")


def test_what_no_database_keeps_is_left_out():
    assert read_object(r'{"a\u0000": ["b\u0000", "\ud83d\ude00", "\ud800"]}') == {"a": ["b", "😀", "\ufffd"]}

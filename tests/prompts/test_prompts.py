"""Prompts are files, and templates are filled in one pass."""

import pytest

import prompts


@pytest.mark.parametrize(
    "name", ["summary", "extraction", "evaluation", "evaluation_points", "condensing", "notes", "repair"]
)
def test_every_prompt_is_there_and_none_has_a_place_left_open(name):
    of_all = {"when": "Saturday", "focus": "", "answer": "{}", "problems": "- It is not JSON."}
    of_one = {"task": "Count.", "schema": {"type": "object"}, "rubric": "Was it kind?", "points": "", "number": 1}
    places = {**of_all, **of_one, "pieces": 2}
    text, unknown = prompts.render(prompts.load(name), places)
    assert unknown == []
    assert "{{" not in text


@pytest.mark.parametrize(
    ("template", "text", "unknown"),
    [
        ("Hello {{name}}!", "Hello Ada!", []),
        ("{{ name }} and {{  name}}", "Ada and Ada", []),
        ("{{count}} {{yes}} {{list}} {{nothing}}.", '3 true ["é"] .', []),
        ("{{who}} {{name}} {{where}} {{who}}", " Ada  ", ["who", "where"]),
        ("{{trick}}", "{{name}}", []),
        ("{name} {{}} {{{name}}} {{unclosed", "{name} {{}} {Ada} {{unclosed", []),
        ("", "", []),
    ],
)
def test_places_are_filled_and_unknown_ones_are_named(template, text, unknown):
    values = {"name": "Ada", "count": 3, "yes": True, "list": ["é"], "nothing": None, "trick": "{{name}}"}
    assert prompts.render(template, values) == (text, unknown)

"""Prompts are files, and templates are filled in one pass."""

import time

import pytest

import prompts


@pytest.mark.parametrize(
    "name", ["summary", "extraction", "evaluation", "evaluation_points", "condensing", "notes", "repair", "phrases"]
)
def test_every_prompt_is_there_and_none_has_a_place_left_open(name):
    of_all = {"when": "Saturday", "focus": "", "answer": "{}", "problems": "- It is not JSON."}
    of_one = {
        "language": "ja",
        "task": "Count.",
        "schema": {"type": "object"},
        "rubric": "Was it kind?",
        "points": "",
        "number": 1,
    }
    places = {**of_all, **of_one, "pieces": 2, "language": "ja"}
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
        ("{{guest.name}} {{guest.stays.1.city}} {{ guest.stays.0 }}", 'Bo Ulm {"city": "Rom"}', []),
        ("{{guest.age}} {{guest.stays.2}} {{name.first}} {{guest.stays.x}}", "   ", None),
        ("{{flat.name}} {{größe}} {{room-type}}", "as it is 7 suite", []),
        ('{{who | default: "there"}} {{who|default:\'you\'}} {{name | default: "x"}}', "there you Ada", []),
        ('{{nothing | default: "none"}} {{empty | default: "-"}} {{who | default: ""}}', "none - ", []),
        ('{{zero | default: "x"}} {{guest.age | default: "old enough"}}', "0 old enough", []),
        ('{{"intent": "book"}} {{ 2 + 2 }} {{1st}} {{a b}}', '{{"intent": "book"}} {{ 2 + 2 }} {{1st}} {{a b}}', []),
        ("{{name | upcase}} {% if name %} {{name.}}", "{{name | upcase}} {% if name %} {{name.}}", []),
        ("", "", []),
    ],
)
def test_places_are_filled_and_unknown_ones_are_named(template, text, unknown):
    values = {"name": "Ada", "count": 3, "yes": True, "list": ["é"], "nothing": None, "trick": "{{name}}", "empty": ""}
    values |= {"guest": {"name": "Bo", "stays": [{"city": "Rom"}, {"city": "Ulm"}]}, "zero": 0, "größe": 7}
    values |= {"flat.name": "as it is", "room-type": "suite"}
    names = ["guest.age", "guest.stays.2", "name.first", "guest.stays.x"]
    assert prompts.render(template, values) == (text, names if unknown is None else unknown)


def test_a_template_grows_only_so_far():
    large = {"all": {"of": ["it"] * 10_000}, "name": "Ada"}
    text, unfilled = prompts.render("{{all}}" * 14_000 + "{{name}}", large)
    assert 900_000 < len(text) < 1_000_100
    assert text.endswith("]}Ada")
    assert unfilled == ["all"]


@pytest.mark.parametrize(
    "template",
    ["{{" * 50_000, "{{" + " " * 100_000, "{{a" + ".a" * 50_000, '{{a|default:"' * 8_000, "{{" + "a" * 100_000],
)
def test_no_template_takes_long(template):
    began = time.process_time()
    assert prompts.render(template, {"a": "x"}) == (template, [])
    assert time.process_time() - began < 5

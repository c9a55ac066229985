"""Answers judged by schemas that anybody may send."""

from typing import Any

import pytest

from local import judging
from local.judging import is_valid, problem_of
from local.schemas import in_words


def fan(levels: int, keyword: str = "$ref") -> dict[str, Any]:
    """A schema that looks at the same value again and again, twice as often with each level."""
    above = {f"a{n}": {"allOf": [{keyword: f"#/$defs/a{n - 1}"}] * 2} for n in range(1, levels)}
    return {keyword: f"#/$defs/a{levels - 1}", "$defs": {"a0": {"type": "object"}, **above}}


async def test_answers_are_judged_also_by_schemas_that_refer_to_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_DEADLINE_S", 60.0)  # each starts a process
    tree = {"type": "object", "properties": {"name": {"type": "string"}, "under": {"$ref": "#"}}, "required": ["name"]}
    assert await is_valid('{"name": "a", "under": {"name": "b"}}', tree)
    assert not await is_valid('{"name": "a", "under": {"name": 1}}', tree)
    assert not await is_valid('{"name": ', tree)
    assert await is_valid('{"code": "aaaa"}', {"properties": {"code": {"pattern": "^(a+)+$"}}})


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
async def test_a_schema_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch, keyword: str) -> None:
    monkeypatch.setattr(judging, "_DEADLINE_S", 1.0)
    with pytest.raises(TimeoutError):
        await is_valid("{}", fan(40, keyword))


def test_what_is_no_schema_is_named() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"not": deep}
    assert problem_of({"type": "object"}) is None
    assert "pattern" in str(problem_of({"pattern": "(?=a)a"})) or "regex" in str(problem_of({"pattern": "(?=a)a"}))
    assert "levels" in str(problem_of(deep))
    assert "objekt" in str(problem_of({"type": "objekt"}))


def test_of_a_schema_that_stands_for_millions_of_fields_the_first_are_told() -> None:
    node = {"type": "object", "properties": {f"p{n}": {"$ref": "#/$defs/node"} for n in range(100)}}
    words = in_words({"properties": {"root": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}})
    assert words.count("\n") <= 100
    assert "- root (object)\n  - p0 (object)\n" in words

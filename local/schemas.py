"""JSON schemas, made fit for a tiny model: with an end to every text, and told in words."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

Schema = dict[str, Any]

_LONGEST_TEXT = 400
_MOST_ITEMS = 6
_DEEPEST = 3
_MOST_FIELDS = 100  # told in words: a few `$ref`s that lead to one another can stand for millions
_TENTHS = 10
_PARTS = ("properties", "$defs", "definitions", "patternProperties")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def bounded(schema: Schema) -> Schema:
    """The schema with limits where it has none: a small model that is not stopped writes on and on.

    What fits the result also fits the schema that was given.
    """
    result = dict(schema)
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "string" in kinds and not {"enum", "const", "pattern", "format", "maxLength"} & schema.keys():
        result["maxLength"] = max(_LONGEST_TEXT, schema.get("minLength", 0))
    if is_share(schema):
        result["enum"] = tenths(schema)
    if "array" in kinds and "maxItems" not in schema:
        result["maxItems"] = max(_MOST_ITEMS, schema.get("minItems", 0))
    for key in _PARTS:
        if isinstance(schema.get(key), dict):
            result[key] = {name: _bounded_part(part) for name, part in schema[key].items()}
    for key in _LISTS:
        if isinstance(schema.get(key), list):
            result[key] = [_bounded_part(part) for part in schema[key]]
    if "items" in schema:
        result["items"] = _bounded_part(schema["items"])
    return result


def tenths(share: Schema) -> list[float]:
    """What such a number may be, the best first."""
    return [round(share["maximum"] - tenth / 10, 1) for tenth in range(_TENTHS + 1)]


def is_share(schema: Schema) -> bool:
    """Whether it is a number from 0 to 1 or the like: a grammar knows no bounds of fractions, and tenths will do."""
    known = {"type", "minimum", "maximum", "description", "title", "default"}
    return (
        schema.get("type") == "number"
        and schema.keys() <= known
        and isinstance(schema.get("minimum"), int)
        and schema.get("maximum") == schema["minimum"] + 1
    )


def _bounded_part(part: object) -> object:
    return bounded(part) if isinstance(part, dict) else part


def in_words(schema: Schema) -> str:
    """The fields as a list that a model reads better than a schema; empty if the schema has none."""
    lines = list(islice(_lines(schema, schema, "", 0), _MOST_FIELDS))
    return "\n".join(["Answer with one JSON object with these fields:", *lines]) if lines else ""


def _lines(schema: Schema, root: Schema, indent: str, depth: int) -> Iterator[str]:
    for name, given in schema.get("properties", {}).items():
        part = _resolved(given, root)
        says = part.get("description") or part.get("title") or ""
        yield f"{indent}- {name} ({_kind(part)})" + (f": {says}" if says else "")
        inner = _resolved(part.get("items", part), root)
        if depth < _DEEPEST and isinstance(inner, dict):
            yield from _lines(inner, root, indent + "  ", depth + 1)


def _resolved(part: object, root: Schema) -> Schema:
    if not isinstance(part, dict):
        return {}
    reference = part.get("$ref", "")
    if not reference.startswith("#/"):
        return part
    target: Any = root
    for step in reference[2:].split("/"):
        target = target.get(step, {}) if isinstance(target, dict) else {}
    return {**target, **{key: value for key, value in part.items() if key != "$ref"}}


def _kind(part: Schema) -> str:
    if "enum" in part:
        return "one of " + ", ".join(map(str, part["enum"]))
    if "anyOf" in part:
        return " or ".join(_kind(item) for item in part["anyOf"] if isinstance(item, dict))
    kind = part.get("type", "any")
    kinds = [str(item) for item in kind] if isinstance(kind, list) else [str(kind)]
    limits = f" from {part['minimum']} to {part['maximum']}" if {"minimum", "maximum"} <= part.keys() else ""
    return " or ".join(kinds) + limits

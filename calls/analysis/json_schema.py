"""JSON schemas of users: which are accepted, so that an answer can be judged by each of them in bounded time.

The check itself takes some hundredths of a second at most, for the api makes it in its event loop: everything is
counted before an engine reads it.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

MAX_LEVELS = 32
MAX_VALUES = 5000
MAX_TEXT = 50_000  # characters of all names and texts together
MAX_PATTERN = 10_000  # what the regular expressions look for, when all that is counted in them is written out
MAX_CHECKS = 1_000_000  # of one branch of an answer
ANSWER_LEVELS = 8  # of such an answer; a schema that refers to itself would allow any number
MAX_CHAIN = 16  # of schemas that lead from one to the next and look at the same value

Schema = Mapping[str, Any]

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

# What would let a reference lead elsewhere than to what is counted here.
_REFUSED = ("$dynamicRef", "$recursiveRef", "$dynamicAnchor")
_REFUSED_BELOW_THE_ROOT = ("$id", "$schema")
_OLD_ID = "id"  # of draft 4; in all others a word like any other

# Keywords whose schemas look at the same value again, and those whose schemas look at what is in it.
_ALL = ("not", "if", "then", "else", "allOf", "dependentSchemas", "dependencies")
_ANY = ("anyOf", "oneOf")
_ONE_OF_THEM = ("properties", "prefixItems", "items", "additionalItems", "additionalProperties")
_EACH_OF_THEM = ("patternProperties", "contains", "unevaluatedItems", "unevaluatedProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("dependentSchemas", "dependencies", "properties", "patternProperties")


def validator(schema: Schema) -> jsonschema_rs.Validator:
    """What judges by this schema; ValueError if it is none."""
    # Its regular expressions take linear time, and it fetches nothing that a "$ref" points to.
    return jsonschema_rs.validator_for(
        dict(schema), validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(), offline=True
    )


def check(schema: Schema) -> None:
    """Raise ValueError, which says what was expected, unless answers that are objects can be judged by this schema."""
    _check_size(schema)
    if schema.get("type", "object") != "object":
        raise ValueError('expected a JSON Schema of an object ("type": "object")')
    try:
        validator(schema)
    except jsonschema_rs.ValidationError as error:
        where = "".join(f"[{part!r}]" for part in error.instance_path)
        raise ValueError(f"expected a valid JSON Schema; at schema{where}: {error.message[:200]}") from error
    _Checks(schema).count()


def _check_size(schema: Schema) -> None:
    """Refuse what is too deep or too large before anything recurses into it, and what leads elsewhere."""
    text = pattern = 0
    anchors: set[str] = set()
    old = "draft-04" in str(schema.get("$schema"))
    below = (*_REFUSED_BELOW_THE_ROOT, _OLD_ID) if old else _REFUSED_BELOW_THE_ROOT
    todo: list[tuple[Any, int]] = [(schema, 1)]
    for values, (value, level) in enumerate(todo, 1):  # the list grows while it is walked
        _at_most(level, MAX_LEVELS, "levels")
        _at_most(values, MAX_VALUES, "values")
        if isinstance(value, dict):
            refused = _REFUSED if value is schema else (*_REFUSED, *below)
            _check_references(value, refused, anchors)
            text += sum(map(len, value))
            pattern += sum(map(_written_out, _patterns(value)))
            todo += [(inner, level + 1) for inner in value.values()]
        elif isinstance(value, list):
            todo += [(inner, level + 1) for inner in value]
        elif isinstance(value, str):
            text += len(value)
        _at_most(text, MAX_TEXT, "characters")
        if pattern > MAX_PATTERN:
            raise ValueError("expected shorter regular expressions, and less to be repeated in them")


def _at_most(number: int, limit: int, what: str) -> None:
    if number > limit:
        raise ValueError(f"expected a JSON Schema of at most {limit} {what}")


def _check_references(value: Mapping[str, Any], refused: Iterable[str], anchors: set[str]) -> None:
    """Also of data, such as a default: a reference can lead into it."""
    if isinstance(value.get("$ref"), str) and not value["$ref"].startswith("#"):
        raise ValueError('expected "$ref" to point into this schema ("#/…")')
    found = [name for name in refused if isinstance(value.get(name), str)]  # else a property of that name
    if found:
        where = "" if found[0] in _REFUSED else " below the top"
        raise ValueError(f'expected no "{found[0]}"{where}; what "$ref" points to is named by "#/…" or "$anchor"')
    if isinstance(anchor := value.get("$anchor"), str):
        if anchor in anchors:
            raise ValueError('expected each "$anchor" only once')
        anchors.add(anchor)


def _patterns(value: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(pattern := value.get("pattern"), str):
        yield pattern
    if isinstance(by_pattern := value.get("patternProperties"), dict):
        yield from by_pattern


def _written_out(pattern: str) -> int:
    """How long a regular expression is once `a{3}` is written as `aaa`: its engine does that."""
    groups, last, in_class, position = [0], 0, False, 0
    while position < len(pattern):
        character = pattern[position]
        position += 2 if character == "\\" else 1
        if in_class:
            in_class = character != "]"
        elif character == "(":
            groups.append(0)
            last = 0
        elif character == ")" and groups[1:]:
            last = groups.pop()
            groups[-1] += last
        elif character == "{":
            counted, _, _ = pattern[position:].partition("}")
            position += len(counted) + 1
            times = max((int(part) for part in counted.split(",") if part.isdecimal()), default=1)
            groups[-1] += last * (times - 1)
        else:
            in_class = character == "["
            last = 1
            groups[-1] += last
    return sum(groups)


class _Checks:
    """Counts the schemas that look at an answer, and of it at the branch where they are the most."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._anchors = dict(_anchors(root))
        self._looking: set[int] = set()  # at the same value
        self._here = cache(self._count_here)
        self._below = cache(self._count_below)
        self._schemas: dict[int, Any] = {}

    def count(self) -> None:
        """Raise ValueError if there are too many."""
        root = self._known(self._root)
        self._here(root)
        self._below(root, ANSWER_LEVELS)

    def _known(self, schema: object) -> int:
        self._schemas[id(schema)] = schema
        return id(schema)

    def _count_here(self, key: int) -> int:
        """Of the value itself."""
        if key in self._looking:
            raise ValueError("expected a JSON Schema that does not refer to itself without end")
        if len(self._looking) == MAX_CHAIN:
            raise ValueError(f'expected at most {MAX_CHAIN} of "$ref", "allOf" and the like, one inside the other')
        self._looking.add(key)
        schema = self._schemas[key]
        inner = [*self._inner(schema, _ALL), *self._inner(schema, _ANY), *self._referred(schema)]
        total = 1 + sum(self._here(self._known(one)) for one in inner) * _repeated(schema)
        self._looking.discard(key)
        return _bounded(total)

    def _count_below(self, key: int, levels: int) -> int:
        """Of what is in the value. Of alternatives an answer takes one: they are told apart by what stands on top."""
        if levels == 0:
            return 0
        schema = self._schemas[key]
        always = [*self._inner(schema, _ALL), *self._referred(schema)]
        total = sum(self._below(self._known(one), levels) for one in always)
        total += max((self._below(self._known(one), levels) for one in self._inner(schema, _ANY)), default=0)
        total *= _repeated(schema)
        total += max((self._within(one, levels) for one in self._inner(schema, _ONE_OF_THEM)), default=0)
        total += sum(self._within(one, levels) for one in self._inner(schema, _EACH_OF_THEM))
        return _bounded(total)

    def _within(self, schema: object, levels: int) -> int:
        key = self._known(schema)
        return self._here(key) + self._below(key, levels - 1)

    def _inner(self, schema: Any, keywords: tuple[str, ...]) -> Iterator[object]:  # noqa: ANN401 - a schema or a boolean
        for keyword in keywords if isinstance(schema, dict) else ():
            given = schema.get(keyword)
            if keyword in _MAPS and isinstance(given, dict):
                yield from given.values()
            elif isinstance(given, list):
                yield from given
            elif given is not None and keyword not in _LISTS:
                yield given

    def _referred(self, schema: Any) -> Iterator[object]:  # noqa: ANN401 - the same
        if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            target = self._target(schema["$ref"][1:])
            if not isinstance(target, dict | bool):
                raise ValueError(  # noqa: TRY004 - what is wrong is what the user wrote
                    'expected each "$ref" to point to a schema in this one'
                )
            yield target

    def _target(self, fragment: str) -> object:
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(fragment)
        target: Any = self._root
        for step in unquote(fragment).split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901 - the same step, decoded
            try:
                target = target[int(step)] if isinstance(target, list) else target[step]
            except (KeyError, IndexError, TypeError, ValueError):
                return None
        return target


def _repeated(schema: object) -> int:
    """How often the schemas beside it look: `unevaluated…` asks them once more what they have looked at."""
    return 2 if isinstance(schema, dict) and {"unevaluatedItems", "unevaluatedProperties"} & schema.keys() else 1


def _anchors(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and isinstance(value.get("$anchor"), str):
        yield value["$anchor"], value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _anchors(inner)


def _bounded(checks: int) -> int:
    if checks > MAX_CHECKS:
        raise ValueError(f"expected a JSON Schema by which an answer is judged in at most {MAX_CHECKS} checks")
    return checks

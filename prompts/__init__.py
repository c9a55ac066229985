"""What is said to language models: Markdown files beside this one, and templates that are filled from data."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

MAX_FILLED = 1_000_000  # so many characters of values go into one text
_FOLDER = Path(__file__).parent
_PLACE = re.compile(
    r"""
    \{\{ \s*
    (?P<name> [^\W\d][\w-]* (?: \. [\w-]+ )* ) \s*
    (?: \| \s* default \s* : \s* (?: "(?P<double>[^"{}]*)" | '(?P<single>[^'{}]*)' ) \s* )?
    \}\}
    """,
    re.VERBOSE,
)
_NOTHING = object()


@cache
def load(name: str) -> str:
    """The text of `prompts/<name>.md`."""
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8").strip()


def render(template: str, values: Mapping[str, object]) -> tuple[str, list[str]]:
    """Fill the places of a template, in one pass: what is filled in is never read as a template itself.

    A place is `{{name}}`, `{{customer.name}}` or `{{orders.0.price}}`, which reach into objects and lists, or
    `{{ guest | default: "there" }}`, whose default stands for what is missing, null or empty. Whatever else stands in
    braces (`{{"intent": "book"}}`) is text, and stays as it is.

    Text goes in as it is, None as nothing, anything else as JSON. Returns the text and the names that have no value and
    no default, each once, in order; they are rendered as nothing, and so is a value that would make the text longer by
    more than `MAX_FILLED` characters.
    """
    texts: dict[str, str | None] = {}
    unknown: dict[str, None] = {}
    room = MAX_FILLED

    def fill(place: re.Match[str]) -> str:
        nonlocal room
        name = place["name"]
        if name not in texts:
            texts[name] = _text(_find(name, values))
        default = place["single"] if place["double"] is None else place["double"]
        text = texts[name] or default or ""
        if texts[name] is None and default is None:
            unknown[name] = None
        if len(text) > room:
            unknown[name] = None
            return ""
        room -= len(text)
        return text

    return _PLACE.sub(fill, template), list(unknown)


def _find(name: str, values: Mapping[str, object]) -> object:
    """The value of that very name, else what the steps of the name lead to."""
    if name in values:
        return values[name]
    found: object = values
    for step in name.split("."):
        if isinstance(found, Mapping):
            found = found.get(step, _NOTHING)
        elif isinstance(found, list) and step.isdecimal() and len(step) < len(str(MAX_FILLED)):
            found = found[int(step)] if int(step) < len(found) else _NOTHING
        else:
            return _NOTHING
    return found


def _text(value: object) -> str | None:
    if value is _NOTHING:
        return None
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

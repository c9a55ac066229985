"""What is said to language models: Markdown files beside this one, and templates that are filled from data."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")


@cache
def load(name: str) -> str:
    """The text of `prompts/<name>.md`."""
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8").strip()


def render(template: str, values: Mapping[str, object]) -> tuple[str, list[str]]:
    """Fill the `{{name}}` places of a template, in one pass: what is filled in is never read as a template itself.

    Text goes in as it is, None as nothing, anything else as JSON. Returns the text and the names that have no value,
    each once, in order; they are rendered as nothing.
    """
    unknown: dict[str, None] = {}

    def fill(place: re.Match[str]) -> str:
        name = place[1].strip()
        if name not in values:
            unknown[name] = None
            return ""
        value = values[name]
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return _PLACEHOLDER.sub(fill, template), list(unknown)

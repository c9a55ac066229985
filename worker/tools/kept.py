"""What is kept of a call of a tool: as of all that is said, without what is taken out; nothing where nothing is."""

import math
from collections.abc import Collection, Sequence
from typing import Any

from calls.agent_config import Features
from calls.privacy.redaction import Redaction, redact

_INTEGERS = range(-(2**63), 2**63)


def kept(value: Any, features: Features) -> Any:  # noqa: ANN401 - JSON
    """What may be written of arguments, or of an answer."""
    return _writable(value, features.redact) if features.transcription_enabled else None


def _writable(value: Any, kinds: Collection[Redaction]) -> Any:  # noqa: ANN401 - JSON
    """The same without what is of these kinds, and without what a database does not take."""
    match value:
        case bool() | None:
            return value
        case str() | int() | float():
            return _in_a_row([value], kinds)[0]
        case dict():
            names = _in_a_row([str(name) for name in value], kinds)
            return {name: _writable(inner, kinds) for name, inner in zip(names, value.values(), strict=True)}
        case list() if all(isinstance(inner, str | int | float) for inner in value):
            return _in_a_row(value, kinds)
        case list():
            return [_writable(inner, kinds) for inner in value]
        case _:
            return str(value)


def _in_a_row(values: Sequence[str | float], kinds: Collection[Redaction]) -> list[Any]:
    """Each may hold a piece of one number."""
    given = [str(value).replace("\x00", "").encode(errors="replace").decode() for value in values]
    texts = redact(given, kinds, more=False) if kinds else given
    return [
        text if isinstance(value, str) or text != before or not _is_number(value) else value
        for value, before, text in zip(values, given, texts, strict=True)
    ]


def _is_number(value: float) -> bool:
    """Whether it is one for everybody who reads JSON."""
    return math.isfinite(value) if isinstance(value, float) else value in _INTEGERS

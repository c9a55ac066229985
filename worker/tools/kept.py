"""What is kept of a call of a tool: as of all that is said, without what is taken out; nothing where nothing is."""

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from calls.agent_config import Features
from calls.privacy.card_numbers import is_card
from calls.privacy.redaction import Redaction, redact

_INTEGERS = range(-(2**63), 2**63)
_PART = re.compile(r"\d{1,4}(?:[ -]\d{1,4})*")
_WORDS = re.compile(r"[^\W\d_]")


def kept(value: Any, features: Features) -> Any:  # noqa: ANN401 - JSON
    """What may be written of arguments, or of an answer."""
    return _writable(value, features.redact) if features.transcription_enabled else None


def _writable(value: Any, kinds: Collection[Redaction]) -> Any:  # noqa: ANN401 - JSON
    """The same without what is of these kinds, and without what a database does not take."""
    match value:
        case bool() | None:
            return value
        case str():
            return _text(value, kinds)
        case int() | float():
            has_fraction = isinstance(value, float) and math.isfinite(value) and not value.is_integer()
            # A place's degrees have as many digits as a card's number.
            return value if has_fraction else _in_a_row([value], kinds)[0]
        case dict():
            names = _distinct(_in_a_row([str(name)], kinds)[0] for name in value)
            return {name: _writable(inner, kinds) for name, inner in zip(names, value.values(), strict=True)}
        case list():
            row = _row(value, kinds)
            return [_writable(inner, kinds) for inner in value] if row is None else row
        case _:
            return str(value)


def _text(value: str, kinds: Collection[Redaction]) -> str:
    """As it is, or what is left of it; of JSON, as many servers answer in, what is left of what it tells."""
    if not kinds:
        return str(_in_a_row([value], kinds)[0])
    try:
        told = json.loads(value, object_pairs_hook=_each_once) if value.lstrip()[:1] in {"{", "["} else None
        left = _writable(told, kinds)
    except (ValueError, RecursionError):  # no JSON, or too deep
        told = left = None
    if told is None:
        return str(_in_a_row([value], kinds)[0])
    return str(_in_a_row([value], [])[0]) if left == told else json.dumps(left, ensure_ascii=False)


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError where a name stands twice: of the first of them nothing would be seen."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def _distinct(names: Iterable[str]) -> list[str]:
    """The same, a number behind each that was there before."""
    distinct: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for name in names:
        alike = name
        while alike in distinct:
            counts[name] += 1
            alike = f"{name} {counts[name] + 1}"
        distinct[alike] = None
    return list(distinct)


def _row(values: Sequence[Any], kinds: Collection[Redaction]) -> list[Any] | None:
    """What is left of a list that may tell one number or text in pieces; None where each tells its own.

    That may be sentences, single digits, and what is a card's number together: rooms, prices and places are lists, too.
    """
    if not all(type(value) in {str, int} for value in values):
        return None
    texts = [str(value) for value in values]
    are_parts = all(_PART.fullmatch(text) for text in texts)
    are_digits = are_parts and all(len(text) == 1 for text in texts)
    is_one_card = are_parts and "card" in kinds and is_card(re.sub(r"\D", "", "".join(texts)))
    are_sentences = any(_WORDS.search(text) for text in texts)
    return _in_a_row(values, kinds) if are_sentences or are_digits or is_one_card else None


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

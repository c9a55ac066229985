"""The JSON object in what a model says, whatever stands around it."""

import json
import math
import re
from typing import Any, Never

import json_repair

from pipeline.llm.errors import Unusable

LONGEST = 200_000  # characters; whoever says more has lost its way
REPAIRED = 50_000  # the same, of what is repaired: the time that takes grows faster than the text
MOST_BRACKETS = 500  # the same
MOST_VALUES = 100  # that are looked at in one text

_THOUGHT_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_THOUGHT_BEGIN = re.compile(r"\s*<think(?:ing)?>", re.IGNORECASE)
_VALUE_BEGIN = re.compile(r"[{\[]")


def spoken(text: str) -> str:
    """What a model says without what it thought before, with or without the tag that opens the thoughts."""
    said = _THOUGHT_END.split(text)[-1]
    return "" if _THOUGHT_BEGIN.match(said) else said.replace("\ufeff", "").strip()


def read_object(text: str) -> dict[str, Any]:
    """The answer as an object that every database can store. Raises Unusable."""
    if len(text) > LONGEST:
        raise Unusable("The model's answer is too long")
    value = _whole(text)
    if value is None:
        said = spoken(text)
        if not said:
            raise Unusable("The model gave an empty answer")
        value = _embedded(said)
        value = _repaired(said) if value is None else value
    if isinstance(value, list) and len(value) == 1:
        [value] = value
    if not isinstance(value, dict):
        raise Unusable("The model's answer is not a JSON object")
    storable: dict[str, Any] = _storable(value)
    return storable


def _whole(text: str) -> object:
    try:
        return _decode(text.strip("\ufeff \t\r\n"))
    except (ValueError, RecursionError):
        return None


def _decode(text: str) -> object:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _embedded(said: str) -> object:
    """The last of the objects and lists in a text of prose and fences: what comes before it leads to it."""
    decoder, last, position = json.JSONDecoder(parse_constant=_no_constant), None, 0
    for _ in range(MOST_VALUES):
        begin = _VALUE_BEGIN.search(said, position)
        if begin is None:
            break
        try:
            value, position = decoder.raw_decode(said, begin.start())
        except (ValueError, RecursionError):
            if said[begin.start()] == "{" and last is None:
                return None  # the answer begins here and is broken: its inner parts are not the answer
            position = begin.end()
        else:
            if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value)):
                last = value
    return last


def _repaired(said: str) -> object:
    """An object with a comma too many, other quotes and the like; one that is not ended is not taken for a whole."""
    begin, body = said.find("{"), said.rstrip("` \t\r\n")
    brackets = body.count("{") + body.count("[")
    if begin < 0 or not body.endswith("}") or len(body) > REPAIRED or brackets > MOST_BRACKETS:
        raise Unusable("The model's answer is not JSON")
    try:
        return json_repair.loads(body[begin:])
    except (ValueError, RecursionError) as problem:
        raise Unusable("The model's answer is not JSON") from problem


def _storable(value: object) -> Any:  # noqa: ANN401 - JSON in, the same JSON out
    """The same without what no database stores as text: NUL and halves of surrogate pairs."""
    match value:
        case str():
            return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case float() if not math.isfinite(value):
            raise Unusable("The model's answer holds a number that is none")
        case _:
            return value

"""What endpoints refuse: the ways in which a request may be put, and which of them a server is known to take."""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from calls.model_refusals import speaks_of_length
from pipeline.llm.errors import LlmFailed

Format = Literal["schema", "bare", "object", "none"]
FORMATS: tuple[Format, ...] = ("schema", "bare", "object", "none")  # the best first

MOST_SCHEMAS = 500  # of users, whose forms are remembered

_FORM = re.compile(r"response.?format|json|schema|strict|structured|grammar", re.IGNORECASE)
_TEMPERATURE = re.compile(r"temperature", re.IGNORECASE)

# Keywords that say how large or of what kind a value is. Many servers refuse them; the answer is judged here anyway.
_BOUNDS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern"}
    | {"format", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
)
_OF_NAMES = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_OF_DATA = frozenset({"enum", "const", "default", "examples"})


@dataclass(frozen=True)
class Form:
    """The JSON that is wanted: its `schema`, called `name`.

    `strict` asks servers that can for decoding that cannot leave the schema; it forbids optional properties.
    """

    name: str
    schema: Mapping[str, Any]
    strict: bool = False


class Way(NamedTuple):
    """How a request is put."""

    format: Format
    temperature: bool

    def options(self, form: Form | None) -> dict[str, Any]:
        """The fields of the request that belong to it."""
        options: dict[str, Any] = {"temperature": 0} if self.temperature else {}
        if form is None or self.format == "none":
            return options
        if self.format == "object":
            return {**options, "response_format": {"type": "json_object"}}
        schema = dict(form.schema) if self.format == "schema" else without_bounds(form.schema)
        named = {"name": form.name, "schema": schema, "strict": form.strict}
        return {**options, "response_format": {"type": "json_schema", "json_schema": named}}


PLAINEST = Way("none", temperature=False)  # a server that refuses this takes the request in no way


class Refusal(Exception):
    """The server does not take the request as it is; `failure` is what to say if it takes it in no way."""

    def __init__(self, text: str, failure: LlmFailed) -> None:
        super().__init__("refused")
        self._text, self.failure = text, failure

    @property
    def speaks_of_length(self) -> bool:
        """Whether its words are those of a request that is too long."""
        return speaks_of_length(self._text)

    def speaks_against(self, way: Way, tried: Way) -> bool:
        """Whether this answer to `tried` makes it unlikely that `way` is taken."""
        if tried.temperature and _TEMPERATURE.search(self._text):
            return way.temperature
        return way.format == tried.format and bool(_FORM.search(self._text))


class Ways:
    """What one endpoint is known to take, by what it took after it had refused something better.

    What it does not take of our own schemas, which are plain, it takes of no other; of a user's schema, only that
    one may be to blame.
    """

    def __init__(self) -> None:
        self._temperature = True
        self._first = 0
        self._first_of: OrderedDict[str, int] = OrderedDict()

    def known(self, form: Form | None) -> list[Way]:
        """The ways that may be taken, the best first."""
        formats = FORMATS[self._begin(form) :]
        if form is not None and formats[0] == "schema" and form.schema == without_bounds(form.schema):
            formats = ("schema", *formats[2:])  # "bare" would be the same
        warmth = (True, False) if self._temperature else (False,)
        return [Way(name, warm) for name in formats for warm in warmth]

    def learn(self, form: Form | None, way: Way) -> None:
        """The server took this one, and none that stands before it."""
        self._temperature = self._temperature and way.temperature
        if form is None:
            return
        first = FORMATS.index(way.format)
        if form.strict:
            self._first = max(self._first, first)
        elif first > self._begin(form):
            self._first_of[_digest(form)] = first
            if len(self._first_of) > MOST_SCHEMAS:
                self._first_of.popitem(last=False)

    def _begin(self, form: Form | None) -> int:
        if form is None:
            return FORMATS.index("none")
        return max(self._first, self._first_of.get(_digest(form), 0))


def _digest(form: Form) -> str:
    return hashlib.sha256(json.dumps(form.schema, sort_keys=True).encode()).hexdigest()


def without_bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema's shape alone."""
    return {key: _bare(key, value) for key, value in schema.items() if key not in _BOUNDS}


def _bare(key: str, value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    if key in _OF_DATA:
        return value
    if key in _OF_NAMES and isinstance(value, dict):
        return {name: _bare("", part) for name, part in value.items()}
    if isinstance(value, dict):
        return without_bounds(value)
    return [_bare("", part) for part in value] if isinstance(value, list) else value

"""From bytes to a checked model: what is no JSON, strange, unknown or wrong is a 400 that names the field."""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import TypeVar

import pydantic_core
from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from api.schema.common import parse_id
from calls.errors import FieldError, Invalid, NotFound, TooLarge, UnsupportedMedia

MAX_BODY = 1_000_000
MAX_DEPTH = 64
_INT64 = range(-(2**63), 2**63)
_JSON_TYPES = {"application/json", "text/json"}
# What pydantic finds, in our words; a name in braces is one of what it says besides. A validator's own words stay.
_MESSAGES = {
    "extra_forbidden": "unknown field",
    "missing": "field required",
    "value_error": "{error}",
    "string_type": "expected text",
    "string_unicode": "expected text in Unicode",
    "string_too_short": "expected {min_length} or more characters",
    "string_too_long": "expected at most {max_length} characters",
    "string_pattern_mismatch": "expected text that fits {pattern}",
    "int_type": "expected an integer",
    "int_from_float": "expected an integer",
    "int_parsing": "expected an integer",
    "int_parsing_size": "expected a smaller integer",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "enum": "expected {expected}",
    "list_type": "expected a list",
    "too_short": "expected {min_length} or more items",
    "too_long": "expected at most {max_length} items",
    "dict_type": "expected an object",
    "model_type": "expected an object",
}

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]


async def read_body(request: web.Request, model: type[Model]) -> Model:
    """The request's body as `model`. An empty body counts as `{}`.

    Raises:
        TooLarge, UnsupportedMedia, Invalid.
    """
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"The body is larger than {MAX_BODY} bytes.") from error
    if raw and request.content_type not in _JSON_TYPES:
        raise UnsupportedMedia("The body must be application/json.")
    return parse(raw or b"{}", model)


def parse(raw: bytes, model: type[Model]) -> Model:
    """`raw` as `model`; see `read_body`."""
    try:
        value = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise Invalid(f"The body is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise Invalid("The body must be a JSON object.")
    if details := [FieldError(path(loc), message) for loc, message in strange(value)]:
        raise Invalid(_sentence(details), details)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise _invalid(error) from error


def read_query(query: Mapping[str, str], model: type[Model]) -> Model:
    """The query string as `model`; a name that is not known or comes twice, or a bad value, is an error."""
    if twice := [name for name, times in Counter(name for name, _ in query.items()).items() if times > 1]:
        raise Invalid.field(twice[0], "expected once")
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        raise _invalid(error) from error


def check_ids(names: Mapping[str, str]) -> None:
    """Path values called `…id` are UUIDs: anything else names nothing.

    Raises:
        NotFound: for an id that is no id.
    """
    for name, value in names.items():
        if name.endswith("id"):
            try:
                parse_id(value)
            except ValueError as error:
                raise NotFound("Not found: an id is a UUID.") from error


def path(loc: Loc) -> str:
    """`("participants", 0, "identity")` -> `participants[0].identity`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def strange(value: object, loc: Loc = ()) -> Iterator[tuple[Loc, str]]:
    """Values that JSON allows and a database or a client of ours does not."""
    if message := _strange(value, len(loc)):
        yield loc[:8], message
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strange(key, loc)
            yield from strange(inner, (*loc, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from strange(inner, (*loc, index))


def _strange(value: object, depth: int) -> str | None:
    if depth > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    match value:
        case str() if "\0" in value:
            return "a NUL character is not allowed"
        case int() if value not in _INT64:
            return "an integer must fit in 64 bits"
        case float() if not isfinite(value):
            return "a number must be finite"
        case _:
            return None


def _invalid(error: ValidationError) -> Invalid:
    details = [_detail(found) for found in error.errors(include_url=False, include_input=False)]
    return Invalid(_sentence(details), details)


def _detail(found: ErrorDetails) -> FieldError:
    ours = _MESSAGES.get(found["type"])
    message = found["msg"] if ours is None else ours.format_map(found.get("ctx", {}))
    return FieldError(path(found["loc"]), message)


def _sentence(details: list[FieldError]) -> str:
    first = details[0]
    return f"{first.path}: {first.message}" if first.path else first.message

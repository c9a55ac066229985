"""What several resources share: strict requests, plain answers, pages, errors."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema


def parse_id(text: str) -> str:
    """An id in lower case; ValueError if it is none."""
    try:
        known = str(UUID(text))
    except ValueError:
        known = ""
    if known != text.lower():  # `UUID` also takes braces and URNs
        raise ValueError("expected a UUID")
    return known


MAX_DATA_BYTES = 65_536  # of JSON: it travels in tokens, stands on each call of a batch, and fills templates


def _check_size(value: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(value, ensure_ascii=False).encode())
    if size > MAX_DATA_BYTES:
        raise ValueError(f"expected at most {MAX_DATA_BYTES} bytes of JSON, not {size}")
    return value


Id = Annotated[str, AfterValidator(parse_id), WithJsonSchema({"type": "string", "format": "uuid"})]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
MAX_LABEL = 100
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_LABEL)]
# Longer than any phone number in any spelling; what is one is decided by `calls.phones`. The pattern is what all have.
Phone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(json_schema_extra={"pattern": r"^\s*(tel:)?(\+|00)[0-9()./\s-]+$"}),
]
JsonObject = dict[str, Any]
CustomData = Annotated[JsonObject, AfterValidator(_check_size)]


# What answers are made of: it was checked when it came in, and only the document says more of it than its type.
def one_of(values: Iterable[str]) -> WithJsonSchema:
    """A text that is one of these."""
    return WithJsonSchema({"type": "string", "enum": [str(value) for value in values]})


Uuid = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
E164 = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"})]
CreatedAt = Annotated[datetime, Field(description="When it was created, in UTC.")]
UpdatedAt = Annotated[datetime, Field(description="When it was changed last, in UTC.")]
Total = Annotated[int, Field(description="How many there are on all pages together.")]
Offset = Annotated[int, Field(description="How many were left out before this page, as it was asked for.")]
Limit = Annotated[int, Field(description="How many this page may have, as it was asked for.")]


class Request(BaseModel):
    """A body: exact JSON types, and a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """A query string: numbers come as text, and a parameter that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def without_defaults(schema: dict[str, Any]) -> None:
    """Of a change: a field that is left out stays as it is, so the document names no default."""
    for field in schema["properties"].values():
        field.pop("default", None)


class Answer(BaseModel):
    """An answer's shape."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Request):
    """The body of a request that needs none: empty or `{}`."""


class Page(Query):
    """Which part of a list."""

    limit: int = Field(50, ge=1, le=200, description="How many at most.")
    offset: int = Field(0, ge=0, le=2**31 - 1, description="How many are left out before them.")


class WrongField(Answer):
    """One field that is not as expected."""

    path: str = Field(
        description="Where it stands in the body or the query, or the name of a header.",
        examples=["participants[0].identity"],
    )
    message: str = Field(description="What was expected there.", examples=["field required"])


class Failure(Answer):
    """Every error."""

    error: str = Field(description="One sentence, for people; its words may change.", examples=["Call not found."])
    code: str = Field(description="A name for it, for programs; it stays.", examples=["not_found"])
    details: list[WrongField] | None = Field(None, description="Validation errors only: each wrong field.")

"""The do-not-call list."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from api.schema.common import Answer, Phone, Request

Reason = Annotated[str, StringConstraints(max_length=1000)]
# In a batch a value that is no phone number is reported, not refused.
Candidate = Annotated[str, StringConstraints(max_length=200)]


class AddToDnc(Request):
    """Body of `POST /v1/dnc`."""

    phone_number: Phone = Field(examples=["+15551234567"])
    reason: Reason | None = None


class AddManyToDnc(Request):
    """Body of `POST /v1/dnc/batch`."""

    phone_numbers: list[Candidate] = Field(min_length=1, max_length=1000, examples=[["+15551234567"]])
    reason: Reason | None = None


class CheckDnc(Request):
    """Body of `POST /v1/dnc/check`."""

    phone_numbers: list[Phone] = Field(min_length=1, max_length=500, examples=[["+15551234567"]])


class DncEntry(Answer):
    """A number that is never dialled."""

    phone_number: str = Field(description="E.164.", examples=["+15551234567"])
    reason: str | None
    created_at: datetime


class DncPage(Answer):
    """A page of the list, the newest first."""

    entries: list[DncEntry]
    total: int
    offset: int
    limit: int


class AddedToDnc(Answer):
    """How many numbers are new on the list, and which values are no phone numbers."""

    added: int
    invalid: list[str]


class DncResult(Answer):
    """Whether one number is on the list."""

    phone_number: str
    blocked: bool


class DncResults(Answer):
    """One result for each number asked for, in that order."""

    results: list[DncResult]

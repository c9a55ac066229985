"""The do-not-call list."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.schema.common import E164, Answer, CreatedAt, Limit, Offset, Phone, Request, Total

Reason = Annotated[str, StringConstraints(max_length=1000)]
# In a batch a value that is no phone number is reported, not refused.
Candidate = Annotated[str, StringConstraints(max_length=200)]


class AddToDnc(Request):
    """Body of `POST /v1/dnc`."""

    phone_number: Phone = Field(description="Who does not want to be called.", examples=["+15551234567"])
    reason: Reason | None = Field(None, description="Why, for your eyes.")


class AddManyToDnc(Request):
    """Body of `POST /v1/dnc/batch`."""

    phone_numbers: list[Candidate] = Field(
        min_length=1,
        max_length=1000,
        description="Who does not want to be called; what is no number is named in the answer.",
        examples=[["+15551234567"]],
    )
    reason: Reason | None = Field(None, description="Why, for your eyes; the same for all.")


class CheckDnc(Request):
    """Body of `POST /v1/dnc/check`."""

    phone_numbers: list[Phone] = Field(
        min_length=1, max_length=500, description="Numbers to look up.", examples=[["+15551234567"]]
    )


class DncEntry(Answer):
    """A number that is never dialled."""

    phone_number: E164 = Field(description="The number, as E.164.", examples=["+15551234567"])
    reason: str | None = Field(description="As it was given.")
    created_at: CreatedAt


class DncPage(Answer):
    """A page of the list, the newest first."""

    entries: list[DncEntry] = Field(description="Those of this page.")
    total: Total
    offset: Offset
    limit: Limit


class AddedToDnc(Answer):
    """How many numbers are new on the list, and which values are no phone numbers."""

    added: int = Field(description="How many were not on the list before.")
    invalid: list[str] = Field(description="Values that are no phone numbers.")


class DncResult(Answer):
    """Whether one number is on the list."""

    phone_number: E164 = Field(description="The number, as E.164.")
    blocked: bool = Field(description="Whether it is on the list, and so never dialled.")


class DncResults(Answer):
    """One result for each number asked for, in that order."""

    results: list[DncResult] = Field(description="In the order of the numbers asked for.")

"""Which calls a list is to have."""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from api.schema.batches import BatchId
from api.schema.common import Id, Page, Query
from api.schema.participants import MAX_IDENTITY_BYTES, Transport
from calls.listing import Order, Wanted
from calls.phones.numbers import normalise
from calls.search.words import phrases_of
from calls.states import CallStatus, EndReason

_YEARS = range(1970, 9000)  # so that a minute more or less is a moment too
# Within other text a number is not looked for: `user+15551234567` is not who has that phone.
_NUMBER = re.compile(r"\s*(?:tel:)?[+0-9()./\s-]+", re.IGNORECASE)


def _moment(text: str) -> datetime:
    """The moment in UTC that a text in ISO 8601 names; ValueError if it is none, or one without a time zone."""
    try:
        moment = datetime.combine(date.fromisoformat(text), time.min, UTC)
    except ValueError:
        moment = _time(text)
    if moment.year not in _YEARS:
        raise ValueError(f"expected a year from {_YEARS.start} to {_YEARS[-1]}")
    return moment.astimezone(UTC)


def _time(text: str) -> datetime:
    with suppress(ValueError):
        # A plus that is not escaped in an address becomes a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        if moment.tzinfo is not None:
            return moment
    raise ValueError("expected a date, or a time with its zone, as in 2026-03-01T10:00:00Z")


def _participant(text: str) -> str:
    """The text as it is; ValueError for what no database can hold."""
    if "\0" in text:
        raise ValueError("expected text without the character of code 0")
    return text


def _identities(text: str) -> tuple[str, ...]:
    """Who may be meant: who is called so, and who has this phone number, in whatever spelling."""
    identities = [text]
    if _NUMBER.fullmatch(text):
        with suppress(ValueError):
            # A plus that is not escaped in an address becomes a space.
            identities.append(normalise(f"+{text[1:]}" if text.startswith(" ") else text))
    return tuple(dict.fromkeys(identities))


def _words(text: str) -> str:
    phrases = phrases_of(text)
    if not phrases:
        raise ValueError("expected a word")
    if any(one.is_one_character for one in phrases):
        raise ValueError("expected two characters or more where words are written without spaces between them")
    return text


Moment = Annotated[
    datetime,
    BeforeValidator(_moment, json_schema_input_type=str),
    WithJsonSchema({"type": "string"}, mode="validation"),
]
Participating = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_IDENTITY_BYTES), AfterValidator(_participant)
]
Words = Annotated[str, StringConstraints(max_length=200), AfterValidator(_words)]


class CallsOfAgent(Query):
    """Which of an agent's calls: those of which all that is given is true."""

    status: CallStatus | None = Field(None, description="Where they are in their life.")
    end_reason: EndReason | None = Field(None, description="Why they ended.")
    batch_id: BatchId | None = Field(None, description="The batch that they are of.")
    transport: Transport | None = Field(None, description="That of their primary participant.")
    participant: Participating | None = Field(
        None,
        description="The identity of anybody in them, or the phone number in any spelling that has a country code.",
        examples=["+15551234567"],
    )
    created_from: Moment | None = Field(
        None,
        description="Created then or later: a time with its zone, or a date, which is its midnight in UTC.",
        examples=["2026-03-01"],
    )
    created_to: Moment | None = Field(None, description="Created before then.", examples=["2026-04-01T00:00:00Z"])
    words: Words | None = Field(
        None,
        description="Words that all stand in the transcript, those in double quotes one behind the other; two "
        "characters or more where words are written without spaces between them. A call is found by its "
        "words once it is over.",
        examples=['refund "order number"'],
    )

    def wanted(self, agent_id: str | None = None) -> Wanted:
        """What is asked of the database."""
        asked = self.model_dump(include=set(CallsOfAgent.model_fields), exclude={"words", "participant"})
        identities = _identities(self.participant) if self.participant else ()
        phrases = tuple(phrases_of(self.words or ""))
        return Wanted(**asked, agent_id=agent_id, participants=identities, phrases=phrases)


class CallsWanted(CallsOfAgent):
    """Which calls: those of which all that is given is true."""

    agent_id: Id | None = Field(None, description="The agent that they were created with.")


class ActiveCallsQuery(Page):
    """Which of the calls in progress."""

    limit: int = Field(200, ge=1, le=200, description="How many at most.")
    cursor: Id | None = Field(None, description="The id of the last call of the page before.")
    order: Order = Field("desc", description="By when they were created: `desc`, the newest first, or `asc`.")

    @property
    def part(self) -> dict[str, Any]:
        """Which part of the list: `limit`, `offset`, `cursor` and `order`."""
        return self.model_dump(include=set(ActiveCallsQuery.model_fields))


class CallPageQuery(CallsWanted, ActiveCallsQuery):
    """Which calls: by offset or from a cursor on."""


class AgentCallsQuery(CallsOfAgent, ActiveCallsQuery):
    """Which of an agent's calls: by offset or from a cursor on."""

    limit: int = Field(50, ge=1, le=200, description="How many at most.")

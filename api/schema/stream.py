"""What streams send besides an `Event` or a `Segment`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from api.schema.calls import ListedCall, Segment
from api.schema.common import Answer, Query
from api.schema.participants import Participant

Kind = Literal["events", "segments"]


class StreamEnd(Answer):
    """The call is over and its post-call work is done."""

    id: str = Field(description="The call.")
    status: str = Field(description="How it ended.")
    end_reason: str | None = Field(description="Why it ended.")
    intelligence_status: str = Field(description="What became of its analysis.")


class LiveCall(ListedCall):
    """A call as it is now, with who is there."""

    participants: list[Participant] = Field(description="Everybody who was ever to be in it, in that order.")


class StreamReady(Answer):
    """All calls that are not over have been sent: a call that was not among them is over, or none."""

    calls: int = Field(description="How many they were.")


class CallSegment(Segment):
    """A segment, and in which call it was said."""

    call_id: str = Field(description="The call.")


def _listed(text: str) -> list[str]:
    return text.split(",")


class LiveQuery(Query):
    """What is to be followed besides the calls themselves."""

    include: Annotated[
        frozenset[Kind],
        BeforeValidator(_listed),
        WithJsonSchema({"type": "string", "pattern": "^(events|segments)(,(events|segments))*$"}),
    ] = Field(
        frozenset(),
        description="`events`: what happens in each call; `segments`: what is said, of running calls first the last "
        "words so far. Both with a comma between them.",
        examples=["events,segments"],
        validate_default=False,
    )


STREAMED = (StreamEnd, LiveCall, StreamReady, CallSegment)

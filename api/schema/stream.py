"""What streams send: messages, each with a name, data, and in a call's own stream an id to go on behind."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, RootModel, WithJsonSchema

from api.schema.analyses import Analysed
from api.schema.calls import Event, LatencyOfTurn, ListedCall, Reason, Status
from api.schema.common import Answer, Query, Uuid
from api.schema.participants import Participant
from api.schema.transcripts import Segment

Kind = Literal["events", "segments"]


class StreamEnd(Answer):
    """The call is over and its post-call work is done; for a call's own token, nothing more is said in it."""

    id: Uuid = Field(description="The call.")
    status: Status = Field(description="How it ended.")
    end_reason: Reason | None = Field(description="Why it ended.")
    intelligence_status: Analysed = Field(description="What became of its analysis.")


class LiveCall(ListedCall):
    """A call as it is now, with who is there."""

    participants: list[Participant] = Field(description="Everybody who was ever to be in it, in that order.")
    is_transcribed: bool = Field(description="Whether what is said is written down, as its agent's features say.")


class StreamReady(Answer):
    """All calls that ring or run have been sent: one that was not among them waits for its turn, is over, or none."""

    calls: int = Field(description="How many they were.")


class StreamQueue(Answer):
    """How many calls wait for their turn. They are not sent themselves before something happens in them."""

    calls: int = Field(description="How many have the status `queued`.")


class CallSegment(Segment):
    """A segment, and in which call it was said."""

    call_id: Uuid = Field(description="The call.")


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


MARK = r"^[0-9]{1,18}-[0-9]{1,9}-[0-9]{1,9}(-end)?$"
Mark = Annotated[
    str,
    Field(
        pattern=MARK,
        description="How far the stream is: sent as `Last-Event-ID`, it goes on behind this message.",
        examples=["17-4-5420"],
    ),
]


class EventSent(Answer):
    """Something happened."""

    id: Mark
    event: Literal["event"] = Field(description="The message's name.")
    data: Event = Field(description="What happened.")


class SegmentSent(Answer):
    """Something was said; a segment that changes comes again with its `sequence`."""

    id: Mark
    event: Literal["segment"] = Field(description="The message's name.")
    data: Segment = Field(description="What was said.")


class TurnSent(Answer):
    """An answer of the agent began to be heard."""

    id: Mark
    event: Literal["turn"] = Field(description="The message's name.")
    data: LatencyOfTurn = Field(description="How long it was waited for, as it stands in the call's `latency`.")


class EndSent(Answer):
    """Nothing more can come."""

    id: Mark
    event: Literal["end"] = Field(description="The message's name.")
    data: StreamEnd = Field(description="How the call ended.")


class CallStreamMessage(
    RootModel[Annotated[EventSent | SegmentSent | TurnSent | EndSent, Field(discriminator="event")]]
):
    """One message of a call's own stream, with its `data` read from JSON."""


class LiveCallSent(Answer):
    """A call began, changed or is over, or rang or ran when the stream began."""

    event: Literal["call"] = Field(description="The message's name.")
    data: LiveCall = Field(description="The call, as it is now.")


class ReadySent(Answer):
    """All that was there has been sent."""

    event: Literal["ready"] = Field(description="The message's name.")
    data: StreamReady = Field(description="How much it was.")


class QueueSent(Answer):
    """How many calls wait for their turn: when the stream begins, and when that changes."""

    event: Literal["queue"] = Field(description="The message's name.")
    data: StreamQueue = Field(description="How many.")


class LiveEventSent(Answer):
    """Something happened in one of the calls."""

    event: Literal["event"] = Field(description="The message's name.")
    data: Event = Field(description="What happened.")


class LiveSegmentSent(Answer):
    """Something was said in one of the calls; a segment that changes comes again with its `sequence`."""

    event: Literal["segment"] = Field(description="The message's name.")
    data: CallSegment = Field(description="What was said.")


class LiveStreamMessage(
    RootModel[
        Annotated[LiveCallSent | QueueSent | ReadySent | LiveEventSent | LiveSegmentSent, Field(discriminator="event")]
    ]
):
    """One message of the stream of all calls, with its `data` read from JSON."""

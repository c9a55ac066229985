"""What was said in a call."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.schema.common import Answer, Uuid, one_of

Speaker = Annotated[str, one_of(["user", "agent"])]


class Segment(Answer):
    """What one voice said without a break."""

    speaker: Speaker = Field(description="`user` is whoever is called, or calls.")
    text: str = Field(description="What was said, so far.")
    sequence: int = Field(description="Counts from 0, in the order in which they began.")
    started_at_ms: int = Field(description="When it began, in milliseconds from the call's start.")
    ended_at_ms: int = Field(description="When it ended, so far, in milliseconds from the call's start.")
    is_final: bool = Field(description="Whether it is said to its end.")
    is_cut: bool = Field(description="Whether it ends early: its speaker was interrupted, or lost.")
    source: str = Field(description="`runtime`: it was heard or spoken in the call.")
    participant_id: Uuid | None = Field(description="Who said it; null for the agent.")
    participant_identity: str | None = Field(description="The name or number of who said it; null for the agent.")


class Utterance(Answer):
    """A segment as a raw transcript names it."""

    id: str = Field(description="Its number in this transcript.", examples=["t_1"])
    type: Literal["user_input", "agent_response", "dtmf", "tool_call"] = Field(
        description="Who said it, or what happened.", examples=["user_input"]
    )
    response: str = Field(
        description=(
            "What was said; of `dtmf`, the digits that a phone's keys were pressed for; of `tool_call`, the name, the "
            "arguments and what came of it, as JSON."
        ),
    )


class TimedUtterance(Utterance):
    """The same with the segment's other fields."""

    speaker: Speaker = Field(description="The segment's.")
    sequence: int = Field(description="The segment's: counts from 0.")
    started_at_ms: int = Field(description="When it began, in milliseconds from the call's start.")
    ended_at_ms: int = Field(description="When it ended, in milliseconds from the call's start.")
    is_final: bool = Field(description="Whether it is said to its end.")
    source: str = Field(description="`runtime`: it was heard or spoken; `dtmf`: keys were pressed.")


class Transcript(Answer):
    """The transcript inside a call's detail."""

    text: str = Field(description="All of it, a line for each segment.", examples=["Caller: Hello?"])
    segments: list[Segment] = Field(description="What was said, in the order in which it began.")
    raw: list[Utterance] = Field(description="The same with keys that were pressed and tools that were called.")
    erased_at: datetime | None = Field(description="When it was erased, if it was.")


class TranscriptAnswer(Answer):
    """Answer of `GET /v1/calls/:id/transcript`."""

    transcript: list[TimedUtterance] = Field(description="What was said, with keys that were pressed.")
    text: str = Field(description="All of it, a line for each segment.", examples=["Caller: Hello?"])
    segments: list[Segment] = Field(description="What was said, in the order in which it began.")

"""Calls: how they are created, listed and shown."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.schema.agents import AgentName
from api.schema.analyses import Analysed, Intelligence
from api.schema.common import Answer, CustomData, Id, JsonObject, Limit, Offset, Page, Request, Total, Uuid, one_of
from api.schema.participants import NewParticipant, Participant, Place, PrimaryParticipant
from api.schema.recordings import Recording
from api.schema.transcripts import Transcript
from calls.agent_config import MachineDetection
from calls.analysis.post_call import PostCall
from calls.events import EventKind
from calls.latency import MeasuredBy
from calls.states import CallStatus, EndReason
from calls.tools.records import ToolCallStatus

MAX_RECIPIENTS = 500

# Answers say what a row says; that it is one of these is the database's and the code's own doing.
Status = Annotated[str, one_of(CallStatus)]
Reason = Annotated[str, one_of(EndReason)]
Level = Annotated[str, one_of(["info", "warning", "error"])]
Source = Annotated[str, one_of(["lifecycle", "livekit", "telephony", "post_call"])]


class CreateCall(Request):
    """Body of `POST /v1/calls`."""

    agent_id: Id = Field(description="The agent that talks.")
    participants: list[NewParticipant] = Field(
        min_length=1,
        max_length=MAX_RECIPIENTS,
        description="Everybody who shall be in it; 50 at most, unless the installation says otherwise.",
    )
    metadata: CustomData = Field(
        {},
        description="Your own data: comes back with the call, and fills templates like `variables`. 64 KiB of JSON.",
        examples=[{"source": "sdk", "session_id": "sess_123"}],
    )
    variables: CustomData = Field(
        {},
        description="Values for the templates of prompt and first message; `{{customer.name}}` reaches into objects.",
    )
    post_call: PostCall | None = Field(None, description="Merged with the agent's, section by section.")
    machine_detection: MachineDetection | None = Field(None, description="Instead of the agent's.")


class CreateToken(Request):
    """Body of `POST /v1/realtime/token`."""

    agent_id: Id = Field(description="The agent that talks.")
    metadata: CustomData = Field(
        default_factory=dict, description="Your own data: comes back with the call, and fills templates."
    )


class EventPageQuery(Page):
    """Which events of a call: the oldest first."""


class CreatedCall(Answer):
    """A call that was created, with the way in for each browser."""

    id: Uuid = Field(description="Names the call in paths.")
    room_name: str = Field(description="Its room in LiveKit.", examples=["call_a1b2c3d4-e5f6-7890-abcd-ef1234567890"])
    status: Status = Field(description="`connecting`; with a phone `queued`.", examples=["connecting"])
    participants: list[Place] = Field(description="In the order in which they were given.")
    agent: AgentName = Field(description="The agent that talks.")
    call_token: str = Field(
        description="For a page: in place of a key for this call's `stream` and `end`, and for nothing else. It is "
        "worth nothing any more a minute after the call, or once the key is revoked that created it.",
        examples=["sb_call_q83vEjRWeJCrze8SNFZ4kA"],
    )
    warnings: list[str] = Field(
        [],
        description="A sentence for each of the agent's providers that is known not to work.",
        examples=[[], ["Speech recognition (deepgram) does not answer: there is no conversation until it does."]],
    )


class CreatedToken(Answer):
    """The way into a call for one browser user."""

    client_token: str = Field(description="Lets one browser into the room; for LiveKit's client.", examples=["eyJ..."])
    room_name: str = Field(description="The call's room in LiveKit: `call_` and the call's id.")
    server_url: str = Field(description="Where LiveKit is, for its client.", examples=["wss://livekit.example.com"])
    call_id: Uuid = Field(description="Names the call in paths.")
    call_token: str = Field(description="In place of a key for this call's `stream` and `end`, and for nothing else.")


class CallState(Answer):
    """What is told of a call wherever it is told of: in a list, its detail, and the messages that webhooks get."""

    id: Uuid = Field(description="Names the call in paths.")
    room_name: str = Field(description="Its room in LiveKit.")
    agent_id: Uuid = Field(description="The agent that it was created with.")
    status: Status = Field(description="Where it is in its life.")
    end_reason: Reason | None = Field(description="Why it ended; null before.")
    created_at: datetime = Field(description="When it was asked for.")
    started_at: datetime | None = Field(description="When the first human and the agent were both there; null before.")
    ended_at: datetime | None = Field(description="When it was over; null before.")
    bill_duration: int = Field(description="Whole seconds from its start to its end; 0 before.")
    total_cost: float = Field(description="Dollars: what its participants cost together.")
    metadata: JsonObject = Field(description="As it was given.")
    intelligence_status: Analysed = Field(description="How far its analysis is; `not_started` also if there is none.")


class CallRow(CallState):
    """What a call's detail and a list show of it."""

    participant_count: int = Field(description="How many were ever to be in it.")
    primary_participant: PrimaryParticipant = Field(description="The first of them.")
    erased_at: datetime | None = Field(description="When everything but the bill was erased.")


class ListedCall(CallRow):
    """A call in a list, with how it went."""

    agent_name: str = Field(description="How that agent was called when the call was created.")
    sentiment: str | None = Field(description="`positive`, `neutral` or `negative`; null where that is not known.")
    passed: bool | None = Field(description="The verdict by the agent's rubric; null where there is none, or not yet.")


class CallPage(Answer):
    """A page of calls, the newest first."""

    calls: list[ListedCall] = Field(description="Those of this page.")
    total: int = Field(
        description="How many match. With filters besides `status` and `agent_id` they are counted up to 1000; 1001 "
        "says that there are more.",
    )
    limit: Limit
    offset: Offset
    next_cursor: Uuid | None = Field(description="The `cursor` of the next page; null on the last one.")


class Event(Answer):
    """One entry of a call's log."""

    id: str = Field(description="Its number; later ones are larger.", examples=["evt_1"])
    call_id: Uuid = Field(description="The call.")
    kind: EventKind = Field(description="What happened, for programs.")
    level: Level = Field(description="How bad it is.")
    source: Source = Field(description="Who tells: the call itself, the room, the phone, or the work after the call.")
    message: str = Field(description="What happened, for people; its words may change.")
    data: JsonObject = Field(description="What the kind says of it, as `docs/events.md` lists.")
    created_at: datetime = Field(description="When it happened, in UTC.")


class EventPage(Answer):
    """A page of events, the oldest first."""

    events: list[Event] = Field(description="Those of this page.")
    total: Total
    offset: Offset
    limit: Limit


class ToolCall(Answer):
    """A call of one of the agent's tools."""

    id: str = Field(description="What its server got as `Idempotency-Key`.")
    name: str = Field(description="The tool's; of an MCP server's, behind the server's.", examples=["look_up_order"])
    arguments: JsonObject | None = Field(
        description="What the model gave it; null where nothing of the call is transcribed."
    )
    status: ToolCallStatus = Field(description="`unknown`: whoever made it was lost before there was an answer.")
    answer: str | None = Field(description="What the model got to read; null: none, or nothing is transcribed.")
    error: str | None = Field(description="Why it failed; null: it has not.")
    started_at_ms: int = Field(description="In milliseconds from the call's start, as in the transcript.")
    duration_ms: int | None = Field(description="How long the answer took; null: there is none yet.")


class Spread(Answer):
    """Milliseconds: what half of the turns took at most, and what 95 of 100 did."""

    p50: int = Field(description="Half of the turns took so many milliseconds, or fewer.")
    p95: int = Field(description="95 of 100 turns took so many milliseconds, or fewer.")


class LatencyOfTurn(Answer):
    """What a caller waited for one answer; the three parts follow each other and are the whole of it."""

    user_stopped_at_ms: int = Field(
        description="When the caller's last sound ended, in milliseconds from the call's start."
    )
    response_ms: int = Field(description="Milliseconds from then to the first sound of the answer.")
    end_of_turn_ms: int = Field(description="Milliseconds until the agent took the turn to be over.")
    llm_ms: int = Field(
        description="Milliseconds from then to the answer's first word, with the tools that are called before it."
    )
    tts_ms: int = Field(description="Milliseconds from then to its first sound.")
    phrase_ms: int | None = Field(
        description='After so many milliseconds something else was heard, as "one moment"; null: nothing.'
    )
    measured_by: MeasuredBy = Field(
        description="`worker`; `recording` where the worker's figure was off by more than 100 ms."
    )


class Latency(Answer):
    """How long the callers waited for the agent's answers."""

    response_ms: Spread = Field(description="From the caller's last sound to the answer's first.")
    end_of_turn_ms: Spread = Field(description="The part of it until the agent took the turn to be over.")
    llm_ms: Spread = Field(description="The part of it until the model's first word.")
    tts_ms: Spread = Field(description="The part of it until the voice's first sound.")
    turns: list[LatencyOfTurn] = Field(description="Each answer, in the order of the call.")


class CallDetail(CallRow):
    """Everything about a call."""

    agent: AgentName = Field(description="The agent, as it was called when the call was created.")
    participants: list[Participant] = Field(description="Everybody who was ever to be in it, in that order.")
    variables: JsonObject = Field(description="As they were given.")
    post_call: JsonObject = Field(description="The agent's, merged with what the call says.")
    transcript: Transcript = Field(description="What was said, so far.")
    tool_calls: list[ToolCall] = Field(description="The agent's tools that were called, in that order.")
    recording: Recording = Field(description="Its latest recording.")
    intelligence: Intelligence = Field(description="What its latest analysis found, or the one before found.")
    latency: Latency | None = Field(description="null: the agent has answered nobody's voice yet, or it was erased.")
    events: list[Event] = Field(description="What happened in it, the oldest first.")


class EndedCall(Answer):
    """The call was ended."""

    status: Literal["ended"] = Field("ended", description="Always this.")
    id: Uuid = Field(description="The call.")
    message: str = Field("Call has been terminated.", description="The same for people.")


class Listening(Answer):
    """A way into a running call for who only listens."""

    url: str = Field(description="The LiveKit server.", examples=["ws://127.0.0.1:7880"])
    token: str = Field(
        description="Lets one client in, within a minute: unseen, with neither a microphone nor messages of its own.",
    )


class Reprocessing(Answer):
    """The post-call work was queued again."""

    status: Literal["queued"] = Field("queued", description="Always this.")
    job_id: str = Field(description="The job that begins it.", examples=["job_123"])
    message: str = Field("Post-call intelligence reprocessing has been queued.", description="The same for people.")

"""Calls: how they are created, listed and shown."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from api.schema.agents import AgentName
from api.schema.common import Answer, CustomData, Id, JsonObject, Page, Phone, Query, Request
from api.schema.participants import NewParticipant, Participant, Place, PrimaryParticipant
from calls.agent_config import MachineDetection
from calls.analysis.post_call import PostCall
from calls.events import EventKind
from calls.latency import MeasuredBy
from calls.placing.admission import Holdup
from calls.placing.batches import BatchStatus
from calls.tools.records import ToolCallStatus


def _printable(text: str) -> str:
    """The same; ValueError if it could not stand in a path."""
    if not text.isprintable():
        raise ValueError("expected printable characters")
    return text


BatchId = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_printable)]
MAX_RECIPIENTS = 500
NUMBER_NAMES = ("to", "identity", "phone", "phone_number")


class CreateCall(Request):
    """Body of `POST /v1/calls`."""

    agent_id: Id
    participants: list[NewParticipant] = Field(min_length=1, max_length=MAX_RECIPIENTS)
    metadata: CustomData = Field({}, examples=[{"source": "sdk", "session_id": "sess_123"}])
    variables: CustomData = Field(
        {},
        description="Values for the templates of prompt and first message; `{{customer.name}}` reaches into objects.",
    )
    post_call: PostCall | None = Field(None, description="Merged with the agent's, section by section.")
    machine_detection: MachineDetection | None = Field(None, description="Instead of the agent's.")


class Recipient(Request):
    """One recipient of a batch; the number may stand under any one of four names."""

    to: Phone | None = None
    identity: Phone | None = None
    phone: Phone | None = None
    phone_number: Phone | None = None
    from_number: Phone | None = None
    metadata: CustomData = Field(default_factory=dict)
    variables: CustomData = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_number(self) -> Self:
        if len([name for name in NUMBER_NAMES if getattr(self, name) is not None]) != 1:
            raise ValueError(f"expected exactly one of {', '.join(NUMBER_NAMES)}")
        return self

    @property
    def spelled(self) -> str:
        """The name under which the number was given."""
        return next(name for name in NUMBER_NAMES if getattr(self, name) is not None)

    @property
    def number(self) -> str:
        """The number as it was given."""
        return str(getattr(self, self.spelled))


class CreateBatch(Request):
    """Body of `POST /v1/calls/batch` and `/fanout`."""

    agent_id: Id
    to: list[Phone] | None = Field(None, min_length=1, max_length=MAX_RECIPIENTS, examples=[["+15551234567"]])
    recipients: list[Recipient] | None = Field(None, min_length=1, max_length=MAX_RECIPIENTS)
    from_number: Phone | None = None
    batch_id: BatchId | None = None
    metadata: CustomData = Field(default_factory=dict)
    variables: CustomData = Field(default_factory=dict)
    post_call: PostCall | None = None
    machine_detection: MachineDetection | None = Field(None, description="Instead of the agent's.")

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if (self.to is None) == (self.recipients is None):
            raise ValueError("expected exactly one of to, recipients")
        return self

    @property
    def everyone(self) -> list[Recipient]:
        """The recipients, however they were given."""
        if self.recipients is not None:
            return self.recipients
        return [Recipient(to=number) for number in self.to or []]


class CreateToken(Request):
    """Body of `POST /v1/realtime/token`."""

    agent_id: Id
    metadata: CustomData = Field(default_factory=dict)


class EventPageQuery(Page):
    """Which events of a call: the oldest first."""


class RecordingQuery(Query):
    """The signature of a link to a recording."""

    expires: str = Field(pattern=r"^[0-9]{1,16}$")
    signature: str = Field(max_length=128)


class CreatedCall(Answer):
    """A call that was created, with the way in for each browser."""

    id: str
    room_name: str = Field(examples=["call_a1b2c3d4-e5f6-7890-abcd-ef1234567890"])
    status: str = Field(examples=["connecting"])
    participants: list[Place]
    agent: AgentName
    warnings: list[str] = Field(
        [],
        description="A sentence for each of the agent's providers that is known not to work.",
        examples=[[], ["Speech recognition (deepgram) does not answer: there is no conversation until it does."]],
    )


class CreatedFanout(CreatedCall):
    """One call with many phones."""

    fanout_id: str
    queued: int


class BatchCall(Answer):
    """One call of a batch."""

    id: str
    identity: str
    status: str
    job_id: str


class RejectedRecipient(Answer):
    """A recipient who is not called, and why."""

    identity: str
    code: Literal["dnc", "invalid_number", "duplicate"]
    error: str


class CreatedBatch(Answer):
    """The calls of a batch."""

    batch_id: str
    queued: int
    calls: list[BatchCall]
    rejected: list[RejectedRecipient]
    warnings: list[str] = Field(
        [],
        description="A sentence for each of the agent's providers that is known not to work now.",
        examples=[[], ["Speech recognition (deepgram) does not answer: there is no conversation until it does."]],
    )


class BatchCounts(Answer):
    """How many calls of a batch have each status."""

    queued: int
    ringing: int
    in_progress: int
    completed: int
    failed: int


class Batch(Answer):
    """A batch as it is now."""

    batch_id: str
    agent_id: str
    status: BatchStatus = Field(description="A canceled batch calls nobody any more; what rang or talked goes on.")
    calls: int
    rejected: int = Field(description="Recipients who got no call.")
    counts: BatchCounts
    waiting_for: Holdup | None = Field(
        description="What its next call waits for: one of your lines, a free seat of a worker, or any worker at all.",
    )
    created_at: datetime
    canceled_at: datetime | None
    completed_at: datetime | None = Field(description="When its last call was over, also of a canceled one.")


class BatchPage(Answer):
    """A page of batches, the newest first."""

    batches: list[Batch]
    total: int
    limit: int
    offset: int


class CreatedToken(Answer):
    """The way into a call for one browser user."""

    client_token: str
    room_name: str
    server_url: str


class CallRow(Answer):
    """What a call's detail and a list show of it."""

    id: str = Field(description="The call's id.")
    room_name: str = Field(description="Its room in LiveKit.")
    agent_id: str = Field(description="The agent that it was created with.")
    status: str = Field(description="`connecting`, `queued`, `ringing`, `in_progress`, `completed` or `failed`.")
    end_reason: str | None = Field(description="Why it ended; null before.")
    created_at: datetime = Field(description="When it was asked for.")
    started_at: datetime | None = Field(description="When the first human and the agent were both there; null before.")
    ended_at: datetime | None = Field(description="When it was over; null before.")
    bill_duration: int = Field(description="Whole seconds from its start to its end.")
    total_cost: float = Field(description="Dollars: what its participants cost together.")
    metadata: JsonObject = Field(description="As it was given.")
    intelligence_status: str = Field(description="`not_started`, `pending`, `completed` or `failed`.")
    participant_count: int = Field(description="How many were ever to be in it.")
    primary_participant: PrimaryParticipant = Field(description="The first of them.")
    erased_at: datetime | None = Field(description="When everything but the bill was erased.")


class ListedCall(CallRow):
    """A call in a list, with how it went."""

    sentiment: str | None = Field(description="`positive`, `neutral` or `negative`; null where that is not known.")
    passed: bool | None = Field(description="The verdict by the agent's rubric; null where there is none, or not yet.")


class CallPage(Answer):
    """A page of calls, the newest first."""

    calls: list[ListedCall] = Field(description="Those of this page.")
    total: int = Field(
        description="How many match. With filters besides `status` and `agent_id` they are counted up to 1000; 1001 "
        "says that there are more.",
    )
    limit: int = Field(description="As it was asked for.")
    offset: int = Field(description="As it was asked for.")
    next_cursor: str | None = Field(description="The `cursor` of the next page; null on the last one.")


class Segment(Answer):
    """What one voice said without a break."""

    speaker: str = Field(description="`user` or `agent`.")
    text: str = Field(description="What was said, so far.")
    sequence: int = Field(description="Counts from 0, in the order in which they began.")
    started_at_ms: int = Field(description="From the call's start.")
    ended_at_ms: int = Field(description="From the call's start.")
    is_final: bool = Field(description="Whether it is said to its end.")
    source: str = Field(description="`runtime`: it was heard or spoken in the call.")
    participant_id: str | None = Field(description="Who said it; null for the agent.")
    participant_identity: str | None = Field(description="The name or number of who said it; null for the agent.")


class Utterance(Answer):
    """A segment as a raw transcript names it."""

    id: str = Field(examples=["t_1"])
    type: Literal["user_input", "agent_response", "dtmf", "tool_call"] = Field(examples=["user_input"])
    response: str = Field(
        description=(
            "What was said; of `dtmf`, the digits that a phone's keys were pressed for; of `tool_call`, the name, the "
            "arguments and what came of it, as JSON."
        ),
    )


class TimedUtterance(Utterance):
    """The same with the segment's other fields."""

    speaker: str
    sequence: int
    started_at_ms: int
    ended_at_ms: int
    is_final: bool
    source: str


class Transcript(Answer):
    """The transcript inside a call's detail."""

    text: str
    segments: list[Segment]
    raw: list[Utterance]
    erased_at: datetime | None


class TranscriptAnswer(Answer):
    """Answer of `GET /v1/calls/:id/transcript`."""

    transcript: list[TimedUtterance]
    text: str
    segments: list[Segment]


class Recording(Answer):
    """A call's recording; its signed link stands in `metadata.stereo_mix.signed_url` once it is ready.

    One that was erased is `disabled`, with `metadata.erased_at`.
    """

    id: str | None
    status: Literal["pending", "ready", "failed", "disabled"]
    format: str | None
    provider_recording_id: str | None
    metadata: dict[str, Any]


class RecordingAnswer(Answer):
    """Answer of `GET /v1/calls/:id/recording`."""

    call_id: str
    recording: Recording


class SummaryAnswer(Answer):
    """Answer of `GET /v1/calls/:id/summary`."""

    status: str
    sentiment: str | None
    summary: str | None


class Criterion(Answer):
    """How a call did by one point of the rubric."""

    criterion: str = Field(examples=["Greet the customer warmly"])
    passed: bool
    reasoning: str


class Evaluation(Answer):
    """How a call did by the rubric."""

    passed: bool
    score: float = Field(description="From 0 to 1.")
    reasoning: str
    criteria: list[Criterion] | None = Field(
        None,
        description="Each point of a rubric that numbers its points; absent without numbers.",
        exclude_if=lambda criteria: criteria is None,
    )


class Intelligence(Answer):
    """What the post-call work found."""

    status: str
    summary: str | None
    sentiment: str | None
    structured_data: JsonObject | None
    evaluation: Evaluation | None
    errors: list[str] = Field(description="Which part failed or is late, why, and when it is tried again.")


class Generation(Intelligence):
    """One of the times that a call was analysed."""

    generation: int = Field(description="Counts from 1.")
    asked_at: datetime
    concluded_at: datetime | None
    post_call: JsonObject = Field(description="The sections as they were resolved for it.")
    parts: dict[str, Literal["pending", "completed", "failed"]] = Field(
        description="How far each part is: `summary` (with the sentiment), `extraction`, `evaluation`.",
        examples=[{"summary": "completed", "evaluation": "pending"}],
    )


class GenerationPage(Answer):
    """A page of a call's generations, the newest first."""

    generations: list[Generation]
    total: int
    limit: int
    offset: int


class Event(Answer):
    """One entry of a call's log."""

    id: str = Field(examples=["evt_1"])
    call_id: str
    kind: EventKind = Field(description="What happened, for programs.")
    level: str
    source: str
    message: str = Field(description="What happened, for people; its words may change.")
    data: JsonObject = Field(description="What the kind says of it, as `docs/events.md` lists.")
    created_at: datetime


class EventPage(Answer):
    """A page of events, the oldest first."""

    events: list[Event]
    total: int
    offset: int
    limit: int


class ToolCall(Answer):
    """A call of one of the agent's tools."""

    id: str = Field(description="What its server got as `Idempotency-Key`.")
    name: str = Field(examples=["look_up_order"])
    arguments: JsonObject | None = Field(description="null where nothing of the call is transcribed.")
    status: ToolCallStatus = Field(description="`unknown`: whoever made it was lost before there was an answer.")
    answer: str | None
    error: str | None = Field(description="Why it failed.")
    started_at_ms: int = Field(description="From the call's start, as in the transcript.")
    duration_ms: int | None


class Spread(Answer):
    """Milliseconds: what half of the turns took at most, and what 95 of 100 did."""

    p50: int
    p95: int


class LatencyOfTurn(Answer):
    """What a caller waited for one answer; the three parts follow each other and are the whole of it."""

    user_stopped_at_ms: int = Field(description="When the caller's last sound ended, from the call's start.")
    response_ms: int = Field(description="From then to the first sound of the answer.")
    end_of_turn_ms: int = Field(description="Until the agent took the turn to be over.")
    llm_ms: int = Field(
        description="From then until the answer's first word; tools that are called before it are included."
    )
    tts_ms: int = Field(description="From then until its first sound.")
    phrase_ms: int | None = Field(description='After so long something else was heard, as "one moment"; null: nothing.')
    measured_by: MeasuredBy = Field(description="`recording` where the worker's figure was off by more than 100 ms.")


class Latency(Answer):
    """How long the callers waited for the agent's answers."""

    response_ms: Spread
    end_of_turn_ms: Spread
    llm_ms: Spread
    tts_ms: Spread
    turns: list[LatencyOfTurn]


class CallDetail(CallRow):
    """Everything about a call."""

    agent: AgentName
    participants: list[Participant]
    variables: JsonObject
    post_call: JsonObject
    transcript: Transcript
    tool_calls: list[ToolCall]
    recording: Recording
    intelligence: Intelligence
    latency: Latency | None = Field(description="null: the agent has answered nobody's voice yet, or it was erased.")
    events: list[Event]


class EndedCall(Answer):
    """The call was ended."""

    status: Literal["ended"] = "ended"
    id: str
    message: str = "Call has been terminated."


class Listening(Answer):
    """A way into a running call for who only listens."""

    url: str = Field(description="The LiveKit server.", examples=["ws://127.0.0.1:7880"])
    token: str = Field(
        description="Lets one client in, within a minute: unseen, with neither a microphone nor messages of its own.",
    )


class Reprocessing(Answer):
    """The post-call work was queued again."""

    status: Literal["queued"] = "queued"
    job_id: str = Field(examples=["job_123"])
    message: str = "Post-call intelligence reprocessing has been queued."

"""Calls: how they are created, listed and shown."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from api.schema.agents import AgentName
from api.schema.common import (
    Answer,
    CreatedAt,
    CustomData,
    Id,
    JsonObject,
    Limit,
    Offset,
    Page,
    Phone,
    Query,
    Request,
    Total,
    Uuid,
    one_of,
)
from api.schema.participants import NewParticipant, Participant, Place, PrimaryParticipant
from calls.agent_config import MachineDetection
from calls.analysis.post_call import PostCall
from calls.events import EventKind
from calls.latency import MeasuredBy
from calls.placing.admission import Holdup
from calls.placing.batches import BatchStatus
from calls.states import CallStatus, EndReason, IntelligenceStatus
from calls.tools.records import ToolCallStatus


def _printable(text: str) -> str:
    """The same; ValueError if it could not stand in a path."""
    if not text.isprintable():
        raise ValueError("expected printable characters")
    if text in {".", ".."}:
        raise ValueError("expected more than dots, which a path does without")
    return text


BatchId = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_printable)]
MAX_RECIPIENTS = 500

# Answers say what a row says; that it is one of these is the database's and the code's own doing.
Status = Annotated[str, one_of(CallStatus)]
Reason = Annotated[str, one_of(EndReason)]
Analysed = Annotated[str, one_of(IntelligenceStatus)]
Sentiment = Annotated[str, one_of(["positive", "neutral", "negative"])]
Speaker = Annotated[str, one_of(["user", "agent"])]
Level = Annotated[str, one_of(["info", "warning", "error"])]
Source = Annotated[str, one_of(["lifecycle", "livekit", "telephony", "post_call"])]
NUMBER_NAMES = ("to", "identity", "phone", "phone_number")


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


class Recipient(Request):
    """One recipient of a batch; the number may stand under any one of four names."""

    to: Phone | None = Field(None, description="The number that is called.")
    identity: Phone | None = Field(None, description="The same as `to`.")
    phone: Phone | None = Field(None, description="The same as `to`.")
    phone_number: Phone | None = Field(None, description="The same as `to`.")
    from_number: Phone | None = Field(None, description="Caller ID of this call; null: the batch's.")
    metadata: CustomData = Field(default_factory=dict, description="Added to the batch's.")
    variables: CustomData = Field(default_factory=dict, description="Added to the batch's.")

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

    agent_id: Id = Field(description="The agent that talks.")
    to: list[Phone] | None = Field(
        None,
        min_length=1,
        max_length=MAX_RECIPIENTS,
        description="The numbers that are called; null: those of `recipients`.",
        examples=[["+15551234567"]],
    )
    recipients: list[Recipient] | None = Field(
        None,
        min_length=1,
        max_length=MAX_RECIPIENTS,
        description="The same, each with what is its own; instead of `to`.",
    )
    from_number: Phone | None = Field(
        None, description="Caller ID, one of your numbers; null: the key's, or your oldest number."
    )
    batch_id: BatchId | None = Field(
        None, description="Your name for it; the same one again is the same batch. null: one is made."
    )
    metadata: CustomData = Field(default_factory=dict, description="Your own data, of each of the calls.")
    variables: CustomData = Field(
        default_factory=dict, description="Values for the templates of prompt and first message, in each of the calls."
    )
    post_call: PostCall | None = Field(None, description="Merged with the agent's, section by section.")
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

    agent_id: Id = Field(description="The agent that talks.")
    metadata: CustomData = Field(
        default_factory=dict, description="Your own data: comes back with the call, and fills templates."
    )


class EventPageQuery(Page):
    """Which events of a call: the oldest first."""


class RecordingQuery(Query):
    """The signature of a link to a recording."""

    expires: str = Field(pattern=r"^[0-9]{1,16}$", description="Until when the link works, in seconds since 1970.")
    signature: str = Field(max_length=128, description="Ours, of the file's key and `expires`.")


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


class CreatedFanout(CreatedCall):
    """One call with many phones."""

    fanout_id: str = Field(description="The `batch_id` that was given, or one that was made; also in `metadata`.")
    queued: int = Field(description="How many phones are to be called.")


class BatchCall(Answer):
    """One call of a batch."""

    id: Uuid = Field(description="The call's id.")
    identity: str = Field(description="The number that it calls, as E.164.")
    status: Status = Field(description="`queued`.")
    job_id: str = Field(description="The job that dials.", examples=["job_123"])


class RejectedRecipient(Answer):
    """A recipient who is not called, and why."""

    identity: str = Field(description="The number, as it was given if it is none.")
    code: Literal["dnc", "invalid_number", "duplicate"] = Field(
        description="`dnc`: on the do-not-call list; `invalid_number`: no phone number; `duplicate`: was there before."
    )
    error: str = Field(description="The same for people.")


class CreatedBatch(Answer):
    """The calls of a batch."""

    batch_id: str = Field(description="Names the batch in paths.")
    queued: int = Field(description="How many calls were made.")
    calls: list[BatchCall] = Field(description="Those calls, in the order of the recipients.")
    rejected: list[RejectedRecipient] = Field(description="Recipients who get no call.")
    warnings: list[str] = Field(
        [],
        description="A sentence for each of the agent's providers that is known not to work now.",
        examples=[[], ["Speech recognition (deepgram) does not answer: there is no conversation until it does."]],
    )


class BatchCounts(Answer):
    """How many calls of a batch have each status."""

    queued: int = Field(description="They wait for their turn, or are being dialled.")
    ringing: int = Field(description="The phone rings.")
    in_progress: int = Field(description="Somebody talks.")
    completed: int = Field(description="Over, after a conversation or by request.")
    failed: int = Field(description="Over without a conversation.")


class Batch(Answer):
    """A batch as it is now."""

    batch_id: str = Field(description="Names the batch in paths.")
    agent_id: Uuid = Field(description="The agent that talks.")
    status: BatchStatus = Field(description="A canceled batch calls nobody any more; what rang or talked goes on.")
    calls: int = Field(description="How many calls it has.")
    rejected: int = Field(description="Recipients who got no call.")
    counts: BatchCounts = Field(description="How many of its calls have each status.")
    waiting_for: Holdup | None = Field(
        description="What its next call waits for: one of your lines, a free seat of a worker, or any worker at all.",
    )
    created_at: CreatedAt
    canceled_at: datetime | None = Field(description="When it was canceled, if it was.")
    completed_at: datetime | None = Field(description="When its last call was over, also of a canceled one.")


class BatchDetail(Batch):
    """A batch as it is now, why calls of it failed, and whom it does not call."""

    failures: dict[str, int] = Field(
        description="Why calls of it failed: end reason and how many.",
        examples=[{"busy": 2, "no_answer": 7}],
    )
    rejected_recipients: list[RejectedRecipient] = Field(description="Recipients who got no call, and why.")


class BatchPage(Answer):
    """A page of batches, the newest first."""

    batches: list[Batch] = Field(description="Those of this page.")
    total: Total
    limit: Limit
    offset: Offset


class CreatedToken(Answer):
    """The way into a call for one browser user."""

    client_token: str = Field(description="Lets one browser into the room; for LiveKit's client.", examples=["eyJ..."])
    room_name: str = Field(description="The call's room in LiveKit: `call_` and the call's id.")
    server_url: str = Field(description="Where LiveKit is, for its client.", examples=["wss://livekit.example.com"])
    call_id: Uuid = Field(description="Names the call in paths.")
    call_token: str = Field(description="In place of a key for this call's `stream` and `end`, and for nothing else.")


class CallRow(Answer):
    """What a call's detail and a list show of it."""

    id: Uuid = Field(description="Names the call in paths.")
    room_name: str = Field(description="Its room in LiveKit.")
    agent_id: Uuid = Field(description="The agent that it was created with.")
    status: Status = Field(description="Where it is in its life.")
    end_reason: Reason | None = Field(description="Why it ended; null before.")
    created_at: datetime = Field(description="When it was asked for.")
    started_at: datetime | None = Field(description="When the first human and the agent were both there; null before.")
    ended_at: datetime | None = Field(description="When it was over; null before.")
    bill_duration: int = Field(description="Whole seconds from its start to its end.")
    total_cost: float = Field(description="Dollars: what its participants cost together.")
    metadata: JsonObject = Field(description="As it was given.")
    intelligence_status: Analysed = Field(description="How far its analysis is; `not_started` also if there is none.")
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
    limit: Limit
    offset: Offset
    next_cursor: Uuid | None = Field(description="The `cursor` of the next page; null on the last one.")


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


class Recording(Answer):
    """A call's recording; its signed link stands in `metadata.stereo_mix.signed_url` once it is ready.

    One that was erased is `disabled`, with `metadata.erased_at`.
    """

    id: Uuid | None = Field(description="The recording's id; null while nothing is recorded.")
    status: Literal["pending", "ready", "failed", "disabled"] = Field(
        description="`pending`: being made; `ready`: can be fetched; `failed`: there is none; `disabled`: none is made."
    )
    format: str | None = Field(description="`wav` or `ogg`.")
    provider_recording_id: str | None = Field(description="Where the file is in the storage.")
    metadata: dict[str, Any] = Field(
        description="`stereo_mix.signed_url`: the link, for 15 minutes unless the installation says otherwise; "
        "`duration_ms`; `size_bytes`; of a failure `error`; of one that was erased `erased_at`.",
    )


class RecordingAnswer(Answer):
    """Answer of `GET /v1/calls/:id/recording`."""

    call_id: Uuid = Field(description="The call.")
    recording: Recording = Field(description="Its latest recording.")


class RecordingPeaks(Answer):
    """How loud both sides of a recording are, to be drawn; of any length at most 3000 points a side."""

    call_id: str = Field(description="The call.")
    duration_ms: int = Field(description="How long the recording plays; it begins with the call.")
    step_ms: int = Field(description="How much of it one point stands for.", examples=[10])
    people: list[int] = Field(description="The loudest sample of each step, from 0 to 255: everybody but the agent.")
    agent: list[int] = Field(description="The same of the agent.")


class SummaryAnswer(Answer):
    """Answer of `GET /v1/calls/:id/summary`."""

    status: Analysed = Field(description="How far the call's analysis is.")
    sentiment: Sentiment | None = Field(description="The caller's; null until it is known.")
    summary: str | None = Field(description="What the call was about; null until it is known.")


class Criterion(Answer):
    """How a call did by one point of the rubric."""

    criterion: str = Field(description="The point, in the rubric's words.", examples=["Greet the customer warmly"])
    passed: bool = Field(description="Whether the agent met it.")
    reasoning: str = Field(description="Why.")


class Evaluation(Answer):
    """How a call did by the rubric."""

    passed: bool = Field(description="Whether the agent met the rubric.")
    score: float = Field(description="From 0 to 1.")
    reasoning: str = Field(description="Why.")
    criteria: list[Criterion] | None = Field(
        None,
        description="Each point of a rubric that numbers its points; absent without numbers.",
        exclude_if=lambda criteria: criteria is None,
    )


class AnalysisPart(Answer):
    """How far a part of an analysis is."""

    status: Literal["pending", "completed", "failed"] = Field(description="`pending` until it is there or given up.")
    error: str | None = Field(description="Why it failed; of a pending one, why its last attempt did or it is late.")
    attempt: int | None = Field(
        description="The present attempt or the last one, from 1; null before the first, or when that is forgotten."
    )
    max_attempts: int | None = Field(description="After so many it is given up.")
    next_attempt_at: datetime | None = Field(description="When a pending part is tried again; null while it is tried.")


class Intelligence(Answer):
    """What the post-call work found."""

    status: Analysed = Field(description="`failed` only if every part failed.")
    summary: str | None = Field(description="What the call was about; null without one.")
    sentiment: Sentiment | None = Field(description="The caller's; null without a summary.")
    structured_data: JsonObject | None = Field(
        description="What the agent's or the call's schema asks for; null without."
    )
    evaluation: Evaluation | None = Field(description="How the agent did; null without a rubric.")
    errors: list[str] = Field(description="Which part failed or is late, why, and when it is tried again.")
    parts: dict[str, AnalysisPart] = Field(
        description="How far each part of the latest analysis is: `summary` (with the sentiment), `extraction`, "
        "`evaluation`; those that are not asked for are absent.",
    )


class Generation(Intelligence):
    """One of the times that a call was analysed."""

    generation: int = Field(description="Counts from 1.")
    asked_at: datetime = Field(description="When it was asked for: at the call's end, or by `reprocess`.")
    concluded_at: datetime | None = Field(description="When its last part was there, or had failed; null before.")
    post_call: JsonObject = Field(description="The sections as they were resolved for it.")


class GenerationPage(Answer):
    """A page of a call's generations, the newest first."""

    generations: list[Generation] = Field(description="Those of this page.")
    total: Total
    limit: Limit
    offset: Offset


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

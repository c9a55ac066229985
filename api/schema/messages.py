"""What the user's own server is sent: one shape for each event."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schema.batches import BatchCounts
from api.schema.calls import CallState
from api.schema.common import Answer, Uuid
from api.schema.participants import ParticipantState, Transport
from calls.placing.batches import BatchStatus
from calls.tenants.webhooks import TEST_EVENT, WebhookEvent


class ParticipantThen(Answer):
    """Somebody in a call."""

    id: Uuid = Field(description="The participant's id.")
    transport: Transport = Field(description="`webrtc` for browsers, `pstn` for phones.")
    identity: str = Field(description="A browser's identity, or a phone number.")
    status: ParticipantState = Field(description="Where it was then.")


class CallThen(CallState):
    """A call as it was when the event happened; what was said in it is fetched by its id."""

    participants: list[ParticipantThen] = Field(description="Everybody who was ever to be in it, in that order.")


class BatchThen(Answer):
    """A batch when its last call was over."""

    batch_id: str = Field(description="Names the batch in paths.")
    agent_id: Uuid = Field(description="The agent that talked.")
    status: BatchStatus = Field(description="`canceled`: not everybody was called.")
    calls: int = Field(description="How many calls it had.")
    rejected: int = Field(description="Recipients who got no call.")
    counts: BatchCounts = Field(description="How many of its calls have each status.")
    created_at: datetime = Field(description="When it was created.")
    canceled_at: datetime | None = Field(description="When it was canceled, if it was.")
    completed_at: datetime = Field(description="When its last call was over.")


class WebhookTestData(Answer):
    """Nothing happened."""

    message: str = Field(description="A sentence.", examples=["It works."])


class Message(Answer):
    """What every message has beside its `data`."""

    id: Uuid = Field(description="The delivery's: the same message twice has the same id.")
    event: str = Field(description="What happened.")
    created_at: datetime = Field(description="When it happened, in UTC.")


class CallMessage(Message):
    """A message of a call."""

    data: CallThen = Field(description="The call, when it happened.")


class CallStartedMessage(CallMessage):
    """The agent and the first human are both there."""

    event: Literal[WebhookEvent.CALL_STARTED] = Field(description="What happened.")


class CallCompletedMessage(CallMessage):
    """The call is over, after a conversation or by request. Its transcript and what is made of it come later."""

    event: Literal[WebhookEvent.CALL_COMPLETED] = Field(description="What happened.")


class CallFailedMessage(CallMessage):
    """The call is over without a conversation."""

    event: Literal[WebhookEvent.CALL_FAILED] = Field(description="What happened.")


class TranscriptReadyMessage(CallMessage):
    """All that was said in the call is written: `GET /v1/calls/{id}/transcript`."""

    event: Literal[WebhookEvent.TRANSCRIPT_READY] = Field(description="What happened.")


class RecordingReadyMessage(CallMessage):
    """The recording can be fetched: `GET /v1/calls/{id}/recording`."""

    event: Literal[WebhookEvent.RECORDING_READY] = Field(description="What happened.")


class IntelligenceReadyMessage(CallMessage):
    """An analysis is done, or has failed, as `data.intelligence_status` says: `GET /v1/calls/{id}/summary`."""

    event: Literal[WebhookEvent.INTELLIGENCE_READY] = Field(description="What happened.")


class BatchCompletedMessage(Message):
    """The last call of a batch is over, also of one that was canceled."""

    event: Literal[WebhookEvent.BATCH_COMPLETED] = Field(description="What happened.")
    data: BatchThen = Field(description="The batch, when it happened.")


class WebhookTestMessage(Message):
    """You asked for it: `POST /v1/webhooks/{id}/test`."""

    event: Literal["webhook.test"] = Field(description="What happened.")
    data: WebhookTestData = Field(description="Only to see that it arrives.")


MESSAGES: dict[str, type[Message]] = {
    WebhookEvent.CALL_STARTED: CallStartedMessage,
    WebhookEvent.CALL_COMPLETED: CallCompletedMessage,
    WebhookEvent.CALL_FAILED: CallFailedMessage,
    WebhookEvent.TRANSCRIPT_READY: TranscriptReadyMessage,
    WebhookEvent.RECORDING_READY: RecordingReadyMessage,
    WebhookEvent.INTELLIGENCE_READY: IntelligenceReadyMessage,
    WebhookEvent.BATCH_COMPLETED: BatchCompletedMessage,
    TEST_EVENT: WebhookTestMessage,
}

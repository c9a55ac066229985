"""Many phones at once: batches of calls, or one call with all of them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from api.schema.calls import MAX_RECIPIENTS, CreatedCall, Status
from api.schema.common import Answer, CreatedAt, CustomData, Id, Limit, Offset, Phone, Request, Total, Uuid
from calls.agent_config import MachineDetection
from calls.analysis.post_call import PostCall
from calls.placing.admission import Holdup
from calls.placing.batches import BatchStatus


def _printable(text: str) -> str:
    """The same; ValueError if it could not stand in a path."""
    if not text.isprintable():
        raise ValueError("expected printable characters")
    if text in {".", ".."}:
        raise ValueError("expected more than dots, which a path does without")
    return text


BatchId = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_printable)]
NUMBER_NAMES = ("to", "identity", "phone", "phone_number")


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

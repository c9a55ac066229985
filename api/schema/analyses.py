"""What the work after a call finds."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.schema.common import Answer, JsonObject, Limit, Offset, Total, one_of
from calls.states import IntelligenceStatus

Analysed = Annotated[str, one_of(IntelligenceStatus)]
Sentiment = Annotated[str, one_of(["positive", "neutral", "negative"])]


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

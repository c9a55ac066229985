"""What calls come to."""

import re
from contextlib import suppress
from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from api.schema.common import Answer, Id, Query

Group = Literal["day", "agent"]
MOST_DAYS = 366
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _listed(text: str) -> list[str]:
    return text.split(",")


def _day(text: str) -> date:
    # Of all that ISO 8601 calls a date, only this is one by JSON schema.
    with suppress(ValueError):
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    raise ValueError("expected a day, as in 2026-03-01")


Day = Annotated[
    date,
    BeforeValidator(_day, json_schema_input_type=str),
    WithJsonSchema({"type": "string", "format": "date"}),
]


class UsageQuery(Query):
    """Which calls, and by what they are put together."""

    from_day: Day | None = Field(
        None, description="The first day (UTC); without it, 29 days before the last.", examples=["2026-03-01"]
    )
    to_day: Day | None = Field(
        None,
        description=f"The last day, which counts too; without it, today. At most {MOST_DAYS} days.",
        examples=["2026-03-31"],
    )
    agent_id: Id | None = Field(None, description="Calls of this agent only.")
    group_by: Annotated[
        frozenset[Group],
        BeforeValidator(_listed),
        WithJsonSchema({"type": "string", "pattern": "^(day|agent)(,(day|agent))*$"}),
    ] = Field(
        frozenset({"day"}),
        description="What each group is of: `day` (unless said), `agent`, or both with a comma between them.",
        examples=["day,agent"],
        validate_default=False,
    )


class Answers(Answer):
    """How long callers waited for the agent's answers."""

    count: int = Field(description="How many there were.")
    p50_ms: int | None = Field(description="Half of them took so long or shorter; null without any, and from 20 s on.")
    p95_ms: int | None = Field(description="95 % of them took so long or shorter; null without any, and from 20 s on.")


class UsageFigures(Answer):
    """What some calls came to. Calls that were erased count, those that are not over do not."""

    calls: int = Field(description="How many are over.")
    completed: int = Field(description="How many of them have the status `completed`.")
    failed: int = Field(description="How many of them have the status `failed`.")
    failures: dict[str, int] = Field(
        description="How many failed for which `end_reason`.", examples=[{"no_answer": 7, "busy": 2}]
    )
    minutes: float = Field(description="How long they lasted together.")
    cost: float = Field(description="Dollars.")
    answers: Answers = Field(description="How long the agents' answers in them took.")


class UsageGroup(UsageFigures):
    """What the calls of one group came to."""

    day: date | None = Field(description="The day (UTC) on which they were asked for; null unless grouped by it.")
    agent_id: str | None = Field(description="Their agent, also a deleted one; null unless grouped by it.")


class Usage(Answer):
    """What calls came to. A group without calls is left out."""

    from_day: date = Field(description="The first day.")
    to_day: date = Field(description="The last day, which counts too.")
    total: UsageFigures = Field(description="All of them together.")
    groups: list[UsageGroup] = Field(description="By day, and of one day by agent.")

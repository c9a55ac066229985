"""The questions that are asked about calls, over the real protocol, to a scripted model."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from calls.analysis.post_call import EvaluationSection, ExtractionSection, SummarySection
from calls.settings import Settings
from pipeline.evaluation import evaluate
from pipeline.extraction import extract
from pipeline.llm import Answer, Conversation, Llm, judging
from pipeline.summary import summarize
from tests.conftest import PATIENCE_S
from tests.providers import Chat, Providers

STARTED_AT = datetime(2026, 11, 28, 16, 27, tzinfo=UTC)
SAID = "Agent: Hello, this is Aria.\nCaller: I need a table for four.\nAgent: It is booked."
SUMMARY = {"summary": "A table for four was booked.", "sentiment": "positive"}
GUESTS = {
    "type": "object",
    "properties": {"guests": {"type": "integer"}, "wishes": {"type": "string"}},
    "required": ["guests"],
    "additionalProperties": False,
}

Summarize = Callable[..., Awaitable[Answer]]
Extract = Callable[..., Awaitable[Answer]]
Evaluate = Callable[..., Awaitable[Answer]]


def well(chat: Chat) -> dict[str, Any] | str:
    """A model that answers every question well, with or without a schema in the request."""
    if "notes" in chat.system and "part" in chat.system:
        lines = chat.last_user.splitlines()[1:-1]
        return "\n".join(line for line in lines if "important" in line) or "Caller: nothing of note"
    if "sentiment" in chat.system:
        return SUMMARY
    if "rubric" in chat.system:
        return {"passed": True, "score": 0.9, "reasoning": "The agent booked it."}
    return {"guests": 4}


@pytest.fixture(autouse=True)
def _judges_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """To start one takes a busy machine long; a test of the deadline sets its own."""
    monkeypatch.setattr(judging, "DEADLINE_S", float(PATIENCE_S))


@pytest.fixture
async def model() -> AsyncIterator[Providers]:
    async with Providers() as providers:
        yield providers


@pytest.fixture
async def llm(model: Providers) -> AsyncIterator[Llm]:
    async with Llm.connect(Settings(_env_file=None, llm_url=model.url)) as opened:
        yield opened


@pytest.fixture
def summary_of(llm: Llm) -> Summarize:
    async def ask(transcript: str = SAID, prompt: str | None = None) -> Answer:
        return await summarize(llm, SummarySection(enabled=True, prompt=prompt), Conversation(transcript, STARTED_AT))

    return ask


@pytest.fixture
def data_of(llm: Llm) -> Extract:
    async def ask(transcript: str = SAID, schema: dict[str, Any] = GUESTS, prompt: str | None = None) -> Answer:
        section = ExtractionSection.model_construct(json_schema=schema, prompt=prompt)
        return await extract(llm, section, Conversation(transcript, STARTED_AT))

    return ask


@pytest.fixture
def judgement_of(llm: Llm) -> Evaluate:
    async def ask(transcript: str = SAID, rubric: str = "Did the agent book a table?") -> Answer:
        return await evaluate(llm, EvaluationSection(rubric=rubric), Conversation(transcript, STARTED_AT))

    return ask

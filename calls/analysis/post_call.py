"""What is made of a call when it is over: the `post_call` sections of agents and calls, and how they merge."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from calls.analysis import json_schema
from calls.config import Config, is_stored

Section = Literal["recording", "summary", "structured_extraction", "evaluation"]
SECTIONS: tuple[Section, ...] = ("recording", "summary", "structured_extraction", "evaluation")
RecordingFormat = Literal["wav", "ogg"]

Text = Annotated[str, Field(max_length=20_000)]


class _Section(Config):
    enabled: bool | None = Field(
        None, description="false: off. Recording and summary need true; the others are on with what they are given."
    )

    @property
    def is_on(self) -> bool:
        """Whether it is to be made."""
        return self.enabled is True


class RecordingSection(_Section):
    """On with `enabled: true`; `format` is what kind of file it becomes."""

    format: RecordingFormat = Field("wav", description="The file: `wav` (16 bit), or the smaller `ogg` (Opus).")


class SummarySection(_Section):
    """Summary and sentiment, on with `enabled: true`; `prompt` says what to look at."""

    prompt: Text | None = Field(None, description="What the summary is to look at; null: the call as a whole.")


class ExtractionSection(_Section):
    """Data out of the call, on with a `json_schema`; `prompt` says what to look for, else the schema does."""

    json_schema: dict[str, Any] | None = Field(
        None, description="JSON Schema of the object that `intelligence.structured_data` is to be."
    )
    prompt: Text | None = Field(None, description="What to look for; null: what the schema says.")

    @field_validator("json_schema")
    @classmethod
    def _check(cls, schema: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        if schema and not is_stored(info):
            json_schema.check(schema)
        return schema

    @property
    @override
    def is_on(self) -> bool:
        return self.enabled is not False and bool(self.json_schema)


class EvaluationSection(_Section):
    """A judgement of the agent, on with a `rubric` or `criteria`."""

    rubric: Text | None = Field(
        None, description="What the agent is judged by; points that are numbered are also judged one by one."
    )
    criteria: Text | None = Field(None, description="The same; of both together, each counts.")

    @field_validator("rubric", "criteria")
    @classmethod
    def _check(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and not text.strip() and not is_stored(info):
            raise ValueError("expected what the agent is judged by, or null; this is empty")
        return text

    @property
    @override
    def is_on(self) -> bool:
        return self.enabled is not False and bool(self.yardstick)

    @property
    def yardstick(self) -> str:
        """What the agent is judged by: `rubric`, `criteria`, or both."""
        texts = [(text or "").strip() for text in (self.rubric, self.criteria)]
        return "\n\n".join(text for text in texts if text)


class PostCall(Config):
    """The `post_call` object of an agent or a call; a section that is null, `{}` or `enabled: false` is off."""

    recording: RecordingSection | None = Field(None, description="A file with a channel for each side; null: none.")
    summary: SummarySection | None = Field(None, description="A summary, and the caller's sentiment; null: none.")
    structured_extraction: ExtractionSection | None = Field(None, description="Data out of the call; null: none.")
    evaluation: EvaluationSection | None = Field(None, description="A judgement of the agent; null: none.")

    @property
    def on(self) -> set[Section]:
        """Which sections are to be made."""
        sections = {name: getattr(self, name) for name in SECTIONS}
        return {name for name, section in sections.items() if section is not None and section.is_on}

    def given(self) -> dict[str, Any]:
        """The sections as JSON, as they were given: nothing is added to them."""
        return self.model_dump(exclude_unset=True)


def merge(default: PostCall, override: PostCall | None) -> PostCall:
    """The sections of a call: the agent's, each overridden key by key; an override of null or `{}` is off."""
    merged = default.given()
    for section, values in (override.given() if override else {}).items():
        merged[section] = {**(merged.get(section) or {}), **values} if values else values
    return PostCall.stored(merged)

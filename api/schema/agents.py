"""Agents."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schema.common import Answer, JsonObject, Name, Request, Short, Text
from calls.post_call import PostCall

Redaction = Literal["card", "email", "phone"]
Seconds = Annotated[int, Field(ge=1, le=86_400)]
Days = Annotated[int, Field(ge=1, le=36_500)]


class Features(Request):
    """What is kept of a conversation, and how."""

    transcription_enabled: bool = True
    redact: list[Redaction] = Field([], max_length=3)


class RetentionDays(Request):
    """After how many days something is deleted; null: it is kept."""

    recordings: Days | None = None
    transcripts: Days | None = None


class AgentConfig(Request):
    """Everything that shapes a conversation."""

    system_prompt: Text = ""
    voice: Short | None = None
    language: Short | None = None
    llm_provider: Short | None = None
    llm_model: Short | None = None
    stt_provider: Short | None = None
    stt_model: Short | None = None
    tts_provider: Short | None = None
    tts_model: Short | None = None
    first_message: Text = Field("", description="What the agent says when the call starts; empty: it waits.")
    max_duration_s: Seconds = 3600
    silence_reminder_s: Seconds = Field(12, description="After this silence the agent asks once.")
    silence_timeout_s: Seconds = Field(30, description="After this silence the agent ends the call.")
    features: Features = Features()
    retention_days: RetentionDays = RetentionDays()
    post_call: PostCall = PostCall()

    def changes(self) -> dict[str, Any]:
        """The given fields; in `post_call` only what was said, so that it comes back as it was given."""
        return self._dump(set(self.model_fields_set))

    def _dump(self, fields: set[str]) -> dict[str, Any]:
        dumped = self.model_dump(include=fields)
        if "post_call" in dumped:
            dumped["post_call"] = self.post_call.model_dump(exclude_unset=True)
        return dumped


class CreateAgent(AgentConfig):
    """Body of `POST /v1/agents`."""

    name: Name = Field(examples=["Aria"])

    def config(self) -> dict[str, Any]:
        """Every field but the name, defaults included."""
        return self._dump(set(AgentConfig.model_fields))


class UpdateAgent(AgentConfig):
    """Body of `PUT /v1/agents/:id`: only the given fields change."""

    name: Name = Field("", description="The new name.")


class Agent(Answer):
    """An agent."""

    id: str
    name: str = Field(examples=["Aria"])
    system_prompt: str
    voice: str | None
    language: str | None
    llm_provider: str | None
    llm_model: str | None
    stt_provider: str | None
    stt_model: str | None
    tts_provider: str | None
    tts_model: str | None
    first_message: str
    max_duration_s: int
    silence_reminder_s: int
    silence_timeout_s: int
    features: Features
    retention_days: RetentionDays
    post_call: JsonObject
    created_at: datetime
    updated_at: datetime


class AgentPage(Answer):
    """A page of agents."""

    agents: list[Agent]
    total: int
    offset: int
    limit: int


class AgentName(Answer):
    """The agent of a call."""

    id: str
    name: str

"""Agents."""

from typing import Any

from pydantic import ConfigDict, Field

from api.schema.common import (
    Answer,
    CreatedAt,
    JsonObject,
    Limit,
    Name,
    Offset,
    Total,
    UpdatedAt,
    Uuid,
    without_defaults,
)
from calls.agent_config import AgentConfig, Features, MachineDetection, RetentionDays
from calls.phrases import Phrases
from calls.providers.choice import Choice, Voice
from calls.tools.config import HttpTool, McpServer


class CreateAgent(AgentConfig):
    """Body of `POST /v1/agents`."""

    name: Name = Field(description="Callers in a browser see it; nobody hears it.", examples=["Aria"])


class UpdateAgent(AgentConfig):
    """Body of `PUT /v1/agents/:id`: only the given fields change."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    name: Name = Field("", description="The new name.")


def _as_configured(schema: dict[str, Any]) -> None:
    """A field says what the configuration's of the same name does."""
    for name, field in AgentConfig.model_fields.items():
        schema["properties"][name].setdefault("description", field.description)


class CallAgent(Answer):
    """The agent of a call as it was when the call was created."""

    model_config = ConfigDict(json_schema_extra=_as_configured)

    id: Uuid = Field(description="Names it in paths, and as `agent_id` in calls.")
    name: str = Field(description="Callers in a browser see it; nobody hears it.", examples=["Aria"])
    system_prompt: str
    language: str | None
    stt: list[Choice]
    llm: list[Choice]
    tts: list[Voice]
    stt_provider: str | None
    stt_model: str | None
    llm_provider: str | None
    llm_model: str | None
    tts_provider: str | None
    tts_model: str | None
    voice: str | None
    first_message: str
    phrases: Phrases
    max_duration_s: int
    silence_reminder_s: int
    silence_timeout_s: int
    eager: float
    machine_detection: MachineDetection
    tools: list[HttpTool]
    mcp_servers: list[McpServer]
    features: Features
    retention_days: RetentionDays
    post_call: JsonObject


class Agent(CallAgent):
    """An agent."""

    created_at: CreatedAt
    updated_at: UpdatedAt


class AgentPage(Answer):
    """A page of agents."""

    agents: list[Agent] = Field(description="Those of this page.")
    total: Total
    offset: Offset
    limit: Limit


class ListedName(Answer):
    """An agent where one of them is to be chosen."""

    id: Uuid = Field(description="Names it in paths, and as `agent_id` in calls.")
    name: str = Field(description="Its name, which others may have too.", examples=["Aria"])


class AgentNames(Answer):
    """A page of the names of agents, in the order of the list of agents."""

    agents: list[ListedName] = Field(description="Those of this page.")
    total: Total
    offset: Offset
    limit: Limit


class AgentName(Answer):
    """The agent of a call."""

    id: Uuid = Field(description="The agent's id; the agent may be deleted by now.")
    name: str = Field(description="Its name when the call was created.")

"""Agents."""

from datetime import datetime

from pydantic import Field

from api.schema.common import Answer, JsonObject, Name
from calls.agent_config import AgentConfig, Features, MachineDetection, RetentionDays
from calls.phrases import Phrases
from calls.providers.choice import Choice, Voice
from calls.tools.config import HttpTool, McpServer


class CreateAgent(AgentConfig):
    """Body of `POST /v1/agents`."""

    name: Name = Field(examples=["Aria"])


class UpdateAgent(AgentConfig):
    """Body of `PUT /v1/agents/:id`: only the given fields change."""

    name: Name = Field("", description="The new name.")


class CallAgent(Answer):
    """The agent of a call as it was when the call was created."""

    id: str
    name: str = Field(examples=["Aria"])
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

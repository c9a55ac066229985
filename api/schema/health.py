"""Health."""

from typing import Literal

from pydantic import Field

from api.schema.common import Answer
from calls.providers.choice import Kind
from calls.providers.health import Health


class Alive(Answer):
    """The process is there."""

    status: str = "ok"


class Ready(Answer):
    """The process can serve; `degraded`: calls will fail, as a provider of the installation's own does not work."""

    status: Literal["ok", "degraded"]
    providers: dict[Kind, dict[str, Health]] = Field(
        description="Those who are asked where an agent names nobody, as they were found a moment ago.",
        examples=[{"stt": {"local": "ok"}, "llm": {"openai": "does not accept the key"}, "tts": {"local": "ok"}}],
    )

"""Health."""

from typing import Literal

from pydantic import Field

from api.schema.common import Answer
from calls.providers.choice import Kind
from calls.providers.health import Health


class Alive(Answer):
    """The process is there."""

    status: Literal["ok"] = Field("ok", description="Always this.")


class Ready(Answer):
    """The process can serve; `degraded`: a provider of the installation's own does not work.

    Then calls fail whose agents use it and have no other.
    """

    status: Literal["ok", "degraded"] = Field(description="`degraded`: a provider of the installation's own fails.")
    providers: dict[Kind, dict[str, Health]] | None = Field(
        description=(
            "Those who are asked where an agent names nobody, as they were found a moment ago; null unless a secret "
            "key is sent, or the request comes from this machine and through no proxy."
        ),
        examples=[{"stt": {"local": "ok"}, "llm": {"openai": "does not accept the key"}, "tts": {"local": "ok"}}],
    )

"""Health."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schema.common import Answer
from calls.providers.choice import Kind
from calls.providers.health import Health


class Alive(Answer):
    """The process is there."""

    status: Literal["ok"] = Field("ok", description="Always this.")


class Process(Answer):
    """A process that gave a sign of life a moment ago."""

    kind: Literal["api", "worker", "pipeline"] = Field(description="What it does.")
    host: str = Field(description="The machine or container that it runs in.", examples=["callroom-1"])
    pid: int = Field(description="Its number there.")
    version: str | None = Field(
        description="Which version of Callroom it is; null: one from before processes said so.", examples=["0.1.0"]
    )
    began_at: datetime = Field(description="Since when it runs.")
    told_at: datetime = Field(description="Its last sign of life.")


class WorkerLoad(Answer):
    """How many calls a worker has, and could have. A worker that is not known to LiveKit has none."""

    id: str = Field(description="The worker, as LiveKit calls it.", examples=["AW_3fYkQ2mN8pRs"])
    seats: int = Field(description="How many calls it takes at most.")
    taken: int = Field(description="How many it has.")
    strained: bool = Field(
        description=(
            "Whether it does not keep up with two of them or more. Then it takes only calls for which no other worker "
            "has a seat, and none of a batch."
        )
    )
    told_at: datetime = Field(description="When it said so.")


class Installation(Answer):
    """How this installation is; `degraded`: a process is missing, or somebody whom it needs does not work."""

    status: Literal["ok", "degraded"] = Field(description="Whether everything is there and works.")
    version: str = Field(description="The version of Callroom that answers here.", examples=["0.1.0"])
    missing: list[Literal["worker", "pipeline"]] = Field(description="The kinds of process of which none lives.")
    livekit: bool = Field(description="Whether LiveKit answers.")
    processes: list[Process] = Field(description="Those that live, by kind, the oldest first.")
    workers: list[WorkerLoad] = Field(description="Those that take calls.")
    providers: dict[Kind, dict[str, Health]] = Field(
        description="Those who are asked where an agent names nobody, as they were found a moment ago.",
        examples=[{"stt": {"local": "ok"}, "llm": {"openai": "does not accept the key"}, "tts": {"local": "ok"}}],
    )


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

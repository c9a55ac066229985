"""A plugin of LiveKit's shape that nobody sells: it can only speak, and says nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions, NotGivenOr, tts

if TYPE_CHECKING:
    import aiohttp


@dataclass
class Plumage:
    """What it looks like."""

    colour: str
    feathers: int = 100


class TTS(tts.TTS[Any]):
    """A voice."""

    def __init__(
        self,
        *,
        model: str = "ara-1",
        voice_id: str = "polly",
        language: Literal["en", "de"] = "en",
        mood: Literal["calm", "loud"] | None = None,
        plumage: NotGivenOr[Plumage] = NOT_GIVEN,
        api_key: str | None = None,
        base_url: str = "https://parrot.example/v1",  # noqa: ARG002 # as plugins have it
        http_session: aiohttp.ClientSession | None = None,  # noqa: ARG002 # the same
    ) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=24_000, num_channels=1)
        self.key = api_key or os.environ.get("PARROT_API_KEY")
        if not self.key:
            raise ValueError("no key: PARROT_API_KEY")
        self.said = {"model": model, "voice_id": voice_id, "language": language, "mood": mood, "plumage": plumage}

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        raise NotImplementedError

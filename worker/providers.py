"""The speech and language providers of one call, reached by URL; their clients are made before the call needs them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import aiohttp
import openai
from livekit.agents import llm, stt, tts
from livekit.plugins import deepgram
from livekit.plugins import openai as openai_plugin

from calls.agent_config import AgentConfig
from calls.settings import Settings
from worker.refusals import Refusals
from worker.speaker.voice import SAMPLE_RATE

NO_KEY = "none"  # the plugins insist on a key, local servers need none


@dataclass(frozen=True)
class Clients:
    """HTTP clients of the OpenAI protocol; making one takes a tenth of a second, so a job process has them ready."""

    llm: openai.AsyncClient
    tts: openai.AsyncClient
    refusals: Refusals

    @classmethod
    def prepare(cls, settings: Settings) -> "Clients":
        """To be called before there is an event loop."""
        key = settings.openai_api_key.get_secret_value() or NO_KEY
        refusals = Refusals()
        http = openai.DefaultAsyncHttpxClient(transport=refusals)
        first = openai.AsyncClient(base_url=settings.llm, api_key=key, max_retries=0, http_client=http)
        return cls(first, first.with_options(base_url=settings.tts), refusals)


@dataclass(frozen=True)
class Providers:
    """What the agents of one call process talk to."""

    settings: Settings
    clients: Clients
    http: aiohttp.ClientSession

    def recognition(self, agent: AgentConfig) -> stt.STT[Any]:
        """The speech recognition of an agent's calls."""
        return deepgram.STT(
            base_url=f"{self.settings.stt}/listen",
            api_key=self.settings.deepgram_api_key.get_secret_value() or NO_KEY,
            model=agent.stt_model or self.settings.stt_model,
            language=agent.language or "en-US",
            http_session=self.http,
        )

    def model(self, agent: AgentConfig) -> llm.LLM[Any]:
        """The language model of an agent."""
        return openai_plugin.LLM(client=self.clients.llm, model=agent.llm_model or self.settings.llm_model)

    def left_out(self) -> Collection[str]:
        """What the language model's server was found not to take, of the parts of a request."""
        return self.clients.refusals.left_out

    def speech(self, agent: AgentConfig) -> tts.TTS[Any]:
        """The voice of an agent."""
        if agent.tts_provider == "deepgram":
            return deepgram.TTS(
                base_url=f"{(self.settings.tts_url or self.settings.stt).rstrip('/')}/speak",
                api_key=self.settings.deepgram_api_key.get_secret_value() or NO_KEY,
                model=agent.voice or agent.tts_model or "aura-2-andromeda-en",
                sample_rate=SAMPLE_RATE,
                http_session=self.http,
            )
        return openai_plugin.TTS(
            client=self.clients.tts,
            model=agent.tts_model or self.settings.tts_model,
            voice=agent.voice or self.settings.tts_voice,
            response_format="pcm",
        )

"""The speech and language providers of one call: how each kind is made, of which place, with which key."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import aiohttp
import openai
from livekit.agents import inference, llm, stt, tts
from livekit.plugins import deepgram
from livekit.plugins import openai as openai_plugin

from calls.agent_config import AgentConfig
from calls.providers.choice import Choice, Kind, Voice
from calls.providers.endpoints import SET_BY_US, Endpoint, Protocol, endpoints, own_provider
from calls.providers.language import primary
from calls.settings import Settings
from worker import plugins
from worker.plugins import UnusableProvider
from worker.refusals import Refusals
from worker.speaker.sound.voice import SAMPLE_RATE
from worker.utterances import ByUtterance

NO_KEY = "none"  # the plugins insist on a key, local servers need none
LANGUAGE = "en-US"


@dataclass(frozen=True)
class Clients:
    """A client of the OpenAI protocol; making one takes a tenth of a second, so a job process has it ready."""

    first: openai.AsyncClient
    refusals: Refusals

    @classmethod
    def prepare(cls) -> "Clients":
        """To be called before there is an event loop."""
        refusals = Refusals()
        http = openai.DefaultAsyncHttpxClient(transport=refusals)
        return cls(openai.AsyncClient(api_key=NO_KEY, max_retries=0, http_client=http), refusals)

    def of(self, place: Endpoint) -> openai.AsyncClient:
        """The same client for one place, with the key of that place and nothing else."""
        return self.first.with_options(base_url=place.url, api_key=place.key.get_secret_value() or NO_KEY)


@dataclass(frozen=True)
class Wanted:
    """A provider that speaks a protocol of ours, what an agent wants of it, and with what it is reached."""

    place: Endpoint
    choice: Choice
    language: str | None
    clients: Clients
    http: aiohttp.ClientSession

    @property
    def model(self) -> str:
        return self.choice.model or self.place.model

    @property
    def options(self) -> dict[str, Any]:
        return {name: value for name, value in self.choice.options.items() if name not in SET_BY_US}

    @property
    def key(self) -> str:
        return self.place.key.get_secret_value() or NO_KEY


def deepgram_stt(wanted: Wanted) -> stt.STT[Any]:
    """Deepgram's recognition, or another's in its protocol."""
    return deepgram.STT(
        base_url=f"{wanted.place.url}/listen",
        api_key=wanted.key,
        model=wanted.model,
        language=wanted.language or LANGUAGE,
        http_session=wanted.http,
        **wanted.options,
    )


def openai_stt(wanted: Wanted) -> stt.STT[Any]:
    """Recognition of whole recordings, in OpenAI's protocol."""
    return openai_plugin.STT(
        client=wanted.clients.of(wanted.place),
        model=wanted.model,
        language=primary(wanted.language or LANGUAGE),
        use_realtime=False,
        **wanted.options,
    )


def openai_llm(wanted: Wanted) -> llm.LLM[Any]:
    """A language model, in OpenAI's protocol."""
    return openai_plugin.LLM(client=wanted.clients.of(wanted.place), model=wanted.model, **wanted.options)


def deepgram_tts(wanted: Wanted) -> tts.TTS[Any]:
    """Deepgram's voices, each of which is a model."""
    return deepgram.TTS(
        base_url=f"{wanted.place.url}/speak",
        api_key=wanted.key,
        model=_voice(wanted) or wanted.model,
        sample_rate=SAMPLE_RATE,
        http_session=wanted.http,
        **wanted.options,
    )


def openai_tts(wanted: Wanted) -> tts.TTS[Any]:
    """A voice, in OpenAI's protocol."""
    return openai_plugin.TTS(
        client=wanted.clients.of(wanted.place),
        model=wanted.model,
        voice=_voice(wanted) or "",
        response_format="pcm",
        **wanted.options,
    )


def _voice(wanted: Wanted) -> str | None:
    return (wanted.choice.voice if isinstance(wanted.choice, Voice) else None) or wanted.place.voice


MAKERS: dict[tuple[Kind, Protocol], Callable[[Wanted], Any]] = {
    ("stt", "deepgram"): deepgram_stt,
    ("stt", "openai"): openai_stt,
    ("llm", "openai"): openai_llm,
    ("tts", "deepgram"): deepgram_tts,
    ("tts", "openai"): openai_tts,
}


@dataclass(frozen=True)
class Providers:
    """What the agents of one call process talk to."""

    settings: Settings
    clients: Clients
    http: aiohttp.ClientSession

    def recognisers(self, agent: AgentConfig) -> list[stt.STT[Any]]:
        """Those of an agent, in its order; UnusableProvider if one of them cannot be used, as all of these."""
        made: list[stt.STT[Any]] = self._all("stt", agent)
        return [
            one if one.capabilities.streaming else ByUtterance(one, inference.VAD(), self.settings.stt_words_s)
            for one in made
        ]

    def sets_marks(self, agent: AgentConfig) -> bool | None:
        """Whether the first recogniser of an agent sets marks in what it writes; None of a plugin: not known."""
        choice, endpoint = self._chosen("stt", agent, 0)
        if endpoint is None:
            return None
        if endpoint.protocol != "deepgram":
            return True
        return bool(choice.options.get("punctuate", True) or choice.options.get("smart_format", False))

    def models(self, agent: AgentConfig) -> list[llm.LLM[Any]]:
        """The language models of an agent, in its order."""
        return self._all("llm", agent)

    def left_out(self) -> Collection[str]:
        """What servers of the agent's language models were found not to take, of the parts of a request."""
        return self.clients.refusals.left_out

    def voices(self, agent: AgentConfig) -> list[tts.TTS[Any]]:
        """The voices of an agent, in its order."""
        return self._all("tts", agent)

    def sounds_like(self, agent: AgentConfig) -> str:
        """All that changes how the first voice of an agent sounds."""
        choice, endpoint = self._chosen("tts", agent, 0)
        place = [endpoint.url, endpoint.model, endpoint.voice] if endpoint is not None else []
        return json.dumps([choice.model_dump(), *place, agent.language], sort_keys=True)

    def check(self, agent: AgentConfig) -> None:
        """Raise UnusableProvider unless every session of the agent can have its models and its voices."""
        self.models(agent)
        self.voices(agent)

    def named(self, kind: Kind, agent: AgentConfig, place: int = 0) -> dict[str, str]:
        """Who does this for an agent, as its events say it: `name`, and where they are known `model` and `voice`."""
        choice, endpoint = self._chosen(kind, agent, place)
        usual = (endpoint.model, endpoint.voice) if endpoint is not None else (None, None)
        said = {"name": choice.provider, "model": choice.model or usual[0]}
        if isinstance(choice, Voice):
            said["voice"] = choice.voice or usual[1]
        return {what: name for what, name in said.items() if name is not None}

    def _chosen(self, kind: Kind, agent: AgentConfig, place: int) -> tuple[Choice, Endpoint | None]:
        choices = agent.choices[kind] or [Voice() if kind == "tts" else Choice()]
        choice: Choice = choices[place]
        name = choice.provider or own_provider(self.settings, kind)
        return choice.model_copy(update={"provider": name}), endpoints(self.settings, kind).get(name)

    def _all(self, kind: Kind, agent: AgentConfig) -> list[Any]:
        return [self._make(kind, agent, place) for place in range(len(agent.choices[kind]) or 1)]

    def _make(self, kind: Kind, agent: AgentConfig, place: int) -> Any:  # noqa: ANN401 # a provider of that kind
        choice, endpoint = self._chosen(kind, agent, place)
        if endpoint is None:
            return plugins.make(kind, choice, agent.language)
        if endpoint.lacks:
            raise UnusableProvider(kind, endpoint.provider, f"{endpoint.lacks} is not set")
        try:
            return MAKERS[kind, endpoint.protocol](Wanted(endpoint, choice, agent.language, self.clients, self.http))
        except (TypeError, ValueError) as error:
            raise UnusableProvider(kind, endpoint.provider, type(error).__name__) from error

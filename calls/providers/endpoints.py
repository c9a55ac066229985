"""Where the providers are that speak a protocol of ours: each with an address, and a key that goes nowhere else."""

from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

from calls.providers.choice import Kind
from calls.settings import DEEPGRAM_URL, OPENAI_URL, Settings

Protocol = Literal["deepgram", "openai"]

LOCAL = "local"
USUAL_MODELS: dict[tuple[Kind, Protocol], str] = {
    ("stt", "deepgram"): "nova-3",
    ("stt", "openai"): "gpt-4o-mini-transcribe",
    ("llm", "openai"): "gpt-4.1-mini",
    ("tts", "deepgram"): "aura-2-andromeda-en",
    ("tts", "openai"): "gpt-4o-mini-tts",
}
USUAL_VOICE = "ash"  # of OpenAI's protocol; with Deepgram's, the model is the voice
# What calls depend on, so that no agent's options change it.
SET_BY_US = frozenset({"sample_rate", "encoding", "response_format", "interim_results", "use_realtime"})
_CLOUDS = {DEEPGRAM_URL: "DEEPGRAM_API_KEY", OPENAI_URL: "OPENAI_API_KEY"}


@dataclass(frozen=True)
class Endpoint:
    """One service of one provider; `url` is its base, ending in `/v1`, `model` and `voice` are what is usual there."""

    provider: str
    protocol: Protocol
    url: str
    key: SecretStr
    model: str
    voice: str | None = None

    @property
    def lacks(self) -> str | None:
        """The setting without which nothing can be asked of it, None if it is complete."""
        return None if self.key.get_secret_value() else _CLOUDS.get(self.url)


def endpoints(settings: Settings, kind: Kind) -> dict[str, Endpoint]:
    """Every provider of this kind that the settings name, the installation's own first; a plugin is none of them."""
    places: dict[str, tuple[Protocol, str, SecretStr]] = {
        "deepgram": ("deepgram", settings.deepgram_url, settings.deepgram_api_key),
        "openai": ("openai", settings.openai_base_url, settings.openai_api_key),
    }
    url, key = _own(settings, kind)
    if url is not None:
        places[LOCAL] = ("deepgram" if kind == "stt" else "openai", url, key)
    for name, one in settings.providers.items():
        places[name] = (one.protocol, one.url, one.api_key)
    own = own_provider(settings, kind)
    return {
        name: _endpoint(settings, kind, name, *places[name], own=name == own)
        for name in sorted(places, key=lambda name: name != own)
        if (kind, places[name][0]) in USUAL_MODELS
    }


def own_model(settings: Settings) -> Endpoint:
    """The language model of the installation itself, which works for no agent: it analyses calls, and translates.

    Where agents' usual one is a plugin, which only workers have, it is the server of one's own, without one OpenAI's.
    """
    places = endpoints(settings, "llm")
    return places.get(own_provider(settings, "llm")) or places.get(LOCAL) or places["openai"]


def own_provider(settings: Settings, kind: Kind) -> str:
    """Who is asked where an agent names nobody."""
    chosen: dict[Kind, str | None] = {
        "stt": settings.stt_provider,
        "llm": settings.llm_provider,
        "tts": settings.tts_provider,
    }
    url, _key = _own(settings, kind)
    return chosen[kind] or (LOCAL if url is not None else "deepgram" if kind == "stt" else "openai")


def _own(settings: Settings, kind: Kind) -> tuple[str | None, SecretStr]:
    match kind:
        case "stt":
            return settings.stt_url, settings.stt_api_key
        case "llm":
            return settings.llm_url, settings.llm_api_key
        case "tts":
            return settings.tts_url, settings.tts_api_key


def _endpoint(
    settings: Settings, kind: Kind, name: str, protocol: Protocol, url: str, key: SecretStr, *, own: bool
) -> Endpoint:
    chosen = {"stt": settings.stt_model, "llm": settings.llm_model, "tts": settings.tts_model}[kind] if own else None
    voice = (settings.tts_voice if own else None) or (USUAL_VOICE if protocol == "openai" else None)
    return Endpoint(
        provider=name,
        protocol=protocol,
        url=url.rstrip("/"),
        key=key,
        model=chosen or USUAL_MODELS[kind, protocol],
        voice=voice if kind == "tts" else None,
    )

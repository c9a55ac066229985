"""Which providers of speech and language an agent has chosen, and the two ways in which that can be written."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from calls.config import Config
from calls.settings import PROVIDER_NAME

Kind = Literal["stt", "llm", "tts"]
KINDS: tuple[Kind, ...] = ("stt", "llm", "tts")

Name = Annotated[str, StringConstraints(max_length=60, pattern=PROVIDER_NAME)]
Short = Annotated[str, StringConstraints(max_length=200)]

# The fields that say the same as an attribute of a list's first entry.
FIRST: dict[str, tuple[Kind, str]] = {
    "stt_provider": ("stt", "provider"),
    "stt_model": ("stt", "model"),
    "llm_provider": ("llm", "provider"),
    "llm_model": ("llm", "model"),
    "tts_provider": ("tts", "provider"),
    "tts_model": ("tts", "model"),
    "voice": ("tts", "voice"),
}


class Choice(Config):
    """A provider and how it is to be used."""

    provider: Name | None = Field(
        None,
        description="`deepgram`, `openai`, `local`, one that the operator has named, or an installed LiveKit plugin; "
        "null: the installation's own.",
        examples=["deepgram"],
    )
    model: Short | None = Field(None, description="null: the provider's usual one.")
    options: dict[str, Any] = Field(
        {}, max_length=50, description="What the provider's LiveKit plugin takes besides, by its own names."
    )


class Voice(Choice):
    """The same for what speaks."""

    voice: Short | None = Field(None, description="null: the provider's usual one.")


def in_lists(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration with every choice in its list: what a single field says goes into the first entry."""
    listed = {name: value for name, value in config.items() if name not in FIRST}
    for name, (kind, attribute) in FIRST.items():
        if name in config:
            first, *others = listed.get(kind) or [(Voice if kind == "tts" else Choice)().model_dump()]
            first = {**first, attribute: config[name]}
            listed[kind] = [first, *others] if others or any(first.values()) else []
    return listed


def firsts(choices: Mapping[Kind, list[Any]]) -> dict[str, Any]:
    """What the single fields say."""
    return {
        name: getattr(choices[kind][0], attribute) if choices[kind] else None
        for name, (kind, attribute) in FIRST.items()
    }

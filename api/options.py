"""`GET /v1/agents/llm-options`: the models and voices that an agent can be made of, as far as their providers say."""

import asyncio

from aiohttp import web

from api.catalogue import Catalogue
from api.providers import CATALOGUE
from api.routing import SETTINGS, reply
from api.schema.options import LlmOptions, ModelOption, UsualModel, VoiceOption
from calls.providers.choice import Kind
from calls.providers.endpoints import endpoints, own_provider
from calls.settings import Settings


async def get(request: web.Request) -> web.Response:
    settings, catalogue = request.app[SETTINGS], request.app[CATALOGUE]
    models, voices = await asyncio.gather(_known(settings, catalogue, "llm"), _known(settings, catalogue, "tts"))
    own = own_provider(settings, "llm")
    usual = next((name for provider, name in models if provider == own), settings.llm_model)
    return reply(
        LlmOptions(
            usual=UsualModel(provider_id=own, id=usual),
            models=[ModelOption(id=name, provider_id=provider) for provider, name in models],
            voices=[VoiceOption(id=name, provider=provider, name=name) for provider, name in voices],
        ),
    )


async def _known(settings: Settings, catalogue: Catalogue, kind: Kind) -> list[tuple[str, str]]:
    """The names of models, or voices, each with its provider; the usual one first, unless it is known not to exist."""
    places = list(endpoints(settings, kind).values())
    listed = await asyncio.gather(*(catalogue.ask(kind, place) for place in places))
    known = [
        (place.provider, one.names[0])
        for place, has in zip(places, listed, strict=True)
        for one in (has.llm if kind == "llm" else has.voices) or ()
    ]
    own = places[0]
    if own.provider != own_provider(settings, kind):
        return known  # a plugin, which says nothing
    usual = own.provider, own.voice or own.model
    chosen = settings.llm_model if kind == "llm" else settings.tts_voice
    says_something = any(provider == own.provider for provider, _ in known)
    return list(dict.fromkeys([usual, *known] if chosen or usual in known or not says_something else known))

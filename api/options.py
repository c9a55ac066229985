"""`GET /v1/agents/llm-options`: the models and voices that an agent can be made of."""

import logging

import aiohttp
from aiohttp import web

from api.routing import SETTINGS, reply
from api.schema.options import LlmOptions, ModelOption, VoiceOption
from calls.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT_S = 2
OPENAI = "https://api.openai.com/"
# Neither provider lists its voices over the wire; these are the ones that their documentation names.
OPENAI_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse")
DEEPGRAM_VOICES = ("andromeda", "apollo", "arcas", "asteria", "athena", "aurora", "helena", "orion", "thalia", "zeus")


async def get(request: web.Request) -> web.Response:
    settings = request.app[SETTINGS]
    models = dict.fromkeys([settings.llm_model, *await _listed(settings)])
    return reply(
        LlmOptions(
            models=[ModelOption(id=name, provider_id="openai") for name in models],
            voices=_voices(settings),
        ),
    )


async def _listed(settings: Settings) -> list[str]:
    """What the language model's server says it has; nothing if it does not say."""
    headers = {"Authorization": f"Bearer {settings.openai_api_key.get_secret_value()}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.get(f"{settings.llm}/models", headers=headers) as response,
        ):
            return sorted(str(model["id"]) for model in (await response.json())["data"])
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
        log.info("the language model's server did not list its models")
        return []


def _voices(settings: Settings) -> list[VoiceOption]:
    names = dict.fromkeys([settings.tts_voice, *(OPENAI_VOICES if settings.tts.startswith(OPENAI) else ())])
    voices = [VoiceOption(id=name, provider="openai", name=name.title()) for name in names]
    if settings.deepgram_api_key.get_secret_value():
        voices += [
            VoiceOption(id=f"aura-2-{name}-en", provider="deepgram", name=name.title()) for name in DEEPGRAM_VOICES
        ]
    return voices

"""`POST /v1/agents/voice-sample`: how a voice sounds, before an agent has it."""

import io
import wave

from aiohttp import web

from api.providers import check_voice
from api.rate_limit import admit_voice_sample
from api.routing import DATABASE, KEY, SETTINGS
from api.schema.voice_samples import CreateVoiceSample
from api.speech import SAMPLE_RATE, speak
from calls.errors import Invalid
from calls.providers.endpoints import endpoints, own_provider


async def create(request: web.Request, body: CreateVoiceSample) -> web.Response:
    """The text as that voice says it, as a WAV file."""
    settings = request.app[SETTINGS]
    await check_voice(request.app, body)
    place = endpoints(settings, "tts").get(body.provider or own_provider(settings, "tts"))
    if place is None:
        raise Invalid.field("provider", "expected none of LiveKit's plugins, which are heard by talking to an agent")
    if place.lacks:
        raise Invalid.field("provider", f"expected one with a key: {place.lacks} is not set")
    async with request.app[DATABASE].writing() as conn:
        await admit_voice_sample(conn, request[KEY].tenant_id)
    sound = await speak(place, body, body.text)
    return web.Response(body=_wav(sound), content_type="audio/wav", headers={"Cache-Control": "no-store"})


def _wav(sound: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(sound)
    return file.getvalue()

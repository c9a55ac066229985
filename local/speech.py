"""OpenAI's `/v1/audio/speech`: text to speech, sent sentence by sentence as it is made."""

import base64
import json
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, Field

from local.bodies import body_of
from local.encoding import FORMATS, encoder
from local.errors import Refused
from local.models import loaded


class SpeechRequest(BaseModel):
    """Every `model` and `voice` is the one voice that there is."""

    input: str = Field(min_length=1, max_length=4096)
    model: str = "local"
    voice: str = "heart"
    response_format: str = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"


async def speak(request: web.Request) -> web.StreamResponse:
    wanted = await body_of(request, SpeechRequest)
    if wanted.response_format not in FORMATS:
        message = f"response_format: expected one of {', '.join(FORMATS)}, got {wanted.response_format!r}."
        raise Refused(message, param="response_format")
    coder = encoder(wanted.response_format)
    models, events = await loaded(request), wanted.stream_format == "sse"
    content_type = "text/event-stream" if events else coder.content_type
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)

    async def send(audio: bytes) -> None:
        if audio:
            await response.write(_event(audio) if events else audio)

    try:
        await send(coder.begin())
        async for pcm in models.say(wanted.input, wanted.speed):
            await send(await models.hearing(coder.encode, pcm))
        await send(await models.hearing(coder.end))
        if events:
            await response.write(b'data: {"type": "speech.audio.done"}\n\n')
        await response.write_eof()
    except ConnectionError:
        pass  # the agent was interrupted and hung up on us
    return response


def _event(audio: bytes) -> bytes:
    delta = {"type": "speech.audio.delta", "audio": base64.b64encode(audio).decode()}
    return f"data: {json.dumps(delta)}\n\n".encode()

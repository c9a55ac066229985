"""A short text as a voice says it: asked in its provider's protocol for what calls ask for, within a deadline."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import aiohttp

from calls.errors import CallroomError, Invalid, Unavailable
from calls.providers.choice import Voice
from calls.providers.endpoints import SET_BY_US, Endpoint
from calls.providers.health import Health, described, new_session

SAMPLE_RATE = 24_000  # of 16-bit mono: what servers in OpenAI's protocol send as `pcm`
PIECE_S = 5.0  # to the first sound, and to each next piece of it
ALL_S = 20.0
_LARGEST = 2 * SAMPLE_RATE * 120  # bytes: nobody says a few hundred characters for two minutes
_OF_THE_CHOICE = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}

_CLOSING = aiohttp.ClientWSTimeout(ws_close=0.5)  # whoever hangs does not say goodbye either

Sound = AsyncGenerator[bytes, None]


class _Refused(Exception):
    """The provider's server has answered with that status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def speak(place: Endpoint, voice: Voice, text: str) -> bytes:
    """The sound, as 16-bit samples.

    Raises:
        Invalid: the provider does not take what was chosen.
        Unavailable: it failed, which says how, and never what the provider said: that may hold its key.
    """
    ask = {"openai": _openai, "deepgram": _deepgram}[place.protocol]
    try:
        async with new_session() as http, aclosing(ask(http, place, voice, text)) as pieces:
            sound = await _collected(pieces)
    except _Refused as refusal:
        raise _refusal(place, refusal.status) from None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):  # ValueError: no such address, or no JSON
        raise _failed(f"{described('tts', place.provider, Health.SILENT)}.") from None
    if not sound:
        raise _failed(f"The voice ({place.provider}) said nothing.")
    return sound[: len(sound) // 2 * 2]


async def _collected(pieces: Sound) -> bytes:
    sound = bytearray()
    clock = asyncio.get_running_loop().time
    end = clock() + ALL_S
    async with asyncio.timeout(PIECE_S) as deadline:
        async for piece in pieces:
            sound += piece
            if len(sound) > _LARGEST:
                raise TimeoutError
            deadline.reschedule(min(clock() + PIECE_S, end))
    return bytes(sound)


async def _openai(http: aiohttp.ClientSession, place: Endpoint, voice: Voice, text: str) -> Sound:
    wanted = {
        "model": voice.model or place.model,
        "voice": voice.voice or place.voice,
        "input": text,
        "response_format": "pcm",
    }
    body, headers = _options(voice) | wanted, _headers(place, "Bearer")
    async with http.post(f"{place.url}/audio/speech", json=body, headers=headers, allow_redirects=False) as answer:
        if answer.status != HTTPStatus.OK:
            raise _Refused(answer.status)
        async for piece in answer.content.iter_any():
            yield piece


async def _deepgram(http: aiohttp.ClientSession, place: Endpoint, voice: Voice, text: str) -> Sound:
    wanted = {
        "model": voice.voice or place.voice or voice.model or place.model,
        "encoding": "linear16",
        "sample_rate": SAMPLE_RATE,
    }
    query = {name: _in_query(value) for name, value in (_options(voice) | wanted).items()}
    address, headers = f"{place.url}/speak", _headers(place, "Token")
    try:
        socket = await http.ws_connect(address, params=query, headers=headers, timeout=_CLOSING)
    except aiohttp.WSServerHandshakeError as error:
        raise _Refused(error.status) from None
    async with socket:
        await socket.send_json({"type": "Speak", "text": text})
        await socket.send_json({"type": "Flush"})
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                yield message.data
            elif message.type is aiohttp.WSMsgType.TEXT:
                match json.loads(message.data):
                    case {"type": "Flushed"}:
                        await socket.send_json({"type": "Close"})
                        return
                    case {"type": "Error" | "error"}:
                        break
                    case _:
                        pass
    raise aiohttp.ClientConnectionError


def _options(voice: Voice) -> dict[str, Any]:
    """By their names in LiveKit's plugins, which are those of the protocol."""
    return {name: value for name, value in voice.options.items() if name not in SET_BY_US and value is not None}


def _in_query(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _headers(place: Endpoint, scheme: str) -> Mapping[str, str]:
    key = place.key.get_secret_value()
    return {"Authorization": f"{scheme} {key}"} if key else {}


def _refusal(place: Endpoint, status: int) -> CallroomError:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return _failed(f"{described('tts', place.provider, Health.REFUSES)}.")
    if status in _OF_THE_CHOICE:
        return Invalid.field("voice", f"{place.provider} takes it not, or not its model or options (status {status})")
    return _failed(f"The voice ({place.provider}) failed: its server answers with status {status}.")


def _failed(sentence: str) -> Unavailable:
    return Unavailable(sentence, code="provider_failed")

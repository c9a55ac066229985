"""OpenAI's text to speech: what is said is what the ears of the same process hear."""

import base64
import io
import json
import wave
from typing import Any

import openai
import pytest
from aiohttp import ClientSession
from livekit.plugins import openai as livekit_openai

from bench.word_errors import word_error_rate
from tests.local.conftest import MISHEARD

pytestmark = pytest.mark.restless

GREETING = "Hello, how can I help you today?"
TWO = "Hello, how can I help you today? The train leaves at half past six."


async def _words_of(http: ClientSession, audio: bytes, query: str = "") -> str:
    async with http.post(f"/v1/listen?{query}", data=audio) as answer:
        body = await answer.json()
    transcript: str = body["results"]["channels"][0]["alternatives"][0]["transcript"]
    return transcript


async def test_livekits_plugin_gets_speech_that_can_be_understood(local_url: str, http: ClientSession) -> None:
    plugin = livekit_openai.TTS(
        model="local", voice="heart", base_url=f"{local_url}/v1", api_key="none", response_format="pcm"
    )
    frames = [audio.frame async for audio in plugin.synthesize(GREETING)]
    await plugin.aclose()
    rate = frames[0].sample_rate
    pcm = b"".join(bytes(frame.data) for frame in frames)
    heard = await _words_of(http, pcm, f"encoding=linear16&sample_rate={rate}")
    assert word_error_rate(GREETING, heard) <= MISHEARD, heard


@pytest.mark.parametrize("kind", ["wav", "mp3", "opus", "flac", "aac"])
async def test_every_format_can_be_played(http: ClientSession, kind: str) -> None:
    async with http.post("/v1/audio/speech", json={"input": GREETING, "response_format": kind}) as answer:
        audio = await answer.read()
    assert answer.status == 200
    assert answer.content_type.startswith("audio/")
    heard = await _words_of(http, audio)
    assert word_error_rate(GREETING, heard) <= MISHEARD, heard


async def test_a_wav_is_24_khz_mono(http: ClientSession) -> None:
    async with http.post("/v1/audio/speech", json={"input": GREETING, "response_format": "wav"}) as answer:
        audio = await answer.read()
    with wave.open(io.BytesIO(audio)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)


async def test_sentences_are_sent_as_they_are_made(http: ClientSession) -> None:
    body = {"input": TWO, "response_format": "pcm", "stream_format": "sse"}
    async with http.post("/v1/audio/speech", json=body) as answer:
        lines = [line async for line in answer.content if line.strip()]
    events = [json.loads(line.removeprefix(b"data: ")) for line in lines]
    assert [event["type"] for event in events] == ["speech.audio.delta", "speech.audio.delta", "speech.audio.done"]
    pcm = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    heard = await _words_of(http, pcm, "encoding=linear16&sample_rate=24000")
    assert word_error_rate(TWO, heard) <= MISHEARD, heard


async def test_a_text_without_words_is_a_breath_of_silence(http: ClientSession) -> None:
    async with http.post("/v1/audio/speech", json={"input": "...", "response_format": "pcm"}) as answer:
        assert 0 < len(await answer.read()) < 24_000


@pytest.mark.parametrize(
    ("changed", "param"),
    [({"response_format": "midi"}, "response_format"), ({"input": ""}, "input"), ({"speed": 9}, "speed")],
)
async def test_openais_client_gets_a_clear_error(local_url: str, changed: dict[str, Any], param: str) -> None:
    arguments = {"model": "local", "voice": "heart", "input": GREETING} | changed
    async with openai.AsyncOpenAI(base_url=f"{local_url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.audio.speech.create(**arguments)
    assert refused.value.param == param

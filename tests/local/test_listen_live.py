"""Deepgram's websocket, as its own plugin for LiveKit and a bare socket speak it."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse
from livekit import rtc
from livekit.agents import stt
from livekit.plugins import deepgram

from bench.word_errors import word_error_rate, word_errors
from tests.local.conftest import MISHEARD, Say

pytestmark = pytest.mark.restless

BROKEN = "My phone is broken and it does not turn on."
TRAIN = "The train leaves at half past six."
RAW = "encoding=linear16&sample_rate=16000&punctuate=true"
CHUNK = 3_200  # bytes: 100 ms


async def _speak(socket: ClientWebSocketResponse, audio: bytes, *, seconds_per_chunk: float = 0.0) -> None:
    for start in range(0, len(audio), CHUNK):
        await socket.send_bytes(audio[start : start + CHUNK])
        await asyncio.sleep(seconds_per_chunk)


async def _heard(http: ClientSession, query: str, audio: bytes) -> list[dict[str, Any]]:
    """All that is said in answer to the audio, sent as fast as it goes, up to the end of the stream."""
    async with http.ws_connect(f"/v1/listen?{query}") as socket:
        await _speak(socket, audio)
        await socket.send_json({"type": "CloseStream"})
        return [json.loads(message.data) async for message in socket]


def _transcript(messages: list[dict[str, Any]]) -> str:
    finals = [message for message in messages if message["type"] == "Results" and message["is_final"]]
    said = [message["channel"]["alternatives"][0]["transcript"] for message in finals]
    return " ".join(text for text in said if text)


async def test_livekits_plugin_hears_interim_and_final_words(local_url: str, http: ClientSession, say: Say) -> None:
    plugin = deepgram.STT(base_url=f"{local_url}/v1/listen", api_key="none", http_session=http)
    stream = plugin.stream()

    async def speak() -> None:
        audio = say(BROKEN)
        for start in range(0, len(audio), CHUNK):
            chunk = audio[start : start + CHUNK]
            stream.push_frame(rtc.AudioFrame(chunk, 16_000, 1, len(chunk) // 2))
            await asyncio.sleep(0.1)
        stream.end_input()

    speaking = asyncio.create_task(speak())
    events = [event async for event in stream]
    await speaking
    await stream.aclose()
    await plugin.aclose()
    kinds = [event.type for event in events]
    assert kinds.index(stt.SpeechEventType.START_OF_SPEECH) < kinds.index(stt.SpeechEventType.FINAL_TRANSCRIPT)
    assert stt.SpeechEventType.INTERIM_TRANSCRIPT in kinds
    finals = [event for event in events if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT]
    heard = " ".join(event.alternatives[0].text for event in finals)
    assert word_error_rate(BROKEN, heard) <= MISHEARD, heard


async def test_words_carry_the_times_at_which_they_were_said(http: ClientSession, say: Say) -> None:
    silence = bytes(3 * 32_000)
    messages = await _heard(http, RAW, silence + say(BROKEN))
    words = [w for m in messages if m["type"] == "Results" for w in m["channel"]["alternatives"][0]["words"]]
    heard = " ".join(word["word"] for word in words)
    assert word_error_rate(BROKEN, heard) <= MISHEARD, heard
    assert 3.0 < words[0]["start"] < 4.0
    assert all(word["start"] <= word["end"] for word in words)
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)
    length = len(silence + say(BROKEN)) / 32_000
    assert words[-1]["end"] < length - 0.8


async def test_the_stream_ends_with_its_metadata(http: ClientSession, say: Say) -> None:
    audio = say("Yes.")
    messages = await _heard(http, RAW, audio)
    assert messages[-1]["type"] == "Metadata"
    assert messages[-1]["duration"] == pytest.approx(len(audio) / 32_000, abs=0.1)
    results = [message for message in messages if message["type"] == "Results"]
    assert {message["metadata"]["request_id"] for message in results} == {messages[-1]["request_id"]}


async def test_single_words_are_heard(http: ClientSession, say: Say) -> None:
    said = ["Yes.", "No.", "Friday.", "Okay.", "Goodbye."]
    heard = [_transcript(await _heard(http, RAW, say(word))) for word in said]
    assert all(heard)
    assert sum(map(word_errors, said, heard)) <= MISHEARD * len(said), heard


async def test_a_hum_and_a_cough_are_not_words(http: ClientSession, say: Say) -> None:
    noise = np.random.default_rng(1).standard_normal(6_000) * np.exp(-np.arange(6_000) / 2_000)
    cough = bytes(9_600) + (noise / abs(noise).max() * 20_000).astype("<i2").tobytes() + bytes(32_000)
    assert _transcript(await _heard(http, RAW, say("Mm-hmm."))) == ""
    assert _transcript(await _heard(http, RAW, cough)) == ""


async def test_two_sentences_with_a_pause_are_two_results(http: ClientSession, say: Say) -> None:
    messages = await _heard(http, RAW + "&vad_events=true&endpointing=300", say(BROKEN) + say("Yes."))
    kinds = [message["type"] for message in messages]
    assert kinds == ["SpeechStarted", "Results", "SpeechStarted", "Results", "Metadata"]
    assert [message["speech_final"] for message in messages if message["type"] == "Results"] == [True, True]
    assert messages[1]["start"] + messages[1]["duration"] <= messages[2]["timestamp"]


async def test_the_end_of_an_utterance_is_told_after_its_silence(http: ClientSession, say: Say) -> None:
    query = RAW + "&interim_results=true&utterance_end_ms=1000"
    messages = await _heard(http, query, say("Yes.") + bytes(64_000))
    ends = [message for message in messages if message["type"] == "UtteranceEnd"]
    [final] = [m for m in messages if m["type"] == "Results" and m["is_final"]]
    assert [end["last_word_end"] for end in ends] == [final["channel"]["alternatives"][0]["words"][-1]["end"]]


async def test_finalize_gives_what_was_said_so_far(http: ClientSession, say: Say) -> None:
    async with http.ws_connect(f"/v1/listen?{RAW}&endpointing=5000") as socket:
        await _speak(socket, say("I would like a small coffee."))
        await socket.send_json({"type": "Finalize"})
        result = await socket.receive_json(timeout=60)
        assert (result["is_final"], result["from_finalize"]) == (True, True)
        heard = _transcript([result])
        assert word_error_rate("I would like a small coffee.", heard) <= MISHEARD, heard
        await socket.send_json({"type": "KeepAlive"})
        await socket.send_json({"type": "Finalize"})
        assert _transcript([await socket.receive_json(timeout=60)]) == ""


@pytest.fixture
def telephone(say_as_file: Callable[[str], Path], tmp_path: Path) -> bytes:
    """A sentence as the telephone network carries it: mulaw at 8 kHz."""
    raw, wav = tmp_path / "telephone.raw", say_as_file(TRAIN)
    to_mulaw = ["-af", "apad=pad_dur=1", "-ar", "8000", "-f", "mulaw"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, *to_mulaw, raw], check=True)
    return raw.read_bytes()


async def test_mulaw_of_a_telephone_is_understood(http: ClientSession, telephone: bytes) -> None:
    heard = _transcript(await _heard(http, "encoding=mulaw&sample_rate=8000", telephone))
    assert word_error_rate(TRAIN, heard) <= MISHEARD, heard


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("encoding=mp3", "encoding"),
        ("", "encoding"),
        ("encoding=linear16&sample_rate=fast", "sample_rate"),
        ("encoding=linear16&endpointing=soon", "endpointing"),
        ("encoding=linear16&interim_results=maybe", "interim_results"),
        ("encoding=linear16&utterance_end_ms=10", "utterance_end_ms"),
        ("encoding=linear16&language=tlh", "language"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name_before_the_upgrade(
    http: ClientSession, query: str, named: str
) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    async with http.get(f"/v1/listen?{query}", headers=headers) as answer:
        body = await answer.json()
    assert (answer.status, body["err_code"]) == (400, "INVALID_QUERY_PARAMETER")
    assert body["err_msg"].startswith(f"{named}: expected ")
    assert body["request_id"]


async def test_an_unknown_message_is_answered_and_the_stream_goes_on(http: ClientSession, say: Say) -> None:
    async with http.ws_connect(f"/v1/listen?{RAW}") as socket:
        await socket.send_str("not json")
        assert (await socket.receive_json(timeout=60))["type"] == "Error"
        await _speak(socket, say("Friday."))
        assert _transcript([await socket.receive_json(timeout=60)])

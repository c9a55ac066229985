"""Deepgram's transcription of whole recordings."""

from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession

from bench.word_errors import word_error_rate
from tests.local.conftest import MISHEARD, Say

pytestmark = pytest.mark.restless

COFFEE = "I would like a small coffee."


async def test_a_wav_becomes_words(http: ClientSession, say_as_file: Callable[[str], Path]) -> None:
    data = say_as_file(COFFEE).read_bytes()
    async with http.post("/v1/listen?punctuate=true", data=data) as answer:
        body = await answer.json()
    [alternative] = body["results"]["channels"][0]["alternatives"]
    assert answer.status == 200
    heard = alternative["transcript"]
    assert word_error_rate(COFFEE, heard) <= MISHEARD, heard
    assert heard.endswith(".")
    assert [word["punctuated_word"] for word in alternative["words"]] == heard.split()
    assert body["metadata"]["duration"] == pytest.approx(2, abs=1)
    assert body["metadata"]["request_id"]


async def test_raw_samples_become_words_without_punctuation_if_none_is_asked_for(http: ClientSession, say: Say) -> None:
    async with http.post("/v1/listen?encoding=linear16&sample_rate=16000", data=say(COFFEE)) as answer:
        body = await answer.json()
    heard = body["results"]["channels"][0]["alternatives"][0]["transcript"]
    assert word_error_rate(COFFEE, heard) <= MISHEARD, heard
    assert not set(heard) & set(".,?!")


@pytest.mark.parametrize("data", [b"", b"this is not audio"])
async def test_what_is_not_audio_is_refused(http: ClientSession, data: bytes) -> None:
    async with http.post("/v1/listen", data=data) as answer:
        body = await answer.json()
    assert answer.status == 400
    assert "audio" in body["err_msg"]

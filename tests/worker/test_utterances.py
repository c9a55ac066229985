"""A recogniser of whole recordings listens as others do."""

import asyncio
import time
import wave
from pathlib import Path
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, LanguageCode, inference, stt
from typing_extensions import override

from worker.utterances import ByUtterance

WORDS_S = 0.5
ONCE = APIConnectOptions(max_retry=0, timeout=60)


class Recogniser(stt.STT[Any]):
    """Answers after a moment, before which its whole process may stand still."""

    def __init__(self, standstill_s: float = 0.0) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._standstill_s = standstill_s

    @override
    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        time.sleep(self._standstill_s)  # noqa: ASYNC251 - that is what it is
        await asyncio.sleep(0.05)
        said = stt.SpeechData(LanguageCode("en"), text="I need a table.")
        return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])


async def hear(recogniser: Recogniser, *, silence_s: float = 0.0) -> list[str]:
    """What comes of a sentence after which, and after some silence, the audio ends."""
    with wave.open(str(Path(__file__).parent / "speech.wav")) as file:
        pcm = file.readframes(file.getnframes()) + bytes(int(silence_s * file.getframerate()) * 2)
        rate = file.getframerate()
    stream = ByUtterance(recogniser, inference.VAD(), WORDS_S).stream(conn_options=ONCE)
    size = rate // 50 * 2
    for start in range(0, len(pcm) - size + 1, size):
        stream.push_frame(rtc.AudioFrame(pcm[start : start + size], rate, 1, size // 2))
    stream.end_input()
    async with stream:
        return [one.text async for event in stream for one in event.alternatives]


@pytest.mark.parametrize("silence_s", [0.0, 0.1, 0.6])
async def test_the_last_utterance_becomes_text_though_the_audio_ends_in_its_middle(silence_s: float) -> None:
    assert await hear(Recogniser(), silence_s=silence_s) == ["I need a table."]


async def test_the_time_in_which_the_process_stands_still_is_none_of_the_recognisers() -> None:
    assert await hear(Recogniser(standstill_s=WORDS_S + 1)) == ["I need a table."]

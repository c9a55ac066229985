"""The words of the agent follow its voice, and not the clock."""

import asyncio
import time
from contextlib import suppress

from livekit import rtc
from livekit.agents.voice import io

from tests.conftest import Until
from worker.speaker.sound.paced import Paced
from worker.speaker.sound.voice import FRAME_S, SAMPLE_RATE, Voice

STANDS_STILL_S = 3.0
WORDS_PER_S = 2.0
SAID_S = 8.0
WORDS = [f"word{number} " for number in range(int(SAID_S * WORDS_PER_S))]


class Shown(io.TextOutput):
    """What has been shown."""

    def __init__(self) -> None:
        super().__init__(label="Shown", next_in_chain=None)
        self.words: list[str] = []

    async def capture_text(self, text: str) -> None:
        self.words.append(text)

    def flush(self) -> None:
        """Nothing to do."""


async def test_what_was_not_heard_of_a_sentence_is_not_shown_though_its_process_stood_still(until: Until) -> None:
    shown = Shown()
    voice = Voice(lambda _frame, _ended_at: None, may_speak=lambda: True)
    voice._audible.set()  # without a room
    paced = Paced(voice, shown)
    playing = asyncio.create_task(voice.play())
    finished: list[io.PlaybackFinishedEvent] = []
    paced.audio_output.on("playback_finished", finished.append)
    for word in WORDS:
        await paced.text_output.capture_text(word)
    paced.text_output.flush()
    size = int(SAMPLE_RATE * FRAME_S)
    for _ in range(int(SAID_S / FRAME_S)):
        await paced.audio_output.capture_frame(rtc.AudioFrame(bytes(2 * size), SAMPLE_RATE, 1, size))
        await asyncio.sleep(0)
    paced.audio_output.flush()
    await until(lambda: len(shown.words) > 2)
    time.sleep(STANDS_STILL_S)  # noqa: ASYNC251 - all of it does
    await asyncio.sleep(0.5)
    paced.audio_output.clear_buffer()
    await until(lambda: finished)
    [event] = finished
    assert event.synchronized_transcript is not None
    assert event.interrupted
    heard = event.playback_position * WORDS_PER_S
    assert abs(len(event.synchronized_transcript.split()) - heard) <= 2
    playing.cancel()
    with suppress(asyncio.CancelledError):
        await playing
    await paced.aclose()

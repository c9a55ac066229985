"""Voices that are slow to speak, and models that are slow to write: nobody hears a hole within a reply.

The clock of these tests jumps to whatever is due next: what they measure is exact, however busy the machine is.
"""

import asyncio
import re
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, tts
from typing_extensions import override

from tests.worker.voices.box import Box, voices_of
from worker.speaker.sound.onset import Onset
from worker.speaker.sound.prepared import Prepared
from worker.speaker.sound.voice import SAMPLE_RATE
from worker.speaker.sound.voices import Voices

T = TypeVar("T")

HOLE_S = 0.1  # what is shorter is no hole
CHUNK_S = 0.1
HELLO = "Hello, how can I help you today?"
TABLES = " ".join(["We have a table at seven, one at eight near the window, and one in the quiet garden."] * 2)
CLAUSES = "Let me see. On Friday at eight, or nine, we could do that for you, if you come in time, that is, before ten."
LIST = "Certainly, one moment please. Well, yes, we have, as far as I can see from here in this list of ours, a table."


class Clock(selectors.DefaultSelector):
    """Whoever waits for a moment finds that it has come."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


class Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = Clock()
        super().__init__(self._clock)

    @override
    def time(self) -> float:
        return self._clock.now_s


class Slow(Box):
    """A voice that takes whole texts.

    Args:
        base_s: it takes from a request to its first sound,
        character_s: and so much more for each character.
        times_real_time: how quickly the sound comes then.
    """

    def __init__(self, base_s: float, character_s: float, times_real_time: float) -> None:
        super().__init__(SAMPLE_RATE)
        self.base_s = base_s
        self.character_s = character_s
        self.times_real_time = times_real_time
        self.at_work: list[str] = []
        self.most_at_work = 0

    @override
    def synthesize(self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        return SlowWhole(tts=self, input_text=text, conn_options=conn_options)


class SlowWhole(tts.ChunkedStream):
    @override
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        box, text = cast("Slow", self._tts), self.input_text
        output_emitter.initialize(request_id="1", sample_rate=SAMPLE_RATE, num_channels=1, mime_type="audio/pcm")
        box.at_work.append(text)
        box.most_at_work = max(box.most_at_work, len(box.at_work))
        try:
            await asyncio.sleep(box.base_s + len(text) * box.character_s)
            sound, size = box.sound(text), int(SAMPLE_RATE * CHUNK_S) * 2
            for start in range(0, len(sound), size):
                output_emitter.push(sound[start : start + size])
                await asyncio.sleep(CHUNK_S / box.times_real_time)
        finally:
            box.at_work.remove(text)


WHOLE = (0.1, 1 / 30, 1000.0)  # it makes all of a piece first, in half of the time that it takes to say
LATE = (1.0, 0.0, 4.0)
REAL_TIME = (0.4, 0.0, 1.02)
FAST = (0.2, 0.0, 4.0)


def run(doing: Callable[[], Awaitable[T]]) -> T:
    """On a loop whose clock jumps."""

    async def do() -> T:
        return await doing()

    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(do())


async def holes(voices: Voices, text: str, tokens_per_s: float) -> list[float]:
    """Has a text said that a model writes; how long each silence within it was, in seconds."""
    loop, over_at, found = asyncio.get_running_loop(), 0.0, list[float]()
    async with voices.stream() as stream:

        async def write() -> None:
            for token in re.findall(r"\s?\w+|\W", text):
                stream.push_text(token)
                await asyncio.sleep(1 / tokens_per_s)
            stream.end_input()

        writing = asyncio.create_task(write())
        async for event in stream:
            if 0 < over_at < loop.time() - HOLE_S:
                found.append(round(loop.time() - over_at, 2))
            over_at = max(over_at, loop.time()) + event.frame.duration
        await writing
    return found


@pytest.mark.parametrize(
    ("voice", "tokens_per_s", "text"),
    [
        (WHOLE, 50, TABLES),
        (WHOLE, 50, CLAUSES),
        (LATE, 50, "Of course, I can do that for you right away. Is there anything else?"),
        (REAL_TIME, 50, TABLES),
        (FAST, 8, LIST),
    ],
    ids=["whole", "whole, clauses", "late", "hardly faster than it is heard", "slow model"],
)
def test_a_reply_has_no_hole(
    prepared: Prepared, voice: tuple[float, float, float], tokens_per_s: float, text: str
) -> None:
    async def two() -> list[list[float]]:
        voices = voices_of([Slow(*voice)], prepared, [])
        voices.first_sound_s = 10.0
        return [await holes(voices, said, tokens_per_s) for said in (HELLO, text)]

    assert run(two) == [[], []]


def test_a_voice_that_sends_silence_is_waited_for_no_longer_than_one_that_sends_nothing(prepared: Prepared) -> None:
    silent, happened = Slow(*REAL_TIME), list[tuple[str, Any]]()
    silent.loudness = 0.0

    async def failed_after_s() -> float:
        voices = voices_of([silent, Box(SAMPLE_RATE)], prepared, happened)
        async with voices.stream() as stream:
            stream.push_text(TABLES)
            stream.end_input()
            await anext(stream)
        return asyncio.get_running_loop().time()

    assert run(failed_after_s) == pytest.approx(0.5, abs=0.1)
    assert happened == [("failed", 0), ("switched", 1)]


@pytest.mark.parametrize("times_real_time", [1.0, 1000.0])
def test_a_pause_within_a_sentence_is_as_long_as_the_voice_makes_it(times_real_time: float) -> None:
    word, pause = np.full(SAMPLE_RATE // 2, 1000, np.int16), np.zeros(SAMPLE_RATE, np.int16)
    chunks = np.array_split(np.concatenate([word, pause, word]), 20)

    async def heard_until() -> float:
        output, onset = 0.0, Onset()
        for chunk in chunks:
            await asyncio.sleep(CHUNK_S / times_real_time)
            frame = rtc.AudioFrame(chunk.tobytes(), SAMPLE_RATE, 1, len(chunk))
            for played in onset.push(frame, output):
                output = max(output, asyncio.get_running_loop().time()) + played.duration
        return output

    assert run(heard_until) == pytest.approx(2.0 + CHUNK_S / times_real_time, abs=0.001)


def test_what_a_fast_voice_is_asked_for_are_a_clause_and_then_sentences(prepared: Prepared) -> None:
    box = Slow(*FAST)
    assert run(lambda: holes(voices_of([box], prepared, []), TABLES, 50)) == []
    first, second = re.findall(r"[^.]+\.", TABLES)
    clause = "We have a table at seven,"
    assert box.texts == [clause, first.removeprefix(clause).strip(), second.strip()]
    assert box.most_at_work == 1


def test_the_next_piece_is_made_while_one_is_heard_and_given_up_where_somebody_speaks_into_it(
    prepared: Prepared,
) -> None:
    box = Slow(*REAL_TIME)

    async def speak_into_it() -> float:
        voices, heard_s = voices_of([box], prepared, []), 0.0
        await holes(voices, HELLO, 50)
        async with voices.stream() as stream:
            stream.push_text(f"{TABLES} {TABLES}")
            stream.end_input()
            async for event in stream:
                heard_s += event.frame.duration
                if len(box.at_work) == 2:
                    break
        return heard_s

    heard_s = run(speak_into_it)
    first, *_ = re.findall(r"[^.]+\.", TABLES)
    assert 0 < heard_s < len(first) / 15, "while the first is still coming"
    assert box.most_at_work == 2
    assert box.at_work == []
    assert box.texts == [HELLO, first], "the second had made no sound yet"

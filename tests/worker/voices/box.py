"""A plugin's voice that needs no server."""

import asyncio
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectionError, APIConnectOptions, tts
from livekit.agents.types import TimedString

from worker.ranking import Ranking
from worker.speaker.sound.prepared import Prepared
from worker.speaker.sound.voices import Voices

MOMENT = "One moment, please."
SORRY = "I'm sorry, I didn't get that. Could you say it again?"
FAILED = "I'm sorry, something is wrong on our side. Please call again later. Goodbye."
ANSWER = "Yes, we have a table for you at eight. There is another one at nine o'clock."


class Box(tts.TTS[Any]):
    """A plugin's voice that needs no server: a tone of some rate; the text as it comes, or whole."""

    def __init__(
        self,
        rate: int,
        *,
        streaming: bool = False,
        timed: bool = False,
        breaks_after_s: float = math.inf,
        breaks_times: float = math.inf,
        says_so: bool = True,
        lingers: bool = False,
        loudness: float = 0.3,
        silence_s: float = 0.0,
        silence_after_s: float = 0.0,
    ) -> None:
        capabilities = tts.TTSCapabilities(streaming=streaming, aligned_transcript=timed)
        super().__init__(capabilities=capabilities, sample_rate=rate, num_channels=1)
        self.breaks_after_s = breaks_after_s
        self.breaks_times = breaks_times
        self.says_so = says_so
        self.lingers = lingers
        self.loudness = loudness
        self.silence_s = silence_s  # before the first word of a text
        self.silence_after_s = silence_after_s
        self.texts: list[str] = []

    @property
    def breaks(self) -> bool:
        """Whether it does so in the text that it says, or has said last."""
        return len(self.texts) <= self.breaks_times

    def sound(self, text: str) -> bytes:
        self.texts.append(text)
        seconds = min(len(text) / 15, self.breaks_after_s if self.breaks else math.inf)
        wave = self.loudness * np.sin(2 * np.pi * 440 * np.arange(int(seconds * self.sample_rate)) / self.sample_rate)
        silence_s = 0.0 if self.capabilities.streaming and len(self.texts) > 1 else self.silence_s
        before, after = (bytes(2 * int(s * self.sample_rate)) for s in (silence_s, self.silence_after_s))
        return before + (wave * 32767).astype("<i2").tobytes() + after

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        return Whole(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        return ByWord(tts=self, conn_options=conn_options)


async def _say(box: Any, emitter: tts.AudioEmitter, text: str) -> None:
    sound = box.sound(text)
    before_s = emitter.pushed_duration()
    emitter.push(sound)
    emitter.flush()
    while sound and emitter.pushed_duration() == before_s:  # noqa: ASYNC110 - LiveKit tells it in no other way
        await asyncio.sleep(0)  # it is on its way
    if box.breaks and box.says_so and len(text) / 15 > box.breaks_after_s:
        raise APIConnectionError("cut")


class Whole(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        rate = self._tts.sample_rate
        output_emitter.initialize(request_id="1", sample_rate=rate, num_channels=1, mime_type="audio/pcm")
        await _say(self._tts, output_emitter, self.input_text)


class ByWord(tts.SynthesizeStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        box: Any = self._tts
        rate = box.sample_rate
        output_emitter.initialize(request_id="1", sample_rate=rate, num_channels=1, mime_type="audio/pcm", stream=True)
        output_emitter.start_segment(segment_id="1")
        at_s = 0.0
        async for piece in self._input_ch:
            for word in re.findall(r"\S+\s*", piece) if isinstance(piece, str) else []:
                if box.capabilities.aligned_transcript:
                    output_emitter.push_timed_transcript(TimedString(word, start_time=at_s))
                await _say(box, output_emitter, word)
                at_s += len(word) / 15 + (box.silence_s if not at_s else 0.0)
        if box.lingers:
            await asyncio.Event().wait()


def voices_of(boxes: Sequence[Box], prepared: Prepared, happened: list[tuple[str, Any]]) -> Voices:
    """These as one, and what they tell."""
    return Voices(
        Ranking(boxes, lambda place: happened.append(("switched", place))),
        prepared,
        0.5,
        on_failed=lambda place, _error: happened.append(("failed", place)),
        on_spoken=lambda: None,
        on_speechless=lambda *, spoken_into: happened.append(("speechless", spoken_into)),
    )


async def hear(voices: Voices, text: str) -> None:
    """Have it said, to its end."""
    async with voices.stream() as stream:
        stream.push_text(text)
        stream.end_input()
        async for _ in stream:
            pass

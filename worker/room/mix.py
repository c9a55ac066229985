"""All microphones as one audio."""

import asyncio
from collections.abc import Collection

import numpy as np
from livekit import rtc
from livekit.agents.voice import io
from numpy.typing import NDArray
from typing_extensions import override

from worker.room.activity import SAMPLE_RATE
from worker.room.ear import LATE_S, Ear
from worker.room.kept import FRAME_S

AT_ONCE = 3  # frames of each ear
STEP_S = AT_ONCE * FRAME_S
STEP = round(SAMPLE_RATE * STEP_S)
QUIET_S = 3.0  # of silence, and nothing that is said can still go on


class Mix(io.AudioInput):
    """Frames of 96 ms at 16 kHz by a clock of its own, as long as it is read; who is late or gone is silent in it.

    It is what a turn's end is judged by: when everybody has been silent for long, there are no frames.

    Args:
        ears: a view of those that are in the room.
    """

    def __init__(self, ears: Collection[Ear]) -> None:
        super().__init__(label="Mix")
        self._ears = ears
        self._due = 0.0
        self._closed = False

    def close(self) -> None:
        """There is no more."""
        self._closed = True

    @override
    async def __anext__(self) -> rtc.AudioFrame:
        while True:
            now = asyncio.get_running_loop().time()
            self._due = max(self._due + STEP_S, now - LATE_S + STEP_S)  # a reader that was held up misses what is older
            await asyncio.sleep(self._due - now)
            if self._closed:
                raise StopAsyncIteration
            heard = [_taken(ear) for ear in self._ears]
            if any(ear.activity.silence_s < QUIET_S for ear in self._ears):
                return _mixed(heard)


def _taken(ear: Ear) -> NDArray[np.int16]:
    frames = [ear.unmixed.popleft() for _ in range(min(AT_ONCE, len(ear.unmixed)))]
    samples = np.frombuffer(b"".join(frame.data for frame in frames), np.int16)
    return np.pad(samples, (0, STEP - len(samples)))


def _mixed(heard: list[NDArray[np.int16]]) -> rtc.AudioFrame:
    total = heard[0] if len(heard) == 1 else np.clip(np.sum(heard, axis=0, dtype=np.int32), -32768, 32767)
    return rtc.AudioFrame(total.astype(np.int16).tobytes(), SAMPLE_RATE, 1, STEP)

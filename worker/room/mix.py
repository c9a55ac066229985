"""All microphones as one audio."""

import asyncio
from collections.abc import Collection

import numpy as np
from livekit import rtc
from livekit.agents.voice import io
from typing_extensions import override

from worker.room.activity import SAMPLE_RATE
from worker.room.ear import LATE_S, Ear
from worker.room.kept import FRAME_S

FRAME = int(SAMPLE_RATE * FRAME_S)
SILENCE = rtc.AudioFrame(bytes(2 * FRAME), SAMPLE_RATE, 1, FRAME)


class Mix(io.AudioInput):
    """Frames of 20 ms at 16 kHz by a clock of its own, as long as it is read; who is late or gone is silent in it.

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
        now = asyncio.get_running_loop().time()
        self._due = max(self._due + FRAME_S, now - LATE_S)  # a reader that was held up misses what is older
        await asyncio.sleep(self._due - now)
        if self._closed:
            raise StopAsyncIteration
        return _mixed([ear.unmixed.popleft() for ear in self._ears if ear.unmixed])


def _mixed(frames: list[rtc.AudioFrame]) -> rtc.AudioFrame:
    if not frames:
        return SILENCE
    if len(frames) == 1:
        return frames[0]
    total = np.sum([np.frombuffer(frame.data, np.int16) for frame in frames], axis=0, dtype=np.int32)
    return rtc.AudioFrame(np.clip(total, -32768, 32767).astype(np.int16).tobytes(), SAMPLE_RATE, 1, FRAME)

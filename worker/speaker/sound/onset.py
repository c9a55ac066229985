"""Where a voice begins to speak, and where it has spoken: its silence before the first word and after the last is cut.

Silence alone is no sound.
"""

import asyncio
import math
from collections.abc import Iterator

import numpy as np
from livekit import rtc
from numpy.typing import NDArray

from worker.speaker.sound.voice import SAMPLE_RATE

HEARD = 100  # of 32767: an "f" or an "h" begins softly; what voices call silence is softer still
LEAD_S = 0.04  # is kept before the first sample that is heard: a word begins before that
PAUSE_S = 0.3  # is enough between two sentences
MOST_S = 1.0  # of silence is taken away before a word; a voice that is silent for longer is meant to be


class Onset:
    """Takes away silence around each piece of sound, not within: linear16 mono at the rate of the agent's voice."""

    def __init__(self) -> None:
        self.has_begun = False  # the present piece
        self.removed_s = 0.0  # of it
        self._held = bytearray()  # silence after which nothing has come
        self._held_at = 0.0  # since when
        self._quiet_s = math.inf  # how long it has been silent

    def push(self, frame: rtc.AudioFrame, heard_until: float = math.inf) -> Iterator[rtc.AudioFrame]:
        """What of it is there to be heard; of silence that may be all that comes nothing, for now.

        What came before is heard until then, by the loop's time: from then on silence is heard though it is held.
        """
        samples = np.frombuffer(frame.data, np.int16)
        heard = np.flatnonzero((samples > HEARD) | (samples < -HEARD))
        if not len(heard):
            passed = self._passed(len(samples))
            if passed:
                yield _frame(samples[:passed])
            if passed < len(samples):
                self._hold(samples[passed:])
            return
        if self._held or not self.has_begun:
            silent = np.concatenate([np.frombuffer(bytes(self._held), np.int16), samples[: heard[0]]])
            removed = self._removed(len(silent), heard_until)
            self.removed_s += removed / SAMPLE_RATE
            self._held, self.has_begun = bytearray(), True
            frame = _frame(np.concatenate([silent[removed:], samples[heard[0] :]]))
        self._quiet_s = (len(samples) - 1 - int(heard[-1])) / SAMPLE_RATE
        yield frame

    def rest(self) -> None:
        """The piece is over: the silence at its end is not heard, nor is one that was silent throughout."""
        self._held, self.has_begun, self.removed_s = bytearray(), False, 0.0

    def _passed(self, silent: int) -> int:
        """How many of so many silent samples are heard, whatever comes: as many as a pause has."""
        if not self.has_begun:
            return 0
        passed = min(max(round((PAUSE_S - self._quiet_s) * SAMPLE_RATE), 0), silent)
        self._quiet_s += silent / SAMPLE_RATE
        return passed

    def _hold(self, silent: NDArray[np.int16]) -> None:
        if not self._held:
            self._held_at = asyncio.get_running_loop().time()
        self._held += silent.tobytes()

    def _removed(self, silent: int, heard_until: float) -> int:
        """How many of so many silent samples before a sound are not heard."""
        if not self.has_begun and silent < MOST_S * SAMPLE_RATE:
            keep_s = LEAD_S if math.isinf(self._quiet_s) else max(LEAD_S, PAUSE_S - self._quiet_s)
            return max(silent - int(keep_s * SAMPLE_RATE), 0)
        if not self._held:
            return 0
        over_s = max(asyncio.get_running_loop().time() - max(heard_until, self._held_at), 0.0)
        return min(int(over_s * SAMPLE_RATE), silent)


def _frame(samples: NDArray[np.int16]) -> rtc.AudioFrame:
    return rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE, 1, len(samples))

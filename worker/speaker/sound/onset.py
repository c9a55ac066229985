"""Where a voice begins to speak: the silence that it puts before its first word is not waited for."""

import math
from collections.abc import Iterator

import numpy as np
from livekit import rtc
from numpy.typing import NDArray

from worker.speaker.sound.voice import SAMPLE_RATE

HEARD = 100  # of 32767: an "f" or an "h" begins softly; what voices call silence is softer still
LEAD_S = 0.04  # is kept before the first sample that is heard: a word begins before that
PAUSE_S = 0.3  # is enough between two sentences
MOST_S = 1.0  # of silence is taken away; a voice that is silent for longer is meant to be


class Onset:
    """Takes away silence at the beginning of each piece of sound: linear16 mono at the rate of the agent's voice."""

    def __init__(self) -> None:
        self.removed_s = 0.0  # of the present piece
        self._held = bytearray()
        self._has_begun = False
        self._quiet_s = math.inf  # how long it has been silent

    def push(self, frame: rtc.AudioFrame) -> Iterator[rtc.AudioFrame]:
        """What of it is there to be heard; of silence that may be the beginning of a piece nothing, for now."""
        if self._has_begun:
            self._note(np.frombuffer(frame.data, np.int16))
            yield frame
            return
        self._held += frame.data
        samples = np.frombuffer(self._held, np.int16)
        heard = np.flatnonzero(_is_heard(samples))
        if not len(heard) and len(samples) < MOST_S * SAMPLE_RATE:
            return
        if len(heard):
            keep_s = LEAD_S if math.isinf(self._quiet_s) else max(LEAD_S, PAUSE_S - self._quiet_s)
            first = max(int(heard[0]) - int(keep_s * SAMPLE_RATE), 0)
            self.removed_s = first / SAMPLE_RATE
            samples = samples[first:]
        self._has_begun, self._held = True, bytearray()
        self._note(samples)
        yield rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE, 1, len(samples))

    def rest(self) -> Iterator[rtc.AudioFrame]:
        """The piece is over: what was silent throughout."""
        held, self._held = self._held, bytearray()
        self._has_begun, self.removed_s = False, 0.0
        if held:
            yield rtc.AudioFrame(held, SAMPLE_RATE, 1, len(held) // 2)

    def _note(self, samples: NDArray[np.int16]) -> None:
        heard = np.flatnonzero(_is_heard(samples))
        if len(heard):
            self._quiet_s = (len(samples) - 1 - int(heard[-1])) / SAMPLE_RATE
        else:
            self._quiet_s += len(samples) / SAMPLE_RATE


def _is_heard(samples: NDArray[np.int16]) -> NDArray[np.bool_]:
    return (samples > HEARD) | (samples < -HEARD)

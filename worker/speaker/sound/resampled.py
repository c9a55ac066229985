"""Sound of any rate as linear16 mono at the rate of the agent's voice."""

from collections.abc import Iterator

import numpy as np
from livekit import rtc

from worker.speaker.sound.voice import SAMPLE_RATE


class Resampled:
    """Frames that follow each other without a seam, until they are flushed."""

    def __init__(self) -> None:
        self._resampler: rtc.AudioResampler | None = None
        self._from = SAMPLE_RATE

    def push(self, frame: rtc.AudioFrame) -> Iterator[rtc.AudioFrame]:
        """What of it is there already."""
        mono = _mono(frame)
        if mono.sample_rate != self._from:
            self._resampler, self._from = None, mono.sample_rate
        if mono.sample_rate == SAMPLE_RATE:
            yield mono
            return
        if self._resampler is None:
            self._resampler = rtc.AudioResampler(mono.sample_rate, SAMPLE_RATE)
        yield from self._resampler.push(mono)

    def flush(self) -> Iterator[rtc.AudioFrame]:
        """The rest; what comes next does not follow it."""
        if self._resampler is not None:
            yield from self._resampler.flush()
            self._resampler = None


def _mono(frame: rtc.AudioFrame) -> rtc.AudioFrame:
    if frame.num_channels == 1:
        return frame
    samples = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels)
    mixed = samples.mean(axis=1).astype(np.int16)
    return rtc.AudioFrame(mixed.tobytes(), frame.sample_rate, 1, len(mixed))

"""Whether a recording can be played, and both sides can be heard on it."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

AUDIBLE = 300  # of 32767


@dataclass(frozen=True)
class Heard:
    """What is on a recording: its length, and for how many seconds there is sound on each channel."""

    seconds: float
    sounding: tuple[float, ...]


def listen(path: Path) -> Heard:
    """Decode the whole file; av.FFmpegError if it is none that can be played."""
    resampler = av.AudioResampler("s16p")
    with av.open(str(path)) as file:
        rate = file.streams.audio[0].rate
        blocks = [part.to_ndarray() for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    channels = np.concatenate(blocks, axis=1)
    tenth = rate // 10
    whole = channels[:, : channels.shape[1] // tenth * tenth].reshape(len(channels), -1, tenth)
    loud = np.abs(whole.astype(np.int32)).max(axis=2) > AUDIBLE
    return Heard(channels.shape[1] / rate, tuple(float(count) / 10 for count in loud.sum(axis=1)))

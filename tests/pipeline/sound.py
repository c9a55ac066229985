"""Ogg Opus files of tones, as a worker writes its recordings, and what is heard in one."""

from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000
BLOCK = RATE // 50
LOUDNESS = 8000
CALM = LOUDNESS / 20

Pcm = NDArray[Any]  # a row for each sample, a column for each side


def tone(hertz: float, seconds: float) -> Pcm:
    """The caller on the left; on the right the agent, an octave higher."""
    times = np.arange(int(seconds * RATE)) / RATE
    sides = [np.sin(2 * np.pi * each * times) for each in (hertz, 2 * hertz)]
    return (np.stack(sides, axis=1) * LOUDNESS).astype(np.int16)


def silence(seconds: float) -> Pcm:
    return np.zeros((int(seconds * RATE), 2), np.int16)


def write_ogg(path: Path, pcm: Pcm) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w", format="ogg", options={"page_duration": "200000"}) as container:
        stream = container.add_stream("libopus", rate=RATE, layout="stereo", options={"b": "64000"})
        for first in range(0, len(pcm) // BLOCK * BLOCK, BLOCK):
            block = pcm[first : first + BLOCK].reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = RATE, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def cut_off(path: Path, missing: int) -> None:
    """Take away so many bytes at the end, as if the writer had been killed."""
    path.write_bytes(path.read_bytes()[:-missing])


def read_sound(path: Path) -> Pcm:
    """The whole file decoded, whatever its format. Raises if any of it is broken."""
    with av.open(path) as container:
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
        parts = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([part.reshape(-1, 2) for part in parts])


def heard(pcm: Pcm, from_s: float, to_s: float) -> float | None:
    """The tone's pitch on the left in that stretch, None where there is silence; the right side must fit to it."""
    stretch = pcm[round(from_s * RATE) : round(to_s * RATE)].astype(float)
    assert len(stretch) == round(to_s * RATE) - round(from_s * RATE), "the recording ends before"
    left, right = (_pitch(stretch[:, side]) for side in (0, 1))
    assert (left is None) == (right is None)
    assert left is None or right is None or abs(right - 2 * left) < 2 * RATE / len(stretch)
    return None if left is None else round(left)


def _pitch(side: Pcm) -> float | None:
    if np.abs(side).max() < CALM:
        return None
    spectrum = np.abs(np.fft.rfft(side * np.hanning(len(side))))
    return float(np.argmax(spectrum)) * RATE / len(side)

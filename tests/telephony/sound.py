"""Sound as a telephone line carries it: 8 kHz, one channel, 16 bits."""

import wave
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 8000
LOUDNESS = 8000
AUDIBLE = LOUDNESS / 20

Pcm = NDArray[np.int16]


def tone(hertz: float, seconds: float) -> Pcm:
    times = np.arange(int(seconds * RATE)) / RATE
    return (np.sin(2 * np.pi * hertz * times) * LOUDNESS).astype(np.int16)


def read(path: Path, rate: int = RATE) -> Pcm:
    """A sound file of any kind."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    with av.open(path) as container:
        frames = [*container.decode(audio=0), None]
        return np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])


def write(path: Path, pcm: Pcm) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())


def seconds_of_sound(pcm: Pcm) -> float:
    """How much of it is not silence."""
    blocks = pcm[: len(pcm) // 160 * 160].reshape(-1, 160).astype(float)
    return float(np.count_nonzero(np.sqrt((blocks**2).mean(axis=1)) > AUDIBLE)) / 50


def loudness_of(hertz: float, pcm: Pcm) -> float:
    """The amplitude of a tone of that pitch in the last half second, about `LOUDNESS` for `tone`; 0 if too short."""
    stretch = pcm[-RATE // 2 :].astype(float)
    if len(stretch) < RATE // 2:
        return 0.0
    turns = np.exp(-2j * np.pi * hertz * np.arange(len(stretch)) / RATE)
    return float(2 * np.abs((stretch * turns).mean()))


def through_the_line(pcm: Pcm) -> Pcm:
    """As it comes out of G.711 (μ-law)."""
    loudness = np.log1p(255 * np.abs(pcm.astype(float)) / 32768) / np.log(256)
    steps = np.round(loudness * 127) / 127
    quantised: Pcm = (np.sign(pcm) * (256**steps - 1) / 255 * 32767).astype(np.int16)
    return quantised

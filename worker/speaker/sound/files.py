"""Sound that is kept in files: linear16 mono at the rate of the agent's voice, as Ogg/Opus."""

import io

import av
import numpy as np
from numpy.typing import NDArray

from worker.speaker.sound.voice import SAMPLE_RATE

BIT_RATE = 32_000
_TONES = (587.0, 440.0)  # Hz, one after the other
_TONE_S = 0.22
_FADE_S = 0.04
_SOFT = 0.12
AUDIBLE = 300  # of 32767: the loudest sample of what is more than noise


def encoded(pcm: bytes) -> bytes:
    """The same as a file."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono", options={"b": str(BIT_RATE)})
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def decoded(file: bytes) -> bytes:
    """What such a file holds; ValueError if it is none, or nobody would hear it."""
    try:
        with av.open(io.BytesIO(file), "r") as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
            parts = [part.to_ndarray()[0] for part in [*frames, *resampler.resample(None)]]
    except (av.FFmpegError, IndexError) as error:
        raise ValueError("this is no sound") from error
    samples: NDArray[np.int16] = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    if not is_audible(samples.tobytes()):
        raise ValueError("this is silence")
    return samples.tobytes()


def is_audible(pcm: bytes) -> bool:
    """Whether there is more in it than noise."""
    samples = np.frombuffer(pcm, np.int16)
    return bool(len(samples)) and (int(samples.max()) > AUDIBLE or int(samples.min()) < -AUDIBLE)


def tone() -> bytes:
    """Two soft tones, which tell that somebody is there, in any language."""
    at = np.arange(int(_TONE_S * SAMPLE_RATE)) / SAMPLE_RATE
    fade = np.clip(np.minimum(at, _TONE_S - at) / _FADE_S, 0, 1)
    waves = [np.sin(2 * np.pi * hertz * at) * fade for hertz in _TONES]
    return bytes((np.concatenate(waves) * _SOFT * 32767).astype("<i2").tobytes())

"""From what a client sends to mono float samples at 16 kHz, the rate of the models."""

import io
from collections.abc import Iterator
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 16_000
ENCODINGS = ("linear16", "mulaw", "alaw")
_CODECS = {"linear16": "pcm_s16le", "mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}


class UnreadableAudio(Exception):
    """The bytes are no audio that can be decoded; the message says why."""


def _to_model_rate() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=RATE)


def _samples(frames: Iterator[av.AudioFrame], resampler: av.AudioResampler, *, flush: bool) -> Samples:
    parts = [part.to_ndarray().reshape(-1) for frame in frames for part in resampler.resample(frame)]
    if flush:
        parts += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    if not parts:
        return np.zeros(0, np.float32)
    return np.concatenate(parts).astype(np.float32) / np.float32(32768)


class Decoder:
    """Decodes one raw stream, chunk by chunk; a chunk may end in the middle of a sample."""

    def __init__(self, encoding: str, sample_rate: int, channels: int) -> None:
        self._codec = cast("av.AudioCodecContext", av.CodecContext.create(_CODECS[encoding], "r"))
        self._codec.sample_rate = sample_rate
        self._codec.layout = "mono" if channels == 1 else "stereo"
        self._frame_bytes = channels * (2 if encoding == "linear16" else 1)
        self._resampler = _to_model_rate()
        self._rest = b""

    def decode(self, chunk: bytes) -> Samples:
        data = self._rest + chunk
        whole = len(data) - len(data) % self._frame_bytes
        data, self._rest = data[:whole], data[whole:]
        if not data:
            return np.zeros(0, np.float32)
        return _samples(iter(self._codec.decode(av.Packet(data))), self._resampler, flush=False)


def decode_file(data: bytes) -> Samples:
    """Samples of a whole file in any container that FFmpeg reads (wav, mp3, ogg, flac, ...)."""
    try:
        with av.open(io.BytesIO(data), "r") as container:
            if not container.streams.audio:
                raise UnreadableAudio("the file has no audio stream")
            return _samples(container.decode(audio=0), _to_model_rate(), flush=True)
    except (av.FFmpegError, EOFError) as error:
        raise UnreadableAudio("the body is not audio in a known container") from error


def decode_raw(data: bytes, encoding: str, sample_rate: int, channels: int) -> Samples:
    """Samples of a whole recording without a header."""
    return Decoder(encoding, sample_rate, channels).decode(data)

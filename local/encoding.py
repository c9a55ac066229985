"""From linear16 to what a client asked to hear, piece by piece."""

import io
import struct
from dataclasses import dataclass, field
from typing import Protocol, cast

import av
import numpy as np

from local.voice import RATE


class Encoder(Protocol):
    """`begin`, `encode` of every piece, `end`; each gives bytes to send on at once."""

    @property
    def content_type(self) -> str: ...
    def begin(self) -> bytes: ...
    def encode(self, pcm: bytes) -> bytes: ...
    def end(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Pcm:
    content_type: str = "audio/pcm"

    def begin(self) -> bytes:
        return b""

    def encode(self, pcm: bytes) -> bytes:
        return pcm

    def end(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class Wav:
    """A stream has no length yet: both sizes of the header are the largest there is, as players expect."""

    content_type: str = "audio/wav"

    def begin(self) -> bytes:
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
        return b"RIFF" + b"\xff" * 4 + b"WAVE" + form + b"data" + b"\xff" * 4

    def encode(self, pcm: bytes) -> bytes:
        return pcm

    def end(self) -> bytes:
        return b""


@dataclass(slots=True)
class Compressed:
    """Any codec of FFmpeg that takes 24 kHz mono."""

    content_type: str
    container: str
    codec: str
    sample_format: str
    _sink: io.BytesIO = field(default_factory=io.BytesIO)
    _output: av.container.OutputContainer = field(init=False)
    _stream: av.AudioStream = field(init=False)

    def begin(self) -> bytes:
        self._output = av.open(_Unseekable(self._sink), "w", format=self.container)
        stream = self._output.add_stream(self.codec, rate=RATE, layout="mono", format=self.sample_format)
        self._stream = cast("av.AudioStream", stream)
        return self._taken()

    def encode(self, pcm: bytes) -> bytes:
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        self._output.mux(self._stream.encode(frame))
        return self._taken()

    def end(self) -> bytes:
        self._output.mux(self._stream.encode(None))
        self._output.close()
        return self._taken()

    def _taken(self) -> bytes:
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return data


class _Unseekable:
    """Keeps FFmpeg from going back to write lengths into what was already sent."""

    def __init__(self, sink: io.BytesIO) -> None:
        self.write = sink.write


_COMPRESSED = {
    "mp3": ("audio/mpeg", "mp3", "libmp3lame", "s16p"),
    "opus": ("audio/ogg", "ogg", "libopus", "s16"),
    "aac": ("audio/aac", "adts", "aac", "fltp"),
    "flac": ("audio/flac", "flac", "flac", "s16"),
}
FORMATS = ("pcm", "wav", *_COMPRESSED)


def encoder(name: str) -> Encoder:
    """A new one for a `response_format` of OpenAI's speech API, one of `FORMATS`."""
    if name == "pcm":
        return Pcm()
    return Wav() if name == "wav" else Compressed(*_COMPRESSED[name])

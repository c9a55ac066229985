"""One recording out of the files of several agents: each at its own second of the call, with silence between them."""

import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from calls.analysis.post_call import RecordingFormat

# What speech recognisers read and wideband telephones carry: 230 MB an hour. Full band takes 690 MB, for no word more.
WAV_RATE = 16_000
OGG_RATE = 48_000
OGG_BLOCK = OGG_RATE // 50  # one Opus frame
OGG_BIT_RATE = 64_000

Samples = NDArray[np.int16]  # a row for each sample, a column for each side


class Damaged(Exception):
    """Sound that cannot be decoded."""


@dataclass(frozen=True)
class Sound:
    """A stereo file, open for reading, that begins at so many milliseconds of the call; what is before it is left out.

    The agent is on the right as in a recording, or on the left.
    """

    starts_at_ms: int
    file: BinaryIO
    agent_left: bool = False


@dataclass(frozen=True)
class Joined:
    """How long a file made of several plays, and those that could not be decoded to their end."""

    duration_ms: int
    damaged: list[Sound]


def is_playable(file: BinaryIO) -> bool:
    """Whether the beginning of a file can be decoded."""
    try:
        next(decoded(file, OGG_RATE))
    except Damaged:
        return False
    return True


def join(sounds: Iterable[Sound], target: BinaryIO, file_format: RecordingFormat) -> Joined:
    """Write them into one file, each up to the next one, with no more than a second of it in memory.

    Whoever is heard after another has begun had lost the call by then: it stood still, and has just woken.
    """
    rate, write = _WRITERS[file_format]
    damaged: list[Sound] = []
    in_order = sorted(sounds, key=lambda sound: sound.starts_at_ms)
    written = write(_samples(in_order, rate, damaged), target)
    return Joined(written * 1000 // rate, damaged)


def _write_wav(chunks: Iterable[Samples], target: BinaryIO) -> int:
    with wave.open(target, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(WAV_RATE)
        written = 0
        for chunk in chunks:
            file.writeframesraw(chunk.astype("<i2", copy=False).tobytes())
            written += len(chunk)
    return written


def _write_ogg(chunks: Iterable[Samples], target: BinaryIO) -> int:
    with av.open(target, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=OGG_RATE, layout="stereo", options={"b": str(OGG_BIT_RATE)})
        written = 0
        for block in _blocks(chunks):
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = OGG_RATE, written
            container.mux(stream.encode(frame))
            written += OGG_BLOCK
        container.mux(stream.encode(None))
    return written


_WRITERS: dict[RecordingFormat, tuple[int, Callable[[Iterable[Samples], BinaryIO], int]]] = {
    "wav": (WAV_RATE, _write_wav),
    "ogg": (OGG_RATE, _write_ogg),
}


def _samples(sounds: Sequence[Sound], rate: int, damaged: list[Sound]) -> Iterator[Samples]:
    starts = [sound.starts_at_ms * rate // 1000 for sound in sounds]
    ends = [*starts[1:], None]
    written = 0
    for sound, start, end in zip(sounds, starts, ends, strict=True):
        early = max(-start, 0)
        try:
            for part in decoded(sound.file, rate):
                chunk = part[early:, ::-1] if sound.agent_left else part[early:]
                early = max(early - len(part), 0)
                while written < start:
                    silence = np.zeros((min(start - written, rate), 2), np.int16)
                    yield silence
                    written += len(silence)
                fresh = chunk if end is None else chunk[: end - written]
                yield fresh
                written += len(fresh)
                if written == end:
                    break
        except Damaged:
            damaged.append(sound)


def decoded(file: BinaryIO, rate: int) -> Iterator[Samples]:
    """A file's sound from its beginning, bit by bit; Damaged where it cannot be decoded any further."""
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=rate)
    anything = False
    file.seek(0)
    try:
        with av.open(file, "r") as container:
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    anything = True
                    yield part.to_ndarray().astype(np.int16, copy=False).reshape(-1, 2)
    except av.EOFError:
        pass  # the end of a file that its writer did not live to close
    except av.FFmpegError as error:
        raise Damaged from error
    if not anything:
        raise Damaged


def _blocks(chunks: Iterable[Samples]) -> Iterator[Samples]:
    rest = np.zeros((0, 2), np.int16)
    for chunk in chunks:
        rest = np.concatenate([rest, chunk])
        whole = len(rest) // OGG_BLOCK * OGG_BLOCK
        for first in range(0, whole, OGG_BLOCK):
            yield rest[first : first + OGG_BLOCK]
        rest = rest[whole:]

"""One recording out of the files of several agents: each at its own second of the call, with silence between them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000
BLOCK = RATE // 50  # one Opus frame
BIT_RATE = 64_000


class Damaged(Exception):
    """Sound that cannot be decoded."""


@dataclass(frozen=True, order=True)
class Piece:
    """A stereo file that begins at so many milliseconds of the call."""

    starts_at_ms: int
    path: Path


def is_playable(path: Path) -> bool:
    """Whether the beginning of a file can be decoded."""
    try:
        next(_decoded(path))
    except Damaged:
        return False
    return True


def join(pieces: Iterable[Piece], target: Path) -> list[Piece]:
    """Write the pieces into one Ogg Opus file, each up to the next one; those that could not be decoded to their end.

    Whoever is heard after another has begun had lost the call by then: it stood still, and has just woken. Where
    nothing can be decoded no file is made.
    """
    damaged: list[Piece] = []
    with av.open(target, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="stereo", options={"b": str(BIT_RATE)})
        for number, block in enumerate(_blocks(_samples(sorted(pieces), damaged))):
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = RATE, number * BLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return damaged


def _samples(pieces: Sequence[Piece], damaged: list[Piece]) -> Iterator[NDArray[np.int16]]:
    starts = [piece.starts_at_ms * RATE // 1000 for piece in pieces]
    ends = [*starts[1:], None]
    written = 0
    for piece, start, end in zip(pieces, starts, ends, strict=True):
        try:
            for chunk in _decoded(piece.path):
                while written < start:
                    silence = np.zeros((min(start - written, RATE), 2), np.int16)
                    yield silence
                    written += len(silence)
                fresh = chunk if end is None else chunk[: end - written]
                yield fresh
                written += len(fresh)
                if written == end:
                    break
        except Damaged:
            damaged.append(piece)


def _decoded(path: Path) -> Iterator[NDArray[np.int16]]:
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
    anything = False
    try:
        with av.open(path) as container:
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


def _blocks(chunks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
    rest = np.zeros((0, 2), np.int16)
    for chunk in chunks:
        rest = np.concatenate([rest, chunk])
        whole = len(rest) // BLOCK * BLOCK
        for first in range(0, whole, BLOCK):
            yield rest[first : first + BLOCK]
        rest = rest[whole:]

"""What a recording looks like: its peaks, made once, so that nobody decodes an hour of sound to draw it."""

import math
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from calls.analysis.post_call import RecordingFormat
from pipeline.loudness import AGENT, PEOPLE, STEP_MS, peaks

MOST_POINTS = 3000  # of each side: as many as a wide screen has dots
_STEPS_OF_BITS = 2**15 // 2**8  # from the 15 bits of a sample without its sign to the 8 of a point


@dataclass(frozen=True)
class Waveform:
    """A byte for each `step_ms` of the people, then as many of the agent: its loudest sample, of 255."""

    step_ms: int
    peaks: bytes


def waveform(file: BinaryIO, file_format: RecordingFormat) -> Waveform:
    """The waveform of a recording; a short one has finer steps than a long one.

    Raises:
        Damaged: it cannot be decoded.
    """
    found = peaks(file, file_format)
    width = max(math.ceil(len(found) / MOST_POINTS), 1)
    filled = np.concatenate([found, np.zeros((-len(found) % width, 2), found.dtype)])
    points = (filled.reshape(-1, width, 2).max(axis=1) // _STEPS_OF_BITS).astype(np.uint8)
    return Waveform(width * STEP_MS, points[:, PEOPLE].tobytes() + points[:, AGENT].tobytes())

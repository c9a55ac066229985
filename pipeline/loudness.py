"""When somebody fell silent and when the agent began to be heard, by how loud a recording is."""

import math
from itertools import takewhile
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from calls.analysis.post_call import RecordingFormat
from calls.latency import Turn
from pipeline.joining import OGG_RATE, WAV_RATE, decoded

STEP_MS = 10
REACH_MS = 1500  # so far from where the worker saw an edge, it is looked for
EARLY_MS = 150  # so long before its decision, by the worker's clock, an answer may be in the recording
BEFORE_MS, AFTER_MS = 4000, 2000  # what is looked at beside a turn, to know how loud is loud there
AUDIBLE = 300  # of 32767: the loudest sample of what is more than noise,
OVER_NOISE = 3  # which it exceeds so many times,
UNDER_SPEECH = 16  # and so many times softer than somebody's speech is none: a breath, a key
LASTING, OF = 3, 5  # steps that are loud: a click is no sound
QUIET = 5  # steps before a beginning

PEOPLE, AGENT = 0, 1  # the sides of a recording
_RATES: dict[RecordingFormat, int] = {"wav": WAV_RATE, "ogg": OGG_RATE}

Peaks = NDArray[np.int16]  # a row for each step, a column for each side
Loud = NDArray[np.bool_]  # for each step


def peaks(file: BinaryIO, file_format: RecordingFormat, until_ms: float = math.inf) -> Peaks:
    """The highest sample of each step of a recording's first `until_ms`; never more than a second of it in memory.

    Raises:
        Damaged: it cannot be decoded that far.
    """
    rate = _RATES[file_format]
    step = rate * STEP_MS // 1000
    found = [np.zeros((0, 2), np.int16)]
    waiting, length = [np.zeros((0, 2), np.int16)], 0
    for part in takewhile(lambda _part: len(found) * 1000 <= until_ms + 1000, decoded(file, rate)):
        waiting.append(part)
        length += len(part)
        if length >= rate:
            pcm = np.concatenate(waiting)
            found.append(_peaks(pcm[:rate], step))
            waiting, length = [pcm[rate:]], length - rate
    found.append(_peaks(np.concatenate(waiting), step))
    return np.concatenate(found)


def measured(found: Peaks, turn: Turn) -> tuple[int, int] | None:
    """When the person fell silent and when the answer began, in milliseconds; None if it is not to be heard clearly.

    So it is not where something else was heard before the answer: another phrase, what the agent had been saying
    before, an answer that was broken off.
    """
    if turn.phrase_at_ms is not None:
        return None
    stopped, decided, sounded = (
        at_ms // STEP_MS for at_ms in (turn.user_stopped_at_ms, turn.decided_at_ms, turn.first_sound_at_ms)
    )
    first = max(stopped - BEFORE_MS // STEP_MS, 0)
    around = found[first : sounded + AFTER_MS // STEP_MS]
    if len(around) < OF:
        return None
    stopped, decided, sounded = stopped - first, decided - first, sounded - first
    begins = _answer(_loud(around[:, AGENT]), stopped, max(decided - EARLY_MS // STEP_MS, stopped), sounded)
    if begins is None or abs(begins - sounded) > REACH_MS // STEP_MS:
        return None
    ends = _end(_loud(around[:, PEOPLE]), min(decided, begins))
    if ends is None or abs(ends - stopped) > REACH_MS // STEP_MS:
        return None
    return (first + ends) * STEP_MS, (first + begins) * STEP_MS


def _peaks(pcm: NDArray[np.int16], step: int) -> Peaks:
    whole = pcm[: len(pcm) // step * step].reshape(-1, step, 2)
    # The absolute value of the lowest sample is no int16.
    highest: Peaks = np.maximum(whole.max(axis=1), -np.maximum(whole.min(axis=1), -32767))
    return highest


def _loud(side: NDArray[np.int16]) -> Loud:
    noise, speech = np.percentile(side, (10, 95)) if len(side) else (0, 0)
    loud = side > max(AUDIBLE, OVER_NOISE * noise, speech / UNDER_SPEECH)
    lasting: Loud = loud & (np.convolve(loud, np.ones(OF), "same") >= LASTING)
    return lasting


def _answer(loud: Loud, stopped: int, earliest: int, sounded: int) -> int | None:
    """The first step after `stopped` that is loud after quiet ones; None if that may be another sound than the answer.

    It may be if it comes before `earliest`, if the agent is still heard then, or if another beginning is nearer to
    where the worker saw the answer's.
    """
    steps = np.flatnonzero(loud[stopped:]) + stopped
    begins = [int(step) for step in steps if not loud[max(step - QUIET, 0) : step].any()]
    if not begins or begins[0] < earliest or loud[earliest]:
        return None
    nearest = min(begins, key=lambda step: abs(step - sounded))
    return nearest if nearest == begins[0] else None


def _end(loud: Loud, latest: int) -> int | None:
    """The step after the last loud one before `latest`; None if none was, or it may go on."""
    before = np.flatnonzero(loud[:latest])
    return None if not len(before) or before[-1] + 1 >= latest else int(before[-1]) + 1

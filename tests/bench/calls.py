"""Calls whose sound and log are known."""

from typing import Any

import numpy as np

from bench.conversation.call import Call, Turn
from bench.conversation.material import Piece, Sentence
from bench.conversation.sound import FRAME_S, Sound, Span

SAID = Span(10.0, 12.0)
LOG: list[dict[str, Any]] = [
    {"kind": "llm", "call": "a", "at": 9.0, "first_at": 9.35},
    {"kind": "stt", "call": "b", "at": 12.31, "loud_at": 12.01, "text": "Not ours."},
    {"kind": "stt", "call": "a", "at": 12.35, "loud_at": 12.05, "text": "A table."},
    {"kind": "llm", "call": "a", "at": 12.36, "first_at": 12.71},
    {"kind": "tts", "call": "a", "at": 12.9, "first_at": 13.1, "seconds": 1.0},
    {"kind": "tts", "call": "a", "at": 13.3, "first_at": 13.5, "seconds": 1.0},
]


class Listening:
    """A caller that has heard sound of the given spans."""

    def __init__(self, *spans: tuple[float, float]) -> None:
        self.joined_at = 0.0
        self.heard = Sound()
        for began, ended in spans:
            for frame in range(round(began / FRAME_S), round(ended / FRAME_S)):
                self.heard.add(frame * FRAME_S, frame * FRAME_S)


def call(
    *spans: tuple[float, float],
    kind: str = "complete",
    apart: bool = False,
    pieces: tuple[Piece, ...] = (),
    interrupted: Span | None = None,
) -> Call:
    """One in which somebody said a sentence and heard sound of the given spans."""
    sentence = Sentence(kind, apart, "joe", pieces, np.zeros(0, np.int16))
    turns = [Turn(sentence, SAID, 20.0)]
    return Call("system", "a", Listening(*spans), turns, interrupted=interrupted)  # type: ignore[arg-type] # what is judged of a caller

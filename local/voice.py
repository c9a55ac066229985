"""The voice of the agent."""

from collections.abc import Iterator

import numpy as np
from hibari import Hibari
from numpy.typing import NDArray

RATE = 24_000
_BREATH = bytes(RATE // 10 * 2)  # what "..." sounds like: clients take an answer without audio for a fault


class Voice:
    """Hibari's "heart". Not thread-safe; about a hundredth of a second per second of speech."""

    def __init__(self) -> None:
        self._hibari = Hibari()
        self._hibari("Hello there.", seed=0)

    def say(self, text: str, speed: float) -> Iterator[bytes]:
        """Linear16 mono at `RATE`, one piece per sentence; at least one piece, none of them empty."""
        silent = True
        for audio in self._hibari.stream(text, speed=speed, seed=0):
            if len(audio):
                silent = False
                yield _linear16(audio)
        if silent:
            yield _BREATH


def _linear16(audio: NDArray[np.float32]) -> bytes:
    return (np.clip(audio, -1.0, 1.0) * 32767).astype("<i2").tobytes()

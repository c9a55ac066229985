"""How loud a person's words are: a voice far below that is not theirs."""

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

RECENT_S = 3.0  # words are written so long after their sound at most, as a rule
PEAKS = 3  # so many windows are louder than a knock is long
SOFT_DB = 22.0  # below the loud part of somebody's words: who turns away loses some 10
LINGERS_S = 0.2  # after something loud, what is soft is the end of a word
RISES = 0.5  # of the difference that louder words make,
FALLS_DB = 1.5  # and so much softer ones do: what is understood may be the other voice


class Loudness:
    """Follows the windows of one microphone in which there is a voice; decibels are below full scale.

    Args:
        window_s: how long one is.
    """

    def __init__(self, window_s: float) -> None:
        self.now_db = -math.inf  # of the last window
        self._words_db: float | None = None  # not known before the first words
        self._recent: deque[float] = deque(maxlen=round(RECENT_S / window_s))
        self._lingering: deque[float] = deque(maxlen=round(LINGERS_S / window_s))

    def hear(self, window: NDArray[np.int16], *, voice: bool) -> None:
        """The next window, and whether it sounds like a voice."""
        samples = window.astype(np.float32)
        self.now_db = 10 * math.log10(float(np.dot(samples, samples)) / len(samples) / 2**30 + 1e-12)
        self._lingering.append(self.now_db)
        if voice:
            self._recent.append(self.now_db)

    @property
    def is_soft(self) -> bool:
        """Whether the last window is far below this person's words."""
        return self._words_db is not None and max(self._lingering) < self._words_db - SOFT_DB

    @property
    def loudest_db(self) -> float:
        """The loud part of the voice in the last seconds."""
        return sorted(self._recent)[-PEAKS:][0] if self._recent else -math.inf

    def understand(self, *, certain: bool) -> None:
        """Words came for what was heard in the last seconds."""
        if not self._recent:
            return
        louder_db = self.loudest_db - (self._words_db if self._words_db is not None else self.loudest_db)
        if self._words_db is None:
            self._words_db = self.loudest_db
        elif louder_db > 0:
            self._words_db += RISES * louder_db
        elif certain:
            self._words_db += max(louder_db, -FALLS_DB)

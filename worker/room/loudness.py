"""How loud a person's words are: a voice far below that is not theirs."""

import math
import time
from collections import deque
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

RECENT_S = 3.0  # words are written so long after their sound at most, as a rule
PEAKS = 3  # so many windows are louder than a knock is long
SOFT_DB = 22.0  # below the loud part of somebody's words: who turns away loses some 10,
UNDERSTOOD_DB = 12.0  # and no words that were understood are further below it than this
OWN_DB = 10.0  # less than that below them, and for so long, it is hardly a voice behind this person
OWN_S = 2.0
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
        self._recent: deque[tuple[float, float]] = deque(maxlen=round(RECENT_S / window_s))
        self._own = round(OWN_S / window_s)
        self._lingering: deque[float] = deque(maxlen=round(LINGERS_S / window_s))

    def hear(self, window: NDArray[np.int16], *, voice: bool) -> None:
        """The next window, and whether it sounds like a voice."""
        samples = window.astype(np.float32)
        self.now_db = 10 * math.log10(float(np.dot(samples, samples)) / len(samples) / 2**30 + 1e-12)
        self._lingering.append(self.now_db)
        if voice:
            self._recent.append((time.monotonic(), self.now_db))

    @property
    def is_soft(self) -> bool:
        """Whether the last window is far below this person's words."""
        return self._words_db is not None and max(self._lingering) < self._words_db - SOFT_DB

    @property
    def is_own(self) -> bool:
        """Whether the last seconds of voice are about as loud as this person's words, of which there were some."""
        loud_db = _loud_part([db for _, db in self._recent][-self._own :])
        return self._words_db is not None and loud_db > self._words_db - OWN_DB

    @property
    def loudest_db(self) -> float:
        """The loud part of the voice in the last seconds."""
        return _loud_part([db for _, db in self._recent])

    def understand(self, *, certain: bool, began_at: float = -math.inf, ended_at: float = math.inf) -> bool:
        """Words came for what was heard in the last seconds, said from then until then by `time.monotonic`.

        Returns:
            Whether they were so soft that some of them may have counted as another voice's; the next ones will not.
        """
        if not self._recent:
            return False
        # What followed them may be another voice: it alone says nothing of them.
        is_known = sum(began_at <= at <= ended_at for at, _ in self._recent) >= PEAKS
        said_db = _loud_part([db for at, db in self._recent if at >= began_at]) if is_known else self.loudest_db
        if self._words_db is None:
            self._words_db = said_db
        softer_db = self._words_db - said_db
        if softer_db < 0:
            self._words_db -= RISES * softer_db
        elif certain:
            self._words_db -= min(softer_db, FALLS_DB)
        if not is_known:
            return False
        self._words_db = min(self._words_db, said_db + UNDERSTOOD_DB)
        return softer_db > UNDERSTOOD_DB


def _loud_part(windows: Collection[float]) -> float:
    return sorted(windows)[-PEAKS:][0] if windows else -math.inf

"""The providers of one kind that an agent has, in its order: which is asked next."""

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

AGAIN_S = 30.0  # after a failure one is asked only if the others fail too, for so long;
LONGEST_S = 480.0  # if it then fails again, for twice as long, up to this


class Ranking(Generic[T]):
    """Knows which of them failed lately.

    Args:
        providers: the first is the one that is wanted.
        on_switched: called with the place in `providers` of the one that works, when that was another one before.
    """

    def __init__(self, providers: Sequence[T], on_switched: Callable[[int], None]) -> None:
        self._providers = providers
        self._on_switched = on_switched
        self._pauses_s = [0.0] * len(providers)
        self._again_at = [0.0] * len(providers)
        self._waited_s = [0.0] * len(providers)
        self._working = 0

    def __len__(self) -> int:
        return len(self._providers)

    def __getitem__(self, place: int) -> T:
        return self._providers[place]

    @property
    def best(self) -> int:
        """The place of the first that has not failed lately; if all have, the one that may be asked again first."""
        now = time.monotonic()
        able = (place for place, at in enumerate(self._again_at) if at <= now)
        return next(able, self._again_at.index(min(self._again_at)))

    def is_down(self, place: int) -> bool:
        """Whether it has failed, and not worked since."""
        return self._pauses_s[place] > 0

    @property
    def are_down(self) -> bool:
        """Whether each of them has failed, and not worked since."""
        return all(self.is_down(place) for place in range(len(self)))

    def waited(self, place: int, seconds: float, limit_s: float) -> bool:
        """It was given up after so long without a sign of life; whether it has failed by that.

        What is waited for it adds up until it works: who is not answered asks again before any time is over.
        """
        self._waited_s[place] += seconds
        has_failed = self._waited_s[place] >= limit_s
        if has_failed:
            self.failed(place)
        return has_failed

    def failed(self, place: int) -> None:
        """It did not do what it was asked for."""
        self._waited_s[place] = 0.0
        now = time.monotonic()
        if self._again_at[place] <= now:  # else it is known: several ask at the same time
            self._pauses_s[place] = min(max(self._pauses_s[place] * 2, AGAIN_S), LONGEST_S)
        self._again_at[place] = now + self._pauses_s[place]

    def works(self, place: int) -> None:
        """It does, or has begun to."""
        self._pauses_s[place] = self._again_at[place] = self._waited_s[place] = 0.0
        if place != self._working:
            self._working = place
            self._on_switched(place)

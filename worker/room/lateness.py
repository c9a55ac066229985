"""How late words are: from when somebody said them until they are certain."""

from collections import deque

LAST = 5  # times, of which the longest and a little more is what a recogniser usually takes
MORE_S = 0.2


class Lateness:
    """Of the recognisers of a call, by their places: the same for all of its ears."""

    def __init__(self) -> None:
        self._last: dict[int, deque[float]] = {}

    def note(self, place: int, seconds: float) -> None:
        """That one was certain of words so long after the last of them was said."""
        self._last.setdefault(place, deque(maxlen=LAST)).append(seconds)

    def usual_s(self, place: int) -> float | None:
        """How long words of that one are worth waiting for; None if nothing is known of it."""
        last = self._last.get(place)
        return max(last) + MORE_S if last else None

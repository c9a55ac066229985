"""How long a judge has seen something unchanged: what it did not see, and other hosts' clocks, count for nothing."""

import math
import time
from collections.abc import Callable, Hashable


class Patience:
    """Counts from what was looked at, by this process's monotonic clock.

    Args:
        gap_s: after so long without a look nothing is known any more, and all counting starts anew.
        clock: seconds that only grow.
    """

    def __init__(self, gap_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap_s = gap_s
        self._clock = clock
        self._looked_at = -math.inf
        self._gone = False
        self._known: dict[Hashable, tuple[Hashable, float]] = {}
        self._before: dict[Hashable, tuple[Hashable, float]] = {}

    def forget(self) -> None:
        """Begin anew with the next look: what was seen so far counts no more then."""
        self._gone = True

    def leave_out(self, seconds: float) -> None:
        """Count as if the last so many seconds, since this look began, had not been: nobody could show anything."""
        self._looked_at += seconds
        self._known = {what: (value, since + seconds) for what, (value, since) in self._known.items()}

    def look(self) -> bool:
        """Begin another look; False if the one before was too long ago. What it does not ask for is forgotten."""
        now = self._clock()
        without_gap = not self._gone and now - self._looked_at < self._gap_s
        self._gone = False
        self._before = self._known if without_gap else {}
        self._known = {}
        self._looked_at = now
        return without_gap

    def unchanged_s(self, what: Hashable, value: Hashable = None) -> float:
        """For how many seconds `what` has had this value, look after look."""
        known = self._known.get(what) or self._before.get(what)
        since = known[1] if known is not None and known[0] == value else self._looked_at
        self._known[what] = (value, since)
        return self._looked_at - since

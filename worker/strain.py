"""Whether a process still keeps up with its call: how late the event loop does what was to be done at a moment.

Its own work can make it late, and so can a machine that has too much to do.
"""

from collections import deque

LATE_S = 0.1  # the voice has ten times as much ahead, so nobody hears it yet
LOOKS = 50  # are judged together, the last three seconds,
OFTEN = 5  # and so many that are late are strain, until as many are not even half as late


class Strain:
    """Judges the last seconds; one long stop is no strain, however long."""

    def __init__(self) -> None:
        self.is_felt = False
        self._late_s: deque[float] = deque(maxlen=LOOKS)

    def note(self, late_s: float) -> bool:
        """Something was done so late; whether the judgement has changed."""
        self._late_s.append(late_s)
        before = self.is_felt
        bearable_s = LATE_S / 2 if before else LATE_S
        self.is_felt = sum(late > bearable_s for late in self._late_s) >= OFTEN
        return self.is_felt != before

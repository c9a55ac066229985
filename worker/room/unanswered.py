"""The speeches of one person in which nobody found a word, one after the other."""

import math

LONG_S = 1.0  # of voice: so much of it without a word is hardly a noise
MANY = 3
LASTING_S = 30.0


class Unanswered:
    """Counts them until there are words; seconds are those that it is told of."""

    def __init__(self) -> None:
        self.count = 0
        self.is_deaf = False  # there were so many, for so long, that nobody understands this person
        self.since_last_s = math.inf  # since the last speech of which it is known whether it had words
        self._long = 0
        self._since_first_s = 0.0  # of the long ones

    def may_be_heard(self, other: "Unanswered") -> bool:
        """Whether the other has spoken since nobody understands this one, and is not like it."""
        return other.since_last_s < self._since_first_s and not other.is_deaf

    def wait(self, seconds: float) -> None:
        """So much time has passed."""
        self.since_last_s += seconds
        self._since_first_s += seconds

    def add(self, voice_s: float) -> None:
        """One more, of so much voice."""
        self.count += 1
        self.since_last_s = 0.0
        if voice_s >= LONG_S:
            self._since_first_s = self._since_first_s if self._long else 0.0
            self._long += 1
            self.is_deaf = self.is_deaf or (self._long >= MANY and self._since_first_s >= LASTING_S)

    def clear(self) -> None:
        """There are words."""
        self.count = self._long = 0
        self.is_deaf = False
        self.since_last_s = 0.0

"""How soon a voice speaks when it is asked to, and so how much must be there to be heard meanwhile."""

from collections import deque
from itertools import combinations
from statistics import median

from worker.speaker.words.pace import SLOW, seconds_of

USUAL_S = 0.25
LAST = 5  # of which one or two may have been slow for once
APART = 10  # characters: of two texts with lengths as close as that, the difference tells nothing
SLACK_S = 0.3  # a busy machine takes, or longer the next piece to be written,
NEXT = 40  # of so many characters


class Promptness:
    """Of one voice: how long it usually takes from a request to its first sound, and how quickly it speaks.

    Some begin to speak the later the longer the text is: they make all of it first.
    """

    def __init__(self) -> None:
        self._waits = deque([(0, USUAL_S)], LAST)  # for texts of so many characters; not known of any at first
        self._base_s, self._character_s = USUAL_S, 0.0
        self._paces = deque[float](maxlen=LAST)  # as parts of the time that a slow voice takes

    def note_wait(self, text: str, seconds: float) -> None:
        """It has begun to say that so long after it was asked."""
        self._waits.append((len(text.strip()), seconds))
        slopes = [
            (one_s - other_s) / (one - other)
            for (one, one_s), (other, other_s) in combinations(self._waits, 2)
            if abs(one - other) >= APART
        ]
        if slopes:  # else what was known of it holds
            self._character_s = max(median(slopes), 0.0)
        self._base_s = max(median(wait_s - length * self._character_s for length, wait_s in self._waits), 0.0)

    def note_length(self, text: str, seconds: float) -> None:
        """It has taken so long to say that."""
        self._paces.append(seconds / seconds_of(text.strip(), SLOW))

    def first_sound_s(self, characters: int) -> float:
        """From a request with a text of that length on."""
        return self._base_s + characters * self._character_s

    def said_s(self, text: str) -> float:
        """How long it takes to say that."""
        return seconds_of(text.strip(), SLOW) * (median(self._paces) if self._paces else 1.0)

    def is_bridged_by(self, text: str, characters_per_s: float) -> bool:
        """Whether saying this takes so long that the next piece, written at that pace, is there when it is over."""
        return self.said_s(text) > self.first_sound_s(NEXT) + max(SLACK_S, NEXT / characters_per_s)

    def is_gained_by(self, text: str) -> bool:
        """Whether saying this takes longer than to wait for it."""
        return self.said_s(text) > self.first_sound_s(len(text.strip()))

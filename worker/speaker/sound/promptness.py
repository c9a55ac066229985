"""How soon a voice speaks when it is asked to, and so how much must be there to be heard meanwhile."""

from collections import deque
from statistics import median

from worker.speaker.words.pace import SLOW, reached

USUAL_S = 0.25
LAST = 3  # of which one may have been slow for once
RECEIVED = 4 / 3  # of that time: it is asked for the next piece when it has given all of this one, 4 times as fast as
SLACK_S = 0.3  # that is heard; and so long a busy machine takes, or longer the next piece to be written,
NEXT = 40  # of so many characters


class Promptness:
    """Of one voice: how long it usually takes from a request to its first sound."""

    def __init__(self) -> None:
        self._waits = deque([USUAL_S] * LAST, LAST)

    def note(self, seconds: float) -> None:
        """It has spoken so long after it was asked."""
        self._waits.append(seconds)

    @property
    def first_sound_s(self) -> float:
        return median(self._waits)

    def is_bridged_by(self, text: str, characters_per_s: float) -> bool:
        """Whether saying this takes so long that the next piece, written at that pace, is there when it is over."""
        said, written_s = text.strip(), NEXT / characters_per_s
        return reached(said, 0, RECEIVED * self.first_sound_s + max(SLACK_S, written_s), SLOW) < len(said)

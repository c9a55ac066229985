"""How soon a voice speaks when it is asked to, and so how much must be there to be heard meanwhile."""

from collections import deque

from worker.speaker.pace import SLOW, reached

USUAL_S = 0.25
LAST = 3
RECEIVED = 4 / 3  # of that time: a voice is asked for the next piece when it has given all of this one, at about 4
SLACK_S = 0.3  # times the pace at which it is heard; and for text that is still to come, and for a busy machine


class Promptness:
    """Of one voice: the longest of the last times from a request to its first sound."""

    def __init__(self) -> None:
        self._waits = deque([USUAL_S], LAST)

    def note(self, seconds: float) -> None:
        """It has spoken so long after it was asked."""
        self._waits.append(seconds)

    @property
    def first_sound_s(self) -> float:
        return max(self._waits)

    def is_bridged_by(self, text: str) -> bool:
        """Whether saying this takes so long that the next piece is there when it is over."""
        said = text.strip()
        return reached(said, 0, RECEIVED * self.first_sound_s + SLACK_S, SLOW) < len(said)

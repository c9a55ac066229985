"""A voice of which nobody has understood a word for so long that it is hardly one that says something."""

import math

from worker.room.awaited import TALK_S

LONGEST_S = 2.0  # of it, and as much more as the last early word was late, if it may be behind the person
APART_S = 0.5  # of silence begin another stretch of it
EARLY_S = 1.5  # after its sound, a word that is written is early


class Early:
    """Which recognisers, by their places, write words while they are said: the same for all ears of a call."""

    def __init__(self) -> None:
        self._behind_s: dict[int, float] = {}

    def note(self, place: int, behind_s: float) -> None:
        """That one has written a word, which was said so long before."""
        self._behind_s[place] = behind_s

    def behind_s(self, place: int) -> float | None:
        """How late that one has written the last of them; None if it has not."""
        return self._behind_s.get(place)


class Wordless:
    """Counts it by steps of time, of which none counts in which the machine stood still.

    Args:
        early: shared by all who are heard in a call.
    """

    def __init__(self, early: Early) -> None:
        self.seconds = 0.0  # of the present stretch, since words came last
        self._early = early
        self._last = ""

    def wait(self, seconds: float, *, speaking: bool, silence_s: float) -> None:
        """So much time has passed; for so long there has been no voice."""
        if speaking:
            self.seconds += seconds
        elif silence_s >= APART_S:
            self.seconds = 0.0

    def understand(self, text: str, *, place: int, final: bool, speech_s: float, age_s: float | None) -> bool:
        """Words came.

        Args:
            text: what the recogniser has written,
            place: and its own.
            final: whether that is certain.
            speech_s: for how long somebody has been speaking; 0 while nobody is.
            age_s: how long ago the last word was spoken, where the recogniser tells that.

        Returns:
            Whether they are others than those before.
        """
        plain = "".join(filter(str.isalnum, text.casefold()))
        is_new = plain != self._last
        self._last = "" if final else plain
        if is_new or not final:  # what is still about to change is of this voice, though it be the same words again
            self.seconds = 0.0
        if is_new and not final and (speech_s >= EARLY_S if age_s is None else age_s <= min(speech_s, EARLY_S)):
            self._early.note(place, age_s or 0.0)
        return is_new

    @property
    def is_long(self) -> bool:
        """Whether there has been so much of it that there may be too much."""
        return self.seconds >= LONGEST_S

    def longest_s(self, place: int, *, answers: bool, is_own: bool) -> float:
        """So long it may be at the most; without end unless the recogniser there has shown that it tells words early.

        Args:
            place: of the present recogniser.
            answers: whether anything has come from its present stream: the one before may have been silent for
                `TALK_S`, and this one needs its time.
            is_own: whether it is as loud as this person's words: it is then for the recogniser to answer.
        """
        behind_s = self._early.behind_s(place)
        if behind_s is None:
            return math.inf
        if not answers:
            return TALK_S + LONGEST_S + behind_s
        return TALK_S if is_own else LONGEST_S + behind_s

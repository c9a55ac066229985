"""The words that are still to come for what somebody has said: how long they are waited for."""

import math
from enum import Enum, auto

WORDS_S = 0.5  # a shorter sound may be a cough: no words are missed
AGAIN_S = 1.5  # from when it is heard again; with the time that passed before, no caller waits for more than 4 s
SPED = 0.05  # of its length, what is heard again takes to be understood at the least
TALK_S = 8.0  # so long nobody talks without that a recogniser with interim results has something to say
STILL_S = 0.5  # an interim result that has not changed for so long will not any more
RECENT_S = 1.5  # before the end of a speech: who has sent something since was listening
WHOLE_S = 1.0  # who takes whole recordings has its own deadline, which begins when it sees the end of the speech,
WHOLE = 0.1  # and is longer by so much of the length


class Missing(Enum):
    """What is to be done about words that did not come in time."""

    CONFIRMATION = auto()  # the interim result counts as said
    SOUND = auto()  # the stream is silent: another one is to hear it again
    WORDS = auto()  # there were none
    NOTHING = auto()  # it was too short, or part of what was understood


class Awaited:
    """Judges one person's speech by short steps of time, of which none counts in which the machine stood still.

    Args:
        words_s: how long, from the end of a speech, what was said is waited for.
    """

    def __init__(self, words_s: float) -> None:
        self._words_s = words_s
        self._interim = True
        self._voice_s = 0.0  # of what no words have come for
        self._quiet_s = 0.0  # since its end,
        self._waited_s = 0.0  # and since it is heard by the present stream
        self._talk_s = 0.0  # without anything from the stream
        self._since_event_s = math.inf
        self._again = False
        self._allowed_s = 0.0
        self._understood = False  # something of the present speech
        self._speaking = False

    @property
    def quiet_s(self) -> float:
        """For how long nothing is said."""
        return self._quiet_s

    @property
    def any(self) -> bool:
        """Whether words are to come."""
        return self._voice_s > 0

    def begin(self, heard_again_s: float, *, interim: bool) -> None:
        """Another stream listens, after it has heard so much again; it gives interim results, or whole ones only."""
        self._interim = interim
        self._since_event_s = math.inf
        self._talk_s = self._waited_s = 0.0
        self._allowed_s = heard_again_s * SPED

    def hear(self) -> None:
        """Something came from the stream."""
        self._since_event_s = self._talk_s = 0.0

    def understand(self) -> None:
        """Words came, for certain."""
        self._settle()
        self._understood = True

    def wait(self, seconds: float, *, speaking: bool, voice: bool, listening: bool, in_doubt: bool) -> Missing | None:
        """So much time has passed.

        Args:
            seconds: how much, at most a tenth.
            speaking: whether the person speaks.
            voice: and makes a sound at this moment.
            listening: whether there is a stream.
            in_doubt: whether there is an interim result.
        """
        self._since_event_s += seconds
        if speaking and not self._speaking:
            self._understood = False
        self._speaking = speaking
        if speaking:
            return self._talk(seconds, voice=voice, listening=listening)
        self._talk_s = 0.0
        self._quiet_s += seconds
        self._waited_s += seconds
        if self._waited_s < self._limit_s or (in_doubt and self._since_event_s < STILL_S):
            return None
        if not in_doubt and not (listening and self.any):
            return None
        return self._decide(listening=listening, in_doubt=in_doubt)

    def _talk(self, seconds: float, *, voice: bool, listening: bool) -> Missing | None:
        self._quiet_s = self._waited_s = 0.0
        self._voice_s += seconds if voice else 0.0
        self._talk_s += seconds if listening else 0.0
        if self._talk_s < TALK_S or not self._interim or self._again:
            return None
        self._again, self._talk_s = True, 0.0
        return Missing.SOUND

    @property
    def _limit_s(self) -> float:
        limit_s = (AGAIN_S if self._again else self._words_s) + self._allowed_s
        return limit_s if self._interim else limit_s + WHOLE_S + WHOLE * self._voice_s

    def _decide(self, *, listening: bool, in_doubt: bool) -> Missing:
        long, understood = self._voice_s >= WORDS_S, self._understood
        if long and listening and self._since_event_s > self._quiet_s + RECENT_S and not self._again:
            self._again, self._waited_s = True, 0.0
            return Missing.SOUND
        self._settle()
        if in_doubt:
            return Missing.CONFIRMATION
        return Missing.WORDS if long and not understood else Missing.NOTHING

    def _settle(self) -> None:
        self._voice_s = self._talk_s = self._allowed_s = 0.0
        self._again = False

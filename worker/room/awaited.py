"""The words that are still to come for what somebody has said: how long they are waited for."""

import math
from enum import Enum, auto

from worker.room.unanswered import Unanswered

WORD_S = 0.15  # a shorter sound is hardly a word, and may be the end of one that was understood
WORDS_S = 0.5  # a shorter sound may be a cough: nobody is asked about it
AGAIN_S = 1.5  # from when it is heard again;
SOON_S = 4.0  # with the time that passed before, hardly a caller waits for longer
SPED = 0.05  # of its length, what is heard again takes to be understood at the least
TALK_S = 8.0  # so long nobody talks without that a recogniser with interim results has something to say
STILL_S = 0.5  # an interim result that has not changed for so long will not any more
RECENT_S = 1.5  # before the end of a speech: who has sent something since was listening
WHOLE_S = 1.0  # who takes whole recordings has its own deadline, which begins when it sees the end of the speech,
WHOLE = 0.1  # and is longer by so much of the length


class Missing(Enum):
    """What is to be done about words that did not come in time."""

    CONFIRMATION = auto()  # the interim result counts as said
    SOUND = auto()  # the provider is silent, or finds no words again: the next one is to hear it too
    STREAM = auto()  # only the stream may be broken: a new one is to hear it again
    WORDS = auto()  # there were none
    LITTLE = auto()  # it was short, and the stream silent: it may be a word after all, if the next one is not heard
    NOTHING = auto()  # it was short, or part of what was understood


class Awaited:
    """Judges one person's speech by short steps of time, of which none counts in which the machine stood still.

    Args:
        words_s: how long, from the end of a speech, what was said is waited for.
    """

    def __init__(self, words_s: float) -> None:
        self.unanswered = Unanswered()
        self._words_s = words_s
        self._interim = True
        self._voice_s = 0.0  # of what no words have come for,
        self._speech_voice_s = 0.0  # and of it that of the present speech
        self._since_began_s = 0.0
        self._quiet_s = 0.0  # since its end,
        self._waited_s = 0.0  # and since it is heard by the present stream
        self._talk_s = 0.0  # without anything from the stream
        self._since_event_s = math.inf
        self._again = False
        self._allowed_s = 0.0
        self._understood = False  # something of the present speech,
        self._renewed = False  # and a new stream has heard the rest again
        self._little_before = False
        self._speaking = False

    @property
    def quiet_s(self) -> float:
        """For how long nothing is said."""
        return self._quiet_s

    @property
    def any(self) -> bool:
        """Whether words are to come."""
        return self._voice_s > 0

    @property
    def are_likely(self) -> bool:
        """Whether words are to come, for a sound that was long enough to be one."""
        return self._voice_s >= WORD_S

    @property
    def takes_long(self) -> bool:
        """Whether somebody waits for words, and it is not decided soon whether there are any."""
        left_s = self._limit_s - self._waited_s
        if not self._again and self._is_silent:
            left_s += AGAIN_S
        return not self._speaking and self._voice_s >= WORDS_S and self._quiet_s + left_s >= SOON_S

    def begin(self, heard_again_s: float, *, interim: bool) -> None:
        """Another stream listens, after it has heard so much again; it gives interim results, or whole ones only."""
        self._interim = interim
        self._since_event_s = math.inf
        self._talk_s = self._waited_s = 0.0
        self._allowed_s = heard_again_s * SPED

    def hear(self, *, words: bool = False) -> None:
        """Something came from the stream."""
        self._since_event_s = self._talk_s = 0.0
        self._little_before = False
        if words:
            self.unanswered.clear()

    def understand(self, *, earlier: bool = False) -> None:
        """Words came, for certain: of the present or last speech, or only of earlier ones."""
        if earlier:
            self._voice_s = self._speech_voice_s
            return
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
        self._since_began_s += seconds
        self.unanswered.wait(seconds)
        if speaking and not self._speaking:
            self._understood = self._renewed = False
            self._speech_voice_s = 0.0
            if not self.any:
                self._since_began_s = seconds
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
        if voice:
            self._voice_s += seconds
            self._speech_voice_s += seconds
        self._talk_s += seconds if listening else 0.0
        if self._talk_s < TALK_S or not self._interim or self._again:
            return None
        return self._hear_again()

    @property
    def _limit_s(self) -> float:
        limit_s = (AGAIN_S if self._again else self._words_s) + self._allowed_s
        return limit_s if self._interim else limit_s + WHOLE_S + WHOLE * self._voice_s

    @property
    def _is_silent(self) -> bool:
        """Whether nothing has come from the stream since shortly before the end of the speech."""
        return self._since_event_s > self._quiet_s + RECENT_S

    def _decide(self, *, listening: bool, in_doubt: bool) -> Missing:
        if listening and not self._again and self._is_to_be_heard_again(in_doubt=in_doubt):
            return self._hear_again()
        voice_s, again = self._voice_s, self._again
        self._settle()
        if in_doubt:
            return Missing.CONFIRMATION
        if voice_s < WORDS_S:
            self._little_before = listening and not again and self._was_silent
            return Missing.LITTLE if self._little_before else Missing.NOTHING
        if self._understood:
            return Missing.NOTHING
        self.unanswered.add(voice_s)
        return Missing.WORDS

    def _is_to_be_heard_again(self, *, in_doubt: bool) -> bool:
        if self._voice_s < WORDS_S:
            return self._little_before and not in_doubt
        if self._understood and not in_doubt:
            return self._is_silent and not self._renewed
        # A recogniser that finds no words once may be right.
        return self._is_silent or (self.unanswered.count > 0 and not in_doubt)

    @property
    def _was_silent(self) -> bool:
        """Whether nothing has come from the stream since before the first sound that is waited for."""
        return self._since_event_s > self._since_began_s

    def _hear_again(self) -> Missing:
        only_part = self._understood or self._voice_s < WORDS_S
        self._again, self._waited_s, self._talk_s = True, 0.0, 0.0
        self._renewed = self._renewed or only_part
        return Missing.STREAM if only_part else Missing.SOUND

    def _settle(self) -> None:
        self._voice_s = self._speech_voice_s = self._talk_s = self._allowed_s = 0.0
        self._again = self._little_before = False

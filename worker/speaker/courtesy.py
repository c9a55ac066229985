"""The agent does not talk over anybody: it pauses as soon as somebody speaks, and learns only then what for.

A voice that goes on interrupts it, which the session decides. After a cough or an "mm-hm" it goes on where it stopped,
soon: to wait for words, as after something longer, would make a longer hole in its sentence. Only where words are known
already that are no sign of listening ("stop") it waits until they are certain, also with an answer that is not heard
yet: they may be the rest of what it answers. Of a recogniser that writes only what has been said nothing can be known
before: there it waits for as long as the words usually take. A sound that has it pause again and again and never
becomes words, as its own voice from a loudspeaker, does so no more: then words alone do, or where none are written
while somebody speaks, a voice that is long.
"""

from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle

from worker.room.hearing import Attachment
from worker.speaker.session import INTERRUPT_S, wait_for_words

VOICE_S = 0.09  # what is shorter is noise more often than a voice
PAUSE_S = 0.25  # in "stop … please" somebody may be silent for so long
WORDS_S = 1.0  # after the last sound, words become certain
IN_VAIN = 2  # pauses within what it says now for a voice without words,
LONG_IN_VAIN = 4  # and where words come late so many in all: the others for one that is long


class Courtesy:
    """Pauses what the session says, beside the session's own pauses.

    Args:
        heard: who speaks.
    """

    def __init__(self, session: AgentSession[None], heard: Attachment) -> None:
        self._session = session
        self._heard = heard
        self._waits = False
        self._speech: SpeechHandle | None = None
        self._in_vain = 0  # so often it has paused in the present speech since there were words
        self._understood = 0

    @property
    def waits_for_words(self) -> bool:
        """Whether what somebody has just said may be a turn, and is not certain yet: nothing is begun meanwhile."""
        speech = self._session.current_speech
        may_wait = speech is not None and speech.allow_interruptions
        return may_wait and self._heard.has_something_to_say and self._heard.quiet_s < WORDS_S

    def look(self) -> None:
        """Pause, or go on, if it is time; to be called at each beat of the ears."""
        session = self._session
        output, speech = session.output.audio, session.current_speech
        if output is None or not (self._waits or self._heard.voice_s):  # nobody speaks, which is so most of the time
            return
        if speech is not self._speech or self._heard.has_words or self._heard.understood != self._understood:
            self._speech, self._understood, self._in_vain = speech, self._heard.understood, 0
        # What has paused it is heard out: it may be the words of an interruption that are still to come.
        self._heard.vad.interrupts = trusts = self._waits or self._in_vain < IN_VAIN or self._is_long
        says = self._heard.has_something_to_say
        due_s = 0.0 if self._heard.has_words else self._heard.words_due_s
        wait_for_words(session, due_s)
        if self._heard.quiet_s < (WORDS_S if says else max(PAUSE_S, due_s)) and (
            self._waits or ((trusts or says) and self._heard.voice_s >= VOICE_S)
        ):
            if session.agent_state == "speaking" and speech is not None and speech.allow_interruptions:
                self._in_vain += not self._waits
                self._waits = True
                output.pause()
        elif self._waits:
            self._waits = False
            if session.agent_state == "speaking" or speech is None:  # else the session has paused it, too
                output.resume()

    @property
    def _is_long(self) -> bool:
        """Whether a voice lasts as no cough does, of which nothing is written as yet."""
        is_trusted = self._heard.writes_late and self._in_vain < LONG_IN_VAIN
        return is_trusted and self._heard.voice_s >= INTERRUPT_S

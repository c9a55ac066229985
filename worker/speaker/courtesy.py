"""The agent does not talk over anybody: it pauses as soon as somebody speaks, and learns only then what for.

A voice that goes on interrupts it, which the session decides. After a cough or an "mm-hm" it goes on where it stopped,
soon: to wait for words, as after something longer, would make a longer hole in its sentence. Only where words are known
already that are no sign of listening ("stop") it waits until they are certain.
"""

from livekit.agents import AgentSession

from worker.room.hearing import Attachment

VOICE_S = 0.09  # what is shorter is noise more often than a voice
PAUSE_S = 0.25  # in "stop … please" somebody may be silent for so long
WORDS_S = 1.0  # after the last sound, words become certain


class Courtesy:
    """Pauses what the session says, beside the session's own pauses.

    Args:
        heard: who speaks.
    """

    def __init__(self, session: AgentSession[None], heard: Attachment) -> None:
        self._session = session
        self._heard = heard
        self._waits = False

    def look(self) -> None:
        """Pause, or go on, if it is time; to be called at each beat of the ears."""
        session = self._session
        output, speech = session.output.audio, session.current_speech
        if output is None:
            return
        if self._heard.quiet_s < (WORDS_S if self._heard.has_something_to_say else PAUSE_S) and (
            self._waits or self._heard.voice_s >= VOICE_S
        ):
            if session.agent_state == "speaking" and speech is not None and speech.allow_interruptions:
                self._waits = True
                output.pause()
        elif self._waits:
            self._waits = False
            if session.agent_state == "speaking" or speech is None:  # else the session has paused it, too
                output.resume()

"""How long callers wait: of each turn when they fell silent, when it was decided, its first word, its first sound."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from livekit import rtc
from livekit.agents.voice import SpeechHandle

from calls.latency import Turn
from worker.room.clock import Clock
from worker.speaker.sound.files import is_audible

SPOKE_S = 0.2  # after where they fell silent, somebody has spoken again


@dataclass
class _Wait:
    """Somebody waits for this speech, since then; times are of `time.monotonic`."""

    speech: SpeechHandle
    since: float
    decided_at: float
    phrase_at: float | None = None


class Latency:
    """Follows one turn at a time: who speaks again before the answer is heard waits for the next one, or for nothing.

    Args:
        voiced_at: when the last sound of a person's voice ended,
        finished_at: and when the agent's last utterance did that was heard to its end.
        current: what the agent is saying, or about to.
        on_turn: told of each turn with the first sound of its answer.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        voiced_at: Callable[[], float],
        finished_at: Callable[[], float],
        current: Callable[[], SpeechHandle | None],
        on_turn: Callable[[Turn], None],
    ) -> None:
        self._clock = clock
        self._voiced_at = voiced_at
        self._finished_at = finished_at
        self._current = current
        self._on_turn = on_turn
        self._decided: SpeechHandle | None = None
        self._wait: _Wait | None = None
        self._worded: tuple[SpeechHandle, float] | None = None

    def decide(self, speech: SpeechHandle) -> None:
        """The turn is over that this answers; told once more after a tool has answered.

        What the agent says of itself, or to pressed keys, answers no voice: to LiveKit that is text.
        """
        if speech is self._decided or speech.input_details.modality == "text":
            return
        self._decided = speech
        since = self._voiced_at()
        heard_since = since <= self._finished_at()  # what is answered was held back
        self._wait = None if heard_since else _Wait(speech, since, time.monotonic())

    def word(self, speech: SpeechHandle) -> None:
        """A word of it goes to the voice."""
        if self._worded is None or self._worded[0] is not speech:
            self._worded = speech, time.monotonic()

    def play(self, frame: rtc.AudioFrame, at: float, *, put_in: bool) -> None:
        """This was played from then on: of an utterance, or put in between."""
        wait = self._wait
        if wait is None or not is_audible(bytes(frame.data)):
            return
        if put_in or self._current() is not wait.speech:
            wait.phrase_at = wait.phrase_at or at
            return
        self._wait = None
        if self._voiced_at() > wait.since + SPOKE_S:
            return
        word_at = self._worded[1] if self._worded and self._worded[0] is wait.speech else wait.decided_at
        self._on_turn(
            Turn(
                decided_at_ms=self._ms(wait.decided_at),
                user_stopped_at_ms=self._ms(wait.since),
                first_word_at_ms=self._ms(word_at),
                first_sound_at_ms=self._ms(at),
                phrase_at_ms=None if wait.phrase_at is None else self._ms(wait.phrase_at),
            )
        )

    def _ms(self, moment: float) -> int:
        return round(self._clock.at(moment) * 1000)

"""What a person says, as it grows: the pieces that belong together are one segment of the transcript."""

from collections.abc import Callable

from calls.transcript import CALLER
from worker.room.clock import Clock
from worker.room.spacing import after, joined
from worker.room.transcript import TranscriptWriter

PAUSE_S = 0.6  # words that begin so long after the last ones are another utterance
EARLIER_S = 0.1  # the times of a recogniser are right to within so much


class Utterance:
    """One utterance after the other; times are moments of `time.monotonic`.

    Args:
        identity: whose it is, by the name in the room.
        name: by which the model knows who that is.
        transcript: where it is written, if it is.
        on_said: gets each piece that was said for certain, and its number in the utterance, from 0.
    """

    def __init__(
        self,
        identity: str,
        name: str,
        clock: Clock,
        transcript: TranscriptWriter | None,
        on_said: Callable[[str, int], None],
    ) -> None:
        self._identity = identity
        self._name = name
        self._clock = clock
        self._transcript = transcript
        self._on_said = on_said
        self._segment: int | None = None
        self._begun = False
        self._said: list[str] = []
        self._interim = ""
        self._guess: str | None = None  # the last piece, which no final result has confirmed,
        self._guess_until = 0.0  # and when it ended
        self._began_at = 0.0
        self.piece_began_at = 0.0  # when the words of the last piece began
        self._ended_at = 0.0
        self._closed_until: float | None = None
        self._over = False  # the recogniser says so

    @property
    def is_open(self) -> bool:
        """Whether more of it may come."""
        return self._begun and self._closed_until is None

    @property
    def in_doubt(self) -> bool:
        """Whether words were heard that are not certain yet."""
        return bool(self._interim)

    @property
    def unconfirmed(self) -> str:
        """The words that are not certain yet."""
        return self._interim

    @property
    def ended_at(self) -> float:
        """When its last words ended."""
        return self._ended_at

    def begins_at(self, voice_began_at: float, *, final: bool) -> float:
        """When words were begun of which the recogniser does not tell it, by when the present or last voice was.

        A final result confirms what is in doubt, also if the recogniser has told the end before it, and though the
        voice may have begun anew since: no recogniser turns to the next sentence before.
        """
        if self._interim and (final or voice_began_at <= self._ended_at):
            return self._began_at
        return self._ended_at if self.is_open else voice_began_at

    def hear(self, text: str, began_at: float, ended_at: float, *, final: bool) -> None:
        """A result of the recogniser: of a piece that is `final`, or may still change."""
        if self._guess is not None and began_at < self._guess_until - EARLIER_S:
            if final:
                self._correct(self._guess, text)
            return
        self._guess = None
        if not self._goes_on(began_at):
            if self.is_open:
                self.count_as_said()
                self.close()
            self._begin(began_at)
        self._ended_at, self._closed_until, self._over = ended_at, None, False
        if not self._interim:
            self.piece_began_at = began_at
        self._interim = text
        if final:
            self._say()
        else:
            self._write()

    def end(self) -> None:
        """The recogniser says that it is over: what is in doubt will hardly be confirmed, but it may be late."""
        self._over = True

    def count_as_said(self) -> None:
        """What is in doubt will not be confirmed any more."""
        if self._interim:
            self._guess, self._guess_until = self._interim, self._ended_at
            self._say()

    def close(self, until: float = 0.0) -> None:
        """It is whole, though words for what was spoken `until` then still belong to it."""
        if self.is_open:
            self._closed_until = max(until, self._ended_at)
            self._write()
            self._interim = ""

    def _goes_on(self, began_at: float) -> bool:
        if not self._begun:
            return False
        if self._closed_until is not None:
            return began_at < self._closed_until - EARLIER_S
        if self._over and self._interim:
            return began_at < self._ended_at - EARLIER_S
        return began_at - self._ended_at < PAUSE_S

    def _begin(self, began_at: float) -> None:
        self._begun, self._segment, self._said, self._guess = True, None, [], None
        self._began_at = began_at

    def _say(self) -> None:
        text, self._interim = self._interim, ""
        self._said.append(text)
        self._write()
        self._on_said(text, len(self._said) - 1)

    def _correct(self, guess: str, text: str) -> None:
        """The final result came after all, too late: what it has beyond the guess is said now."""
        self._said[-1], self._guess = text, None
        self._write()
        if rest := after(guess, text):
            self._on_said(rest, len(self._said))

    def _write(self) -> None:
        if self._transcript is None:
            return
        if self._segment is None:
            self._segment = self._transcript.begin(CALLER, self._identity, name=self._name)
        text = joined([*self._said, self._interim])
        began_at, ended_at = self._clock.at(self._began_at), self._clock.at(self._ended_at)
        self._transcript.update(self._segment, text, began_at, ended_at, final=self._closed_until is not None)

"""What a person says, as it grows: the pieces that belong together are one segment of the transcript."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from calls.transcript import CALLER
from worker.room.clock import Clock
from worker.room.spacing import after, joined, letters
from worker.room.transcript import TranscriptWriter

PAUSE_S = 0.6  # words that begin so long after the last ones are another utterance
EARLIER_S = 0.1  # the times of a recogniser are right to within so much
KNOWN = 8  # the last pieces, of which a result that comes again is known


@dataclass(eq=False)
class _Piece:
    """Words that were said, and from when to when."""

    text: str
    began_at: float
    ended_at: float

    def has(self, began_at: float, ended_at: float) -> bool:
        """Whether what was said from then to then is this, or a part of it."""
        is_within = began_at >= self.began_at - EARLIER_S and ended_at <= self.ended_at + EARLIER_S
        # As times are not exact, a short word right behind another one would be within it, too.
        return is_within and self.began_at <= (began_at + ended_at) / 2 <= self.ended_at


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
        self._said: list[_Piece] = []
        self._known: deque[_Piece] = deque(maxlen=KNOWN)  # of final results with times, also of earlier utterances
        self._interim = ""
        self._guess: _Piece | None = None  # the last piece, which no final result has confirmed
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

    def knows(self, text: str, began_at: float, ended_at: float, *, final: bool) -> bool:
        """Whether this result is of a sound whose words are certain already: it is not to be heard as new ones.

        Some recognisers send a final result twice, or another one for the same sound, which corrects the first. Only
        for those that tell the times: the same words said again are another sound.
        """
        for piece in reversed(self._known):
            if not piece.has(began_at, ended_at):
                continue
            words, known = letters(text), letters(piece.text)
            is_most = ended_at - began_at > (piece.ended_at - piece.began_at) / 2
            is_again = words == known or (is_most and words not in known)
            if is_again and final:
                self._correct(piece, text)
            if is_again or words in known:
                return True
        return False

    def hear(self, text: str, began_at: float, ended_at: float, *, final: bool, timed: bool = True) -> None:
        """A result of the recogniser, which may tell the times: of a piece that is `final`, or may still change."""
        if self._guess is not None and began_at < self._guess.ended_at - EARLIER_S:
            if final:
                piece, self._guess = self._guess, None
                piece.began_at, piece.ended_at = began_at, ended_at
                self._correct(piece, text)
                if timed:
                    self._known.append(piece)
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
            piece = _Piece(text, began_at, ended_at)
            self._say(piece)
            if timed:
                self._known.append(piece)
        else:
            self._write()

    def end(self) -> None:
        """The recogniser says that it is over: what is in doubt will hardly be confirmed, but it may be late."""
        self._over = True

    def count_as_said(self) -> None:
        """What is in doubt will not be confirmed any more."""
        if self._interim:
            self._guess = _Piece(self._interim, self.piece_began_at, self._ended_at)
            self._say(self._guess)

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

    def _say(self, piece: _Piece) -> None:
        self._interim = ""
        self._said.append(piece)
        self._write()
        self._on_said(piece.text, len(self._said) - 1)

    def _correct(self, piece: _Piece, text: str) -> None:
        """A final result came when it was said: what it has beyond that is said now. Earlier utterances stay."""
        if piece not in self._said:
            return
        said, piece.text = piece.text, text
        self._write()
        if rest := after(said, text):
            self._on_said(rest, len(self._said))

    def _write(self) -> None:
        if self._transcript is None:
            return
        if self._segment is None:
            self._segment = self._transcript.begin(CALLER, self._identity, name=self._name)
        text = joined([*(piece.text for piece in self._said), self._interim])
        began_at, ended_at = self._clock.at(self._began_at), self._clock.at(self._ended_at)
        self._transcript.update(self._segment, text, began_at, ended_at, final=self._closed_until is not None)

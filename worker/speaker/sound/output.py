"""What is heard of one utterance, and the words that belong to it: no word is shown before its sound is there.

A voice's silence before a first word is left out, from the times of its words too, and that after the last.

Which words a sound holds is known only when all of a piece is there; until then as many are shown as can be in it.
"""

import asyncio
from collections.abc import Iterable

from livekit import rtc
from livekit.agents import tts
from livekit.agents.types import NOT_GIVEN, USERDATA_TIMED_TRANSCRIPT, NotGivenOr, TimedString

from worker.speaker.sound.onset import Onset
from worker.speaker.sound.resampled import Resampled
from worker.speaker.words.pace import FAST, is_sign, reached


class Output:
    """Takes sound of any rate; silence alone is none.

    What was shown is not shown again, though another voice may repeat it.

    Args:
        emitter: where it goes.
    """

    def __init__(self, emitter: tts.AudioEmitter) -> None:
        self.seconds = 0.0
        self.heard_until = 0.0  # by the loop's time: if it is heard as it comes
        self._emitter = emitter
        self._record: bytearray | None = None
        self._resampled = Resampled()
        self._onset = Onset()
        self._timed: list[tuple[TimedString, int, float]] = []  # until heard; where each ends, and when it began
        self._shown = 0  # characters
        self._due = ""  # the text to the end of what is being said
        self._from, self._from_s = 0, 0.0  # that character of it is said from that second on
        self._due_at: NotGivenOr[float] = NOT_GIVEN

    def record(self) -> bytearray:
        """What is played from now on, as it comes: linear16 mono at the rate of the agent's voice."""
        self._record = bytearray()
        return self._record

    def show(self, text: str, start: int, began_s: float, *, is_paced: bool) -> None:
        """As its sound comes, this text, the part of which from `start` on is said from the second `began_s` on.

        With `is_paced` those who show it may rely on that.
        """
        self._due, self._from, self._from_s = text, start, began_s
        self._due_at = began_s if is_paced else NOT_GIVEN

    def show_rest(self) -> None:
        """All of it, for its sound is complete; the last of it must still be to come."""
        self._show_until(len(self._due))

    def show_timed(self, words: Iterable[TimedString], start: int, began_s: float) -> int:
        """The words of a voice that tells their times, from that character and that second on; where they end."""
        self._due = ""
        for word in words:
            start += len(word)
            self._timed.append((word, start, began_s))
        return start

    def play(self, frame: rtc.AudioFrame) -> None:
        """More sound."""
        for piece in self._resampled.push(frame):
            self._push(self._onset.push(piece, self.heard_until))

    def pass_on(self, frame: rtc.AudioFrame) -> None:
        """Sound that was an utterance's output already, with its words."""
        self._emitter.push_timed_transcript(frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, []))
        self.seconds += frame.duration
        self._emitter.push_frame(frame)

    def rest(self) -> None:
        """Nothing more comes for now."""
        for piece in self._resampled.flush():
            self._push(self._onset.push(piece, self.heard_until))
        if self._onset.has_begun:
            self._show_timed()
        self._timed.clear()
        self._onset.rest()
        self._emitter.flush()

    def end(self) -> None:
        """That was all; a rest that has no sound, as dots, is shown with what was heard."""
        if self.seconds:
            self.show_rest()

    def _spoken(self, more_s: float) -> int:
        """Where the words end that can be in the sound so far, and in so much more."""
        end = reached(self._due, self._from, self.seconds + more_s - self._from_s, FAST)
        while self._shown < end < len(self._due) and not (self._due[end].isspace() or is_sign(self._due[end])):
            end -= 1
        return end

    def _show_until(self, end: int) -> None:
        if text := self._due[self._shown : end]:
            self._emitter.push_timed_transcript(TimedString(text, self._due_at))
            self._shown, self._due_at = end, NOT_GIVEN

    def _push(self, frames: Iterable[rtc.AudioFrame]) -> None:
        for frame in frames:
            self._show_until(self._spoken(frame.duration))
            self._show_timed()
            self.seconds += frame.duration
            self.heard_until = max(self.heard_until, asyncio.get_running_loop().time()) + frame.duration
            if self._record is not None:
                self._record += frame.data
            self._emitter.push_frame(frame)

    def _show_timed(self) -> None:
        for word, end, began_s in self._timed:
            if end > self._shown:
                text, self._shown = word[self._shown - end :], end
                start_s, end_s = (self._heard_at(at, began_s) for at in (word.start_time, word.end_time))
                self._emitter.push_timed_transcript(TimedString(text, start_s, end_s))
        self._timed.clear()

    def _heard_at(self, at: NotGivenOr[float], began_s: float) -> NotGivenOr[float]:
        return began_s + max(at - self._onset.removed_s, 0.0) if isinstance(at, (int, float)) else at

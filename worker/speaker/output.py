"""What is heard of one utterance, and the words that belong to it: no word is shown before its sound is there."""

from collections.abc import Iterable, Iterator

from livekit import rtc
from livekit.agents import tts
from livekit.agents.types import NOT_GIVEN, NotGivenOr, TimedString

from worker.speaker.resampled import Resampled


class Output:
    """Takes sound of any rate. What was shown is not shown again, though another voice may repeat it.

    Args:
        emitter: where it goes.
    """

    def __init__(self, emitter: tts.AudioEmitter) -> None:
        self.seconds = 0.0
        self.pcm = bytearray()  # linear16 mono at the rate of the agent's voice
        self._emitter = emitter
        self._resampled = Resampled()
        self._shown = 0  # characters
        self._due = ""
        self._due_at: NotGivenOr[float] = NOT_GIVEN

    def show(self, text: str, *, is_paced: bool) -> None:
        """With the next sound, all of this text; `is_paced`: that sound is where the rest of it begins."""
        self._due, self._due_at = text[self._shown :], self.seconds if is_paced else NOT_GIVEN

    def show_timed(self, words: Iterable[TimedString], start: int, began_s: float) -> int:
        """The words of a voice that tells their times, from that character and that second on; where they end."""
        self._due = ""
        for word in words:
            start += len(word)
            if start > self._shown:
                self._shown = start
                self._emitter.push_timed_transcript(
                    TimedString(word, _later(word.start_time, began_s), _later(word.end_time, began_s))
                )
        return start

    def play(self, frame: rtc.AudioFrame) -> None:
        """More sound."""
        self._show_due()
        self._push(self._resampled.push(frame))

    def rest(self) -> None:
        """Nothing more comes for now."""
        self._push(self._resampled.flush())
        self._emitter.flush()

    def end(self) -> None:
        """That was all; a rest that has no sound, as dots, is shown with what was heard."""
        if self.seconds:
            self._show_due()

    def _show_due(self) -> None:
        if self._due:
            self._emitter.push_timed_transcript(TimedString(self._due, self._due_at))
            self._shown += len(self._due)
            self._due = ""

    def _push(self, frames: Iterator[rtc.AudioFrame]) -> None:
        for frame in frames:
            self.seconds += frame.duration
            self.pcm += frame.data
            self._emitter.push_frame(frame)


def _later(at: NotGivenOr[float], seconds: float) -> NotGivenOr[float]:
    return at + seconds if isinstance(at, (int, float)) else at

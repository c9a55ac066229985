"""What the sound of a call tells: when the agent answered, whether it cut in, whether its replies were whole.

`Sound` is what a caller heard, `Span` when something was said; all moments are of one clock, in seconds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

FRAME_S = 0.01
HOLE_S = 0.1  # a reply that is silent for longer has a hole
REPLY_ENDS_S = 1.0  # of silence
SILENT_S = 0.5  # who is not heard for so long has stopped


@dataclass(frozen=True)
class Span:
    """From the beginning of the first loud frame to the end of the last one."""

    began: float
    ended: float


@dataclass
class Sound:
    """The loud frames that came in, in their order.

    at        when each had come
    position  where it is in the stream; a frame that comes late because the machine was busy is no hole in the sound
    """

    at: list[float] = field(default_factory=list)
    position: list[float] = field(default_factory=list)

    def add(self, at: float, position: float) -> None:
        self.at.append(at)
        self.position.append(position)

    def first_after(self, moment: float) -> float | None:
        """When something was heard for the first time after a moment."""
        index = bisect_right(self.at, moment)
        return self.at[index] if index < len(self.at) else None

    def begins_after(self, moment: float) -> float | None:
        """When somebody began to be heard for the first time after a moment; what went on then has not begun."""
        index = self._after_run_at(moment)
        return self.at[index] if index < len(self.at) else None

    def is_heard_at(self, moment: float) -> bool:
        """Whether somebody was speaking at a moment: was heard before it, and went on after it."""
        return self._after_run_at(moment) > bisect_right(self.at, moment)

    def cuts_into(self, said: Span) -> bool:
        """Whether something was heard while somebody else was speaking."""
        first = self.first_after(said.began)
        return first is not None and first <= said.ended

    def reply(self, after: float) -> "Reply | None":
        """What began to be heard after a moment, to the silence that ends it."""
        begin = self._after_run_at(after)
        if begin == len(self.at):
            return None
        end = begin + 1
        while end < len(self.at) and self.position[end] - self.position[end - 1] < REPLY_ENDS_S:
            end += 1
        holes = sum(gap > HOLE_S for gap in self._gaps(begin, end))
        return Reply(self.at[begin], self.position[end - 1] - self.position[begin] + FRAME_S, holes)

    def silent_after(self, said: Span, within_s: float) -> float | None:
        """Seconds from the beginning of words until an agent that spoke then was silent, at least to their end.

        An agent that is silent for a while and goes on within the words was not silent before that is over. None if it
        took longer than `within_s`.
        """
        index = self._after_run_at(said.ended)
        stopped = max(self.at[index - 1] - said.began, 0.0) if index else 0.0
        return stopped if stopped <= within_s else None

    def longest_gap(self, since: float, until: float) -> float:
        """The longest silence between two moments, in seconds."""
        begin, end = bisect_left(self.at, since), bisect_right(self.at, until)
        edges = [since, *self.at[begin:end], until]
        if begin == end:
            return until - since
        inner = max(self._gaps(begin, end), default=0.0)
        return max(edges[1] - edges[0], inner, edges[-1] - edges[-2])

    def _after_run_at(self, moment: float) -> int:
        """The index of the first frame after a moment that does not belong to what was heard already then."""
        index = bisect_right(self.at, moment)
        while 0 < index < len(self.at) and self.position[index] - self.position[index - 1] < SILENT_S:
            index += 1
        return index

    def _gaps(self, begin: int, end: int) -> Iterator[float]:
        for index in range(begin + 1, end):
            yield self.position[index] - self.position[index - 1] - FRAME_S


@dataclass(frozen=True)
class Reply:
    """What was heard as the answer: when it began, how long it was, and how often it was silent in between."""

    began: float
    seconds: float
    holes: int

"""The voice activity of everybody, in the form in which an AgentSession takes that of one."""

import asyncio
import time
from collections.abc import Callable, Collection

from livekit import rtc
from livekit.agents import vad
from typing_extensions import override

from worker.room.activity import SAMPLE_RATE, WINDOW_S
from worker.room.ear import Ear
from worker.room.speech import END_S

UNDERSTOOD_S = 1.0  # after the last sound, how long a person's final words are waited for


class MergedActivity(vad.VAD):
    """Speech starts when the first person begins and ends when the last has ended; its length is that of the longest.

    Two short sounds of two people are so not one long interruption, and who leaves in the middle of a word ends only
    their own. However long it takes, what is only a sign of listening so far has no length: it interrupts nobody. Nor
    has a voice without words, unless `interrupts`. While nobody makes a sound, there are no events.

    Args:
        ears: a view of those that are in the room, or were a moment ago.
        only_listens: whether who says this while another speaks wants that one to go on.
    """

    def __init__(self, ears: Collection[Ear], only_listens: Callable[[str], bool]) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=WINDOW_S))
        self._ears = ears
        self._only_listens = only_listens
        self._streams: list[_Stream] = []
        self.interrupts = True  # as long as it is not known better, whoever speaks

    @property
    def min_silence_duration(self) -> float:
        """Seconds of silence that end a speech; the session compares them with its turn detector's."""
        return END_S

    @override
    def stream(self) -> vad.VADStream:
        stream = _Stream(self, self._ears)
        self._streams = [one for one in self._streams if one.is_open] + [stream]
        return stream

    def may_interrupt(self, words: str) -> bool:
        """Whether who speaks, and has said so much by what is known, wants to speak instead of another."""
        return not self._only_listens(words) if words else self.interrupts

    def look(self) -> None:
        """See what has changed: to be called as often as the ears have judged a window."""
        for stream in self._streams:
            if stream.is_open:
                stream.look()


class _Stream(vad.VADStream):
    def __init__(self, merged: MergedActivity, ears: Collection[Ear]) -> None:
        super().__init__(merged)
        self._merged = merged
        self._ears = ears
        self._began_at = time.monotonic()
        self._speakers: list[Ear] = []
        self._several = False

    @override
    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """The ears have heard it already, each its own part."""

    @override
    async def _main_task(self) -> None:
        await asyncio.Event().wait()

    @property
    def is_open(self) -> bool:
        return not self._event_ch.closed

    def look(self) -> None:
        self._several |= len({ear.identity for ear in self._ears}) > 1
        before, self._speakers = self._speakers, [ear for ear in self._ears if self._speaks(ear)]
        kinds = vad.VADEventType
        if self._speakers and not before:
            self._tell(kinds.START_OF_SPEECH, self._speakers)
        elif before or any(ear.activity.voice_s for ear in self._ears):
            # The turn detector begins with the last of these before the end.
            self._tell(kinds.INFERENCE_DONE, self._speakers or before)
        if before and not self._speakers:
            self._tell(kinds.END_OF_SPEECH, before)

    def _speaks(self, ear: Ear) -> bool:
        """Among several also who is not understood yet: the turn could end with the words of another alone."""
        awaited = self._several and ear.is_in_sentence and ear.activity.silence_s < UNDERSTOOD_S
        return ear.activity.speaking or (awaited and ear in self._speakers)

    def _counts(self, ear: Ear, kind: vad.VADEventType) -> bool:
        """Whether it counts how long this one of those who speak has done so."""
        if kind is vad.VADEventType.INFERENCE_DONE and not self._merged.may_interrupt(ear.unconfirmed):
            return False
        return ear.activity.speaking or kind is vad.VADEventType.END_OF_SPEECH

    def _tell(self, kind: vad.VADEventType, speakers: list[Ear]) -> None:
        elapsed_s = time.monotonic() - self._began_at
        lengths = (ear.activity.speech_s for ear in speakers if self._counts(ear, kind))
        silence_s = min((ear.activity.silence_s for ear in speakers), default=0.0)
        self._event_ch.send_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=int(elapsed_s * SAMPLE_RATE),
                timestamp=elapsed_s,
                speech_duration=max(lengths, default=0.0),
                silence_duration=silence_s,
                speaking=bool(self._speakers),
                raw_accumulated_silence=silence_s,
                raw_accumulated_speech=max((ear.activity.voice_s for ear in self._ears), default=0.0),
            ),
        )

"""The words of the agent at the pace of its voice, where LiveKit measures that pace: here it counts as even.

LiveKit looks for the syllables in the sound with a Fourier transform ten times a second of it, on the event loop; what
our voices say comes in pieces, and where each begins is known.
"""

import asyncio
import time
from contextlib import suppress
from typing import cast

from livekit import rtc
from livekit.agents import utils
from livekit.agents.voice import io
from livekit.agents.voice.transcription import TranscriptSynchronizer
from livekit.agents.voice.transcription._speaking_rate import (
    SpeakingRateDetector,
    SpeakingRateEvent,
    SpeakingRateStream,
)
from livekit.agents.voice.transcription.synchronizer import _SegmentSynchronizerImpl, _TextSyncOptions
from typing_extensions import override

from worker.speaker.sound.voice import Voice


class Paced(TranscriptSynchronizer):
    """A TranscriptSynchronizer that listens to nothing: the words are spread over the sound's length.

    Each comes when the voice has come so far, whatever the time: a process that stood still has said nothing meanwhile.
    """

    def __init__(self, voice: Voice, text: io.TextOutput | None) -> None:
        super().__init__(next_in_chain_audio=voice, next_in_chain_text=text)
        self._voice = voice
        self._opts.speaking_rate_detector = _Even()
        self.rotate_segment()  # the first one was begun without

    @override
    async def _rotate_segment_task(self, old_task: asyncio.Task[None] | None) -> None:
        with suppress(Exception):  # whatever became of the one before, there is another
            if old_task is not None:
                await old_task
        with suppress(Exception):
            await self._impl.aclose()
        if not self._closed:
            self._impl = _Segment(self._opts, self._text_output.next_in_chain, self._voice)
            if self._paused:
                self._impl.pause()


class _Segment(_SegmentSynchronizerImpl):
    """One utterance. LiveKit takes the time that has passed since its sound began, less that in which it was paused."""

    def __init__(self, options: _TextSyncOptions, text: io.TextOutput | None, voice: Voice) -> None:
        self._voice = voice
        super().__init__(options, next_in_chain=text)

    @property
    def _paused_duration(self) -> float:
        """All of it in which nothing was heard."""
        began_at = self._start_wall_time
        return 0.0 if began_at is None else time.time() - began_at - self._voice.heard_s

    @_paused_duration.setter
    def _paused_duration(self, seconds: float) -> None:
        """What LiveKit has counted is not needed."""


class _Even(SpeakingRateDetector):
    @override
    def stream(self) -> SpeakingRateStream:
        return cast("SpeakingRateStream", _EvenStream())


class _EvenStream(utils.aio.Chan[SpeakingRateEvent]):
    """What a segment uses of a SpeakingRateStream."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        self._seconds += frame.duration
        self.send_nowait(SpeakingRateEvent(timestamp=self._seconds, speaking=True, speaking_rate=1.0))

    def end_input(self) -> None:
        self.close()

    async def aclose(self) -> None:
        self.close()

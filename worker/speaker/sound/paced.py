"""The words of the agent at the pace of its voice, where LiveKit measures that pace: here it counts as even.

LiveKit looks for the syllables in the sound with a Fourier transform ten times a second of it, on the event loop; what
our voices say comes in pieces, and where each begins is known.
"""

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
from typing_extensions import override


class Paced(TranscriptSynchronizer):
    """A TranscriptSynchronizer that listens to nothing: the words are spread over the sound's length."""

    def __init__(self, *, next_in_chain_audio: io.AudioOutput, next_in_chain_text: io.TextOutput | None) -> None:
        super().__init__(next_in_chain_audio=next_in_chain_audio, next_in_chain_text=next_in_chain_text)
        self._opts.speaking_rate_detector = _Even()
        self.rotate_segment()  # the first one was begun without


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

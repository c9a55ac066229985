"""A recogniser that only takes whole recordings, made into one that listens: it is given each utterance by itself."""

import asyncio
import math
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Never

from livekit import rtc
from livekit.agents import APIConnectOptions, APITimeoutError, NotGivenOr, stt, utils, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN
from typing_extensions import override

LEAD_S = 0.3  # before the voice is sure, something was said already
SLOWNESS = 0.1  # it may take so much of a recording's length beyond what others may: it begins when all has been said
END_S = 0.5  # of silence are the end of an utterance in whose middle the audio ends
TICK_S = 0.1
STANDSTILL_S = 60.0  # the client's own time-out does not know of standstills: it is to come later than ours


class ByUtterance(stt.STT[Any]):
    """Results say when their words were spoken, which LiveKit's own adapter leaves out.

    Args:
        recogniser: what takes whole recordings.
        activity: where an utterance begins and ends.
        words_s: how long what was understood is waited for, whatever the client would.
    """

    def __init__(self, recogniser: stt.STT[Any], activity: vad.VAD, words_s: float) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))
        self._recogniser = recogniser
        self._activity = activity
        self._words_s = words_s

    @override
    async def _recognize_impl(self, *_: Any, **__: Any) -> Never:
        raise NotImplementedError("it listens")

    @override
    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Stream(self, self._recogniser, self._activity, self._words_s, conn_options)


class _Stream(stt.RecognizeStream):
    def __init__(
        self,
        whole: ByUtterance,
        recogniser: stt.STT[Any],
        activity: vad.VAD,
        words_s: float,
        options: APIConnectOptions,
    ) -> None:
        super().__init__(stt=whole, conn_options=options)
        self._recogniser = recogniser
        self._voice = activity.stream()
        self._words_s = words_s
        self._options = options

    @override
    async def _run(self) -> None:
        hearing = asyncio.create_task(self._hear())
        try:
            async for event in self._voice:
                # Only what the recogniser says is told: it is taken for the proof that it works.
                if event.type is vad.VADEventType.END_OF_SPEECH:
                    await self._recognise(event)
        finally:
            await utils.aio.cancel_and_wait(hearing)
            await self._voice.aclose()

    async def _hear(self) -> None:
        frame: rtc.AudioFrame | None = None
        async for given in self._input_ch:
            if isinstance(given, rtc.AudioFrame):
                frame = given
                self._voice.push_frame(frame)
        if frame is not None:  # what has not ended by then is forgotten
            rate, channels = frame.sample_rate, frame.num_channels
            self._voice.push_frame(rtc.AudioFrame.create(rate, channels, int(END_S * rate)))
        self._voice.end_input()

    async def _recognise(self, spoken: vad.VADEvent) -> None:
        recording = utils.merge_frames(spoken.frames)
        limit_s = self._words_s + recording.duration * SLOWNESS
        options = replace(self._options, timeout=limit_s + STANDSTILL_S)
        heard = await _within(limit_s, self._recogniser.recognize(recording, conn_options=options))
        ended_at = spoken.timestamp - spoken.silence_duration
        words = [
            stt.SpeechData(
                language=one.language,
                text=one.text,
                confidence=one.confidence,
                start_time=max(ended_at - spoken.speech_duration - LEAD_S, 0.0),
                end_time=ended_at,
            )
            for one in heard.alternatives[:1]
        ]
        self._event_ch.send_nowait(stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=words))
        self._event_ch.send_nowait(stt.SpeechEvent(stt.SpeechEventType.END_OF_SPEECH))


async def _within(limit_s: float, recognising: Coroutine[Any, Any, stt.SpeechEvent]) -> stt.SpeechEvent:
    """What it gives; APITimeoutError if that takes longer, not counting the time in which this process stands still."""
    task = asyncio.create_task(recognising, name="recognition of an utterance")
    try:
        for _ in range(math.ceil(limit_s / TICK_S)):
            await asyncio.wait({task}, timeout=TICK_S)
            if task.done():
                return task.result()
        raise APITimeoutError
    finally:
        await utils.aio.cancel_and_wait(task)

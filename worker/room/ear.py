"""One participant's microphone and the STT stream that turns it into words."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, stt, utils

from worker.room.clock import Clock
from worker.room.transcript import TranscriptWriter
from worker.words import is_backchannel

SAMPLE_RATE = 16_000
FRAME_S = 0.02
KEPT_S = 15.0  # how much audio without a final result is kept, to be heard again when a stream breaks
JUMP_S = 0.1  # a gap between frames that is longer than this moves the times of what follows
ANSWER_S = 0.8  # "okay" so shortly before the agent's last word is an answer to it, not a sign of listening
LAST_WORDS_S = 1.0  # how long the last result of a microphone that is gone is waited for
RETRY_S = (0.2, 0.5, 1.0, 2.0)
CONNECT = APIConnectOptions(max_retry=0, timeout=4.0)


@dataclass(frozen=True)
class Listener:
    """What an ear needs of the call: `still_speaking_s` says how much the agent has still to say."""

    clock: Clock
    transcript: TranscriptWriter | None
    on_audio: Callable[[str, rtc.AudioFrame], None]
    still_speaking_s: Callable[[], float]


class Ear:
    """Hears one participant; a broken STT stream is replaced, and hears again what the broken one had not finished."""

    def __init__(
        self,
        participant: rtc.RemoteParticipant,
        recognizer: stt.STT[Any],
        listener: Listener,
        on_frame: Callable[[str, rtc.AudioFrame], None],
        on_event: Callable[["Ear", stt.SpeechEvent], None],
    ) -> None:
        self.identity = participant.identity
        self.name = participant.name or participant.identity
        self._recognizer = recognizer
        self._listener = listener
        self._on_frame = on_frame
        self._on_event = on_event
        self._frames = utils.aio.Chan[tuple[float, rtc.AudioFrame]]()
        self._unfinished: deque[tuple[float, rtc.AudioFrame]] = deque(maxlen=int(KEPT_S / FRAME_S))
        self._intake: asyncio.Task[None] | None = None
        self._failures = 0
        self._segment: int | None = None
        self._interim = ("", 0.0, 0.0)

    async def listen(self, track: rtc.RemoteTrack) -> None:
        """Until the track ends, or `close`; returns once the last words are text."""
        self._intake = asyncio.create_task(self._take_in(track), name="microphone")
        try:
            await self._recognize()
        finally:
            await utils.aio.cancel_and_wait(self._intake)
            if self._segment is not None:
                self._write(*self._interim, final=True)  # heard, if never confirmed

    def close(self) -> None:
        """Hear nothing more; what was said until now still becomes text."""
        self._frames.close()
        if self._intake is not None:
            self._intake.cancel()

    async def _take_in(self, track: rtc.RemoteTrack) -> None:
        stream = rtc.AudioStream.from_track(
            track=track,
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            frame_size_ms=int(FRAME_S * 1000),
        )
        try:
            async for event in stream:
                self._listener.on_audio(self.identity, event.frame)
                self._on_frame(self.identity, event.frame)
                self._frames.send_nowait((self._listener.clock.now() - event.frame.duration, event.frame))
        finally:
            self._frames.close()
            await stream.aclose()

    async def _recognize(self) -> None:
        while True:
            try:
                async with self._recognizer.stream(conn_options=CONNECT) as stream:
                    await self._use(stream)
            except APIError:
                # The recognizer has told the session of it; a new stream gets what the broken one had not finished.
                if self._frames.closed and self._failures >= len(RETRY_S):
                    return
                await asyncio.sleep(RETRY_S[min(self._failures, len(RETRY_S) - 1)])
                self._failures += 1
            else:
                if self._frames.closed:
                    return

    async def _use(self, stream: stt.RecognizeStream) -> None:
        """Until the microphone is gone and its last words are text, or the stream breaks."""
        times = _Times()
        feeding = asyncio.create_task(self._feed(stream, times))
        reading = asyncio.create_task(self._read(stream, times))
        try:
            await asyncio.wait({feeding, reading}, return_when=asyncio.FIRST_COMPLETED)
            # A stream may stay open long after its last result.
            await asyncio.wait({reading}, timeout=LAST_WORDS_S)
            if reading.done():
                await reading
        finally:
            await utils.aio.cancel_and_wait(feeding, reading)

    async def _feed(self, stream: stt.RecognizeStream, times: "_Times") -> None:
        for at, frame in list(self._unfinished):
            times.add(at, frame.duration)
            stream.push_frame(frame)
        async for at, frame in self._frames:
            self._unfinished.append((at, frame))
            times.add(at, frame.duration)
            stream.push_frame(frame)
        stream.end_input()

    async def _read(self, stream: stt.RecognizeStream, times: "_Times") -> None:
        async for event in stream:
            self._heard(event, times)

    def _heard(self, event: stt.SpeechEvent, times: "_Times") -> None:
        kinds = stt.SpeechEventType
        if event.type not in {kinds.INTERIM_TRANSCRIPT, kinds.FINAL_TRANSCRIPT} or not event.alternatives:
            return
        heard = event.alternatives[0]
        if not heard.text.strip():
            return
        self._failures = 0
        final = event.type == kinds.FINAL_TRANSCRIPT
        self._write(heard.text, times.at(heard.start_time), times.at(heard.end_time), final=final)
        if final:
            while self._unfinished and self._unfinished[0][0] < times.at(heard.end_time):
                self._unfinished.popleft()
        if is_backchannel(heard.text) and self._listener.still_speaking_s() > ANSWER_S:
            return  # the agent goes on; no turn is taken
        # The session's clock is not ours: without times it takes those of its own voice activity model.
        words = stt.SpeechData(language=heard.language, text=heard.text, confidence=heard.confidence)
        self._on_event(self, stt.SpeechEvent(type=event.type, request_id=event.request_id, alternatives=[words]))

    def _write(self, text: str, started_at: float, ended_at: float, *, final: bool) -> None:
        transcript = self._listener.transcript
        if transcript is None:
            return
        if self._segment is None:
            self._segment = transcript.begin("user", self.identity)
        self._interim = (text, started_at, ended_at)
        transcript.update(self._segment, text, started_at, ended_at, final=final)
        if final:
            self._segment = None


class _Times:
    """Which moment of the call a second of a stream is."""

    def __init__(self) -> None:
        self._position = 0.0
        self._marks: list[tuple[float, float]] = []  # from this second of the stream on, add this much

    def add(self, at: float, duration: float) -> None:
        offset = at - self._position
        if not self._marks or abs(offset - self._marks[-1][1]) > JUMP_S:
            self._marks.append((self._position, offset))
        self._position += duration

    def at(self, second: float) -> float:
        offset = next((offset for start, offset in reversed(self._marks) if start <= second + 1e-6), 0.0)
        return second + offset

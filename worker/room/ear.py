"""One participant's microphone: its voice activity, and the STT stream that turns it into words."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, stt

from calls.transcript import CALLER
from worker.room.activity import SAMPLE_RATE, Activity
from worker.room.clock import Clock
from worker.room.transcript import TranscriptWriter

FRAME_S = 0.02
LATE_S = 0.08  # how late a frame may be and still come into the mix
KEPT_S = 15.0  # how much audio without a final result is kept, to be heard again when a stream breaks
JUMP_S = 0.1  # a gap between frames that is longer than this moves the times of what follows
LAST_WORDS_S = 1.0  # how long the last result of a microphone that is gone is waited for
RETRY_S = (0.2, 0.5, 1.0, 2.0)
CONNECT = APIConnectOptions(max_retry=0, timeout=4.0)
BROKEN = (APIError, aiohttp.ClientError, OSError)
PROVEN_S = 6.0  # a stream that has lived for so long is connected, though nobody has said a word


@dataclass(frozen=True)
class Listener:
    """What the ears need of the call.

    Args:
        on_audio: gets each frame of a participant, by identity.
        on_words: gets what a participant has said for certain, by identity.
        on_ears: told how many ears there are, whenever that changes.
        on_deaf: called once when speech recognition has not worked for anybody for a while.
        on_unheard: told the identity of one of several for whom alone it has not worked for so long,
        on_heard: and told it again once it does.
        on_failed: called when an ear died again and again.
        holds: asked whether the agent keeps what somebody has said until it has finished what it is saying; it gets
            that, and a way to have it as the model reads it.
    """

    clock: Clock
    transcript: TranscriptWriter | None
    on_audio: Callable[[str, rtc.AudioFrame], None]
    on_words: Callable[[str, str], None]
    on_ears: Callable[[int], None]
    on_deaf: Callable[[], None]
    on_unheard: Callable[[str], None]
    on_heard: Callable[[str], None]
    on_failed: Callable[[], None]
    holds: Callable[[str, Callable[[], str]], bool]


class Ear:
    """Hears one participant; a broken STT stream is replaced, and hears again what the broken one had not finished.

    Args:
        on_final: gets what was said for certain.
        on_broken: called whenever a stream broke; `deaf_s` says how bad that is.
        on_understood: called whenever something came back from a stream.
    """

    def __init__(
        self,
        participant: rtc.RemoteParticipant,
        recognizer: stt.STT[Any],
        listener: Listener,
        *,
        on_final: Callable[["Ear", stt.SpeechData], None],
        on_broken: Callable[[], None],
        on_understood: Callable[["Ear"], None],
    ) -> None:
        self.identity = participant.identity
        self.name = participant.name or participant.identity
        self.activity = Activity()
        self.is_in_sentence = False  # words were heard that are not certain yet
        self.unmixed: deque[rtc.AudioFrame] = deque(maxlen=int(LATE_S / FRAME_S))
        self._recognizer = recognizer
        self._listener = listener
        self._on_final = on_final
        self._on_broken = on_broken
        self._on_understood = on_understood
        self._unfinished: deque[_Kept] = deque(maxlen=int(KEPT_S / FRAME_S))
        self._intake: asyncio.Task[None] | None = None
        self._gone = False
        self._stream: stt.RecognizeStream | None = None
        self._times = _Times()
        self._patience = asyncio.Timeout(None)
        self._opened_at = 0.0
        self._failures = 0
        self._deaf_since: float | None = None
        self._segment: int | None = None
        self._interim = ("", 0.0, 0.0)

    @property
    def deaf_s(self) -> float:
        """For how long no stream has worked; 0 while one does."""
        if self._deaf_since is None or self._is_proven:
            return 0.0
        return time.monotonic() - self._deaf_since

    @property
    def _is_proven(self) -> bool:
        return time.monotonic() - self._opened_at > PROVEN_S

    async def listen(self, track: rtc.RemoteTrack) -> None:
        """Until the track ends, or `close`; returns once the last words are text. May be called again if it fails."""
        async with asyncio.TaskGroup() as tasks:
            self._intake = tasks.create_task(self._take_in(track), name="microphone")
            tasks.create_task(self._recognize(), name="recognition")

    def close(self) -> None:
        """Hear nothing more; what was said until now still becomes text."""
        self._end_input()
        if self._intake is not None:
            self._intake.cancel()

    def settle(self) -> None:
        """Nothing more will be understood: what was heard and never confirmed is final."""
        if self._segment is not None:
            self._write(*self._interim, final=True)

    async def _take_in(self, track: rtc.RemoteTrack) -> None:
        if self._gone:
            return
        stream = rtc.AudioStream.from_track(
            track=track,
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            frame_size_ms=int(FRAME_S * 1000),
        )
        try:
            async for event in stream:
                self._hear(event.frame)
        finally:
            await stream.aclose()
        self._end_input()

    def _hear(self, frame: rtc.AudioFrame) -> None:
        at = self._listener.clock.now() - frame.duration
        self._listener.on_audio(self.identity, frame)
        self.activity.hear(frame)
        self.unmixed.append(frame)
        kept = _Kept(frame, at)
        self._unfinished.append(kept)
        if self._stream is not None:
            self._push(self._stream, kept)

    def _push(self, stream: stt.RecognizeStream, kept: "_Kept") -> None:
        kept.second = self._times.add(kept.at, kept.frame.duration)
        with suppress(RuntimeError):  # it broke a moment ago; the next one hears this again
            stream.push_frame(kept.frame)

    def _end_input(self) -> None:
        if not self._gone:
            self._gone = True
            self._ask_for_last_words()

    def _ask_for_last_words(self) -> None:
        if self._stream is not None:
            with suppress(RuntimeError):
                self._stream.end_input()
            self._patience.reschedule(asyncio.get_running_loop().time() + LAST_WORDS_S)

    async def _recognize(self) -> None:
        while True:
            self._opened_at = time.monotonic()
            try:
                async with self._recognizer.stream(conn_options=CONNECT) as stream:
                    await self._use(stream)
            except BROKEN:
                # The recognizer has told the session of it; a new stream gets what the broken one had not finished.
                self._note_broken()
                if self._gone and self._failures >= len(RETRY_S):
                    return
                await asyncio.sleep(RETRY_S[min(self._failures, len(RETRY_S) - 1)])
                self._failures += 1
            else:
                if self._gone:
                    return

    def _note_broken(self) -> None:
        if self._deaf_since is None or self._is_proven:
            self._deaf_since, self._failures = time.monotonic(), 0
        self._opened_at = time.monotonic()
        self._on_broken()

    async def _use(self, stream: stt.RecognizeStream) -> None:
        """Until the microphone is gone and its last words are text, or the stream breaks."""
        self._times = _Times()
        for kept in self._unfinished:
            self._push(stream, kept)
        try:
            async with asyncio.timeout(None) as self._patience:
                self._stream = stream
                if self._gone:
                    self._ask_for_last_words()
                async for event in stream:
                    self._understand(event)
        except TimeoutError:
            pass  # a stream may stay open long after its last result
        finally:
            self._stream = None

    def _understand(self, event: stt.SpeechEvent) -> None:
        kinds = stt.SpeechEventType
        if event.type == kinds.RECOGNITION_USAGE:
            return
        self._deaf_since, self._failures = None, 0
        self._on_understood(self)
        if event.type not in {kinds.INTERIM_TRANSCRIPT, kinds.FINAL_TRANSCRIPT} or not event.alternatives:
            return
        heard = event.alternatives[0]
        if not heard.text.strip():
            return
        final = event.type == kinds.FINAL_TRANSCRIPT
        started_at, ended_at = self._times.at(heard.start_time), self._times.at(heard.end_time)
        self.is_in_sentence = not final
        self._write(heard.text, started_at, ended_at, final=final)
        if not final:
            return
        while self._unfinished and self._unfinished[0].second < heard.end_time:
            self._unfinished.popleft()
        self._listener.on_words(self.identity, heard.text)
        self._on_final(self, heard)

    def _write(self, text: str, started_at: float, ended_at: float, *, final: bool) -> None:
        transcript = self._listener.transcript
        if transcript is None:
            return
        if self._segment is None:
            self._segment = transcript.begin(CALLER, self.identity)
        self._interim = (text, started_at, ended_at)
        transcript.update(self._segment, text, started_at, ended_at, final=final)
        if final:
            self._segment = None


@dataclass
class _Kept:
    """A frame that may be heard again: when it began in the call, and at which second of the present stream."""

    frame: rtc.AudioFrame
    at: float
    second: float = 0.0


class _Times:
    """Which moment of the call a second of a stream is."""

    def __init__(self) -> None:
        self._position = 0.0
        self._marks: list[tuple[float, float]] = []  # from this second of the stream on, add this much

    def add(self, at: float, duration: float) -> float:
        """The stream gets so many seconds of what was heard `at`; from which second of it on they stand."""
        offset = at - self._position
        if not self._marks or abs(offset - self._marks[-1][1]) > JUMP_S:
            self._marks.append((self._position, offset))
        self._position += duration
        return self._position - duration

    def at(self, second: float) -> float:
        offset = next((offset for start, offset in reversed(self._marks) if start <= second + 1e-6), 0.0)
        return second + offset

"""A caller over WebRTC: speaks samples, and notes when what it hears is loud."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
from livekit import rtc

from bench.conversation.material import RATE, Samples
from bench.conversation.sound import FRAME_S, Sound, Span

FRAME = int(RATE * FRAME_S)
AT_ONCE = 5  # frames are handed over together, on their way out and in: each time costs more than a frame does
PIECE = AT_ONCE * FRAME
QUEUE_MS = 100  # of sound that waits to be sent; what it adds is known, and taken off
AUDIBLE = 300  # of 32767
LOOK_S = 0.02


class Caller:
    """One person in a room. Its microphone is open from the first moment to the last, silent between sentences."""

    def __init__(self) -> None:
        self._room = rtc.Room()
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MS)
        self._unsaid: asyncio.Queue[tuple[Samples, asyncio.Future[Span]]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self.heard = Sound()
        self.joined_at = 0.0
        self._room.on("track_subscribed", self._hear)

    async def join(self, url: str, token: str) -> None:
        await self._room.connect(url, token)
        self.joined_at = time.monotonic()
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self._room.local_participant.publish_track(track, options)
        self._start(self._speak())

    async def leave(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._room.disconnect()
        await self._source.aclose()

    async def say(self, samples: Samples) -> Span:
        """Speak; returns when the last of it has left, and says when the first and the last of it did."""
        said: asyncio.Future[Span] = asyncio.get_running_loop().create_future()
        self._unsaid.put_nowait((samples, said))
        span = await said
        await asyncio.sleep(max(span.ended - time.monotonic(), 0))
        return span

    async def hears(self, after: float, within_s: float) -> float | None:
        """When something begins to be heard after a moment; None if nothing does, for so long."""
        while time.monotonic() - after < within_s:
            if (first := self.heard.begins_after(after)) is not None:
                return first
            await asyncio.sleep(LOOK_S)
        return None

    async def hears_nothing(self, for_s: float, within_s: float) -> None:
        """Return when it has been silent for so long, or the time is over."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            last = self.heard.at[-1] if self.heard.at else began
            if time.monotonic() - max(last, began - for_s) >= for_s:
                return
            await asyncio.sleep(LOOK_S)

    async def _speak(self) -> None:
        silence = np.zeros(PIECE, np.int16)
        while True:
            if self._unsaid.empty():
                await self._send(silence)
                continue
            samples, said = self._unsaid.get_nowait()
            silent_after = -len(samples) % PIECE
            pieces = np.pad(samples, (0, silent_after)).reshape(-1, PIECE)
            left = [await self._send(piece) for piece in pieces]
            said.set_result(Span(left[0] - PIECE / RATE, left[-1] - silent_after / RATE))

    async def _send(self, samples: Samples) -> float:
        """Queue a piece; the moment at which the last of it leaves."""
        await self._source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, PIECE))
        return time.monotonic() + self._source.queued_duration

    def _hear(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._start(self._listen(track))

    async def _listen(self, track: rtc.Track) -> None:
        frames = 0
        async for event in rtc.AudioStream(
            track, sample_rate=RATE, num_channels=1, frame_size_ms=round(PIECE / RATE * 1000)
        ):
            came_at = time.monotonic()
            loudest = np.abs(np.frombuffer(event.frame.data, np.int16).reshape(AT_ONCE, FRAME)).max(axis=1)
            for place in np.flatnonzero(loudest > AUDIBLE).tolist():
                self.heard.add(came_at - (AT_ONCE - 1 - place) * FRAME_S, (frames + place + 1) * FRAME_S)
            frames += AT_ONCE

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))

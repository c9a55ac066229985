"""The agent's audio into the room: it can be stopped at once, and goes on at the very sample where it stopped."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from livekit import rtc
from livekit.agents import utils
from livekit.agents.voice import io
from livekit.rtc.participant import UnpublishTrackError
from typing_extensions import override

SAMPLE_RATE = 24_000
FRAME_S = 0.02
AHEAD_S = 1.0  # how much of it lies ready in WebRTC's queue: enough to outlast an event loop on a full machine
BETWEEN_AHEAD_S = 0.3  # and of what is put in between: the utterance is heard after it
AT_ONCE_S = 0.2  # is queued together, or more: each time costs more than what is queued
TOLD_S = 0.2  # so soon it is known of a sound that it was heard: a recording does not wait for it much longer
SUBSCRIBE_TIMEOUT_S = 15.0  # a browser on a busy machine takes its time
ASK_AGAIN_S = 0.1


class Voice(io.AudioOutput):
    """Plays utterances one after the other.

    LiveKit's own output drops what is queued when it is paused, up to 200 ms of a sentence; this one takes it back and
    plays it after the pause. Where an utterance has nothing to be heard, something else may be put in between, of which
    the session knows nothing.

    Args:
        on_played: gets each frame once it was played, and when it ended, by `time.monotonic`.
        may_speak: asked before each frame; while it says no, there is a pause.
    """

    def __init__(self, on_played: Callable[[rtc.AudioFrame, float], None], may_speak: Callable[[], bool]) -> None:
        super().__init__(
            label="Voice",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=SAMPLE_RATE,
        )
        self.started_at = 0.0  # when the current or last utterance began to be heard, and ended, by `time.monotonic`
        self.ended_at = 0.0
        self.finished_at = 0.0  # when the last one ended that nobody interrupted
        self.sounded_at = 0.0  # when anything was heard last
        self.has_played_between = False  # what was played last was put in between
        self._on_played = on_played
        self._may_speak = may_speak
        self._publication: rtc.LocalTrackPublication | None = None
        self._source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=2 * round(AHEAD_S * 1000))
        self._cutter = utils.audio.AudioByteStream(SAMPLE_RATE, 1, samples_per_channel=int(SAMPLE_RATE * FRAME_S))
        self._waiting: deque[rtc.AudioFrame] = deque()
        self._queued: deque[rtc.AudioFrame] = deque()
        self._over_at = 0.0  # when all of that will have been heard; LiveKit's own count is wrong once it ran dry
        self._between: deque[rtc.AudioFrame] = deque()  # what is put in between, of which so many frames are queued:
        self._between_queued = 0  # they come before those of the utterance
        self._between_over = asyncio.Event()
        self._between_s = 0.0
        self._position_s = 0.0
        self._last_sound_at = 0.0
        self._heard_at: list[float] = []  # when each frame of the current or last utterance had been heard
        self._open = False  # an utterance is being made or heard
        self._begun = False  # its first frame went out
        self._complete = False  # all of its audio is here
        self._interrupted = False
        self._paused = False
        self._cut_between = False
        self._muted = False
        self._playing = False
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        self._audible = asyncio.Event()

    async def publish(self, room: rtc.Room) -> None:
        """Put the agent's track into the room."""
        track = rtc.LocalAudioTrack.create_audio_track("agent", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        self._publication = await room.local_participant.publish_track(track, options)

    async def wait_audible(self) -> None:
        """Let the agent speak once somebody receives its track, so that its first word is not lost."""
        assert self._publication is not None, "not published"
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                await self._publication.wait_for_subscription()
        except TimeoutError:
            pass  # whoever does not subscribe does not want to hear it
        self._audible.set()

    async def unpublish(self, room: rtc.Room) -> None:
        """Take the track out of the room, which goes on: in one that is just closed, LiveKit never answers."""
        if room.isconnected() and self._publication is not None:
            with suppress(UnpublishTrackError):  # the room is going, or gone
                await room.local_participant.unpublish_track(self._publication.sid)

    async def aclose(self) -> None:
        """Have no sound any more."""
        await self._source.aclose()

    def mute(self) -> None:
        """Fall silent at once and for good."""
        self._muted = True
        self.cut_in()
        self.clear_buffer()

    @property
    def is_audible(self) -> bool:
        """Whether somebody can hear it."""
        return self._audible.is_set()

    @property
    def is_dry(self) -> bool:
        """Whether nothing of an utterance is there to be heard."""
        return not self._waiting and len(self._queued) == self._between_queued

    async def put_in(self, sound: bytes) -> float:
        """Play something in between, unless an utterance is being heard: linear16 mono at `SAMPLE_RATE`.

        Returns how many seconds of it were heard; a pause cuts it, `cut_in` does, and cancelling this.
        """
        if not (self._playing and self.is_audible and self.is_dry and self._may_speak()) or self._muted or self._paused:
            return 0.0
        cutter = utils.audio.AudioByteStream(SAMPLE_RATE, 1, samples_per_channel=int(SAMPLE_RATE * FRAME_S))
        self._between.extend([*cutter.push(sound), *cutter.flush()])
        self._between_s = 0.0
        self._between_over.clear()
        self._wake.set()
        try:
            await self._between_over.wait()
        finally:
            if not self._between_over.is_set():
                self.cut_in()
        return self._between_s

    def cut_in(self) -> None:
        """Fall silent where something was put in between."""
        self._cut_between = True
        self._wake.set()

    @property
    def has_put_in_last(self) -> bool:
        """Whether what was heard last was put in between, and no utterance has begun since."""
        return not self._open and self.sounded_at > self.ended_at

    @property
    def remaining_s(self) -> float:
        """How much of the current utterance is still to be heard; infinite while it is still being made."""
        if not self._open:
            return 0.0
        return (len(self._waiting) + len(self._queued)) * FRAME_S if self._complete else math.inf

    @property
    def heard_s(self) -> float:
        """How much of the current utterance has been heard until now: nothing of what only lies ready."""
        ready_s = (len(self._queued) - self._between_queued) * FRAME_S  # the last of what is queued, part of it heard
        return self._position_s + max(ready_s - self._queued_s, 0.0)

    def heard_at(self, share: float) -> float:
        """When so much of the last utterance had been heard, from 0 to 1, by `time.monotonic`; of none, never."""
        frames = self._heard_at
        return frames[min(int(share * len(frames)), len(frames) - 1)] if frames else math.inf

    @override
    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await self._audible.wait()
        if self._complete:
            await self._over.wait()
        await super().capture_frame(frame)
        self._open = True
        self._interrupted |= self._muted
        self._waiting.extend(self._cutter.push(frame.data))
        self._wake.set()

    @override
    def flush(self) -> None:
        super().flush()
        if self._open:
            self._waiting.extend(self._cutter.flush())
            self._complete = True
            self._over.clear()
            self._wake.set()
            if not self._playing:
                self._end_unheard()

    @override
    def clear_buffer(self) -> None:
        self._cutter.clear()
        if self._open:
            self._interrupted = True
            self._wake.set()
            if not self._playing:
                self._end_unheard()

    @override
    def pause(self) -> None:
        super().pause()
        self._paused = True
        self._wake.set()

    @override
    def resume(self) -> None:
        super().resume()
        self._paused = False
        self._wake.set()

    async def play(self) -> None:
        """Play what is said until cancelled; what was being said then is over."""
        self._playing = True
        try:
            await self._play()
        finally:
            self._playing = False
            self._take_back()
            self._end_unheard()

    async def _play(self) -> None:
        while True:
            self._note_played()
            if self._interrupted or self._paused or self._cut_between:
                self._take_back()
            if self._interrupted:
                self._waiting.clear()
            if self._complete and (self._interrupted or not (self._waiting or self._queued)):
                self._end()
            elif (self._between or self._waiting) and not self._paused and self._may_speak():
                await self._advance()
            elif (self._between or self._waiting) and not self._paused:
                await self._sleep(ASK_AGAIN_S)
            else:
                await self._sleep(min(self._queued_s, TOLD_S) if self._queued else None)

    async def _advance(self) -> None:
        next_ones = self._between or self._waiting
        room_s = (BETWEEN_AHEAD_S if next_ones is self._between else AHEAD_S) - self._queued_s
        if room_s < AT_ONCE_S:
            await self._sleep(AT_ONCE_S - room_s)
            return
        frames = [next_ones.popleft() for _ in range(min(round(room_s / FRAME_S), len(next_ones)))]
        if next_ones is self._between:
            self._between_queued += len(frames)
        elif not self._begun:
            self._begun = True
            self._heard_at.clear()
            self.started_at = self._last_sound_at = time.monotonic()
            self.on_playback_started(created_at=time.time())
        self._queued.extend(frames)
        self._over_at = time.monotonic() + self._queued_s + len(frames) * FRAME_S
        await self._source.capture_frame(rtc.combine_audio_frames(frames))

    @property
    def _queued_s(self) -> float:
        return max(self._over_at - time.monotonic(), 0.0)

    def _note_played(self) -> None:
        still_queued = math.ceil(self._queued_s / FRAME_S - 0.05)
        while len(self._queued) > still_queued:
            frame = self._queued.popleft()
            self.sounded_at = self._over_at - len(self._queued) * FRAME_S  # this may come to see it late
            self.has_played_between = self._between_queued > 0
            if self.has_played_between:
                self._between_queued -= 1
                self._between_s += frame.duration
            else:
                self._position_s += frame.duration
                self._last_sound_at = self.sounded_at
                self._heard_at.append(self.sounded_at)
            self._on_played(frame, self.sounded_at)
        if not (self._between or self._between_queued):
            self._between_over.set()

    def _take_back(self) -> None:
        """What is queued waits again; what was put in between is over."""
        self._cut_between = False
        if self._queued:
            self._source.clear_queue()
            self._over_at = 0.0
            while self._between_queued:
                self._queued.popleft()
                self._between_queued -= 1
            self._waiting.extendleft(reversed(self._queued))
            self._queued.clear()
        self._between.clear()
        self._between_over.set()

    def _end_unheard(self) -> None:
        """Without a player nobody hears the rest, and nobody is to wait for it."""
        if self._open:
            self._take_back()
            self._waiting.clear()
            self._interrupted = True
            self._end()

    def _end(self) -> None:
        self.ended_at = self._last_sound_at  # an interruption is often certain only some time after the pause
        position_s, interrupted = self._position_s, self._interrupted
        if not interrupted:
            self.finished_at = self.ended_at
        self._position_s = 0.0
        self._open = self._begun = self._complete = self._interrupted = False
        self._over.set()
        self.on_playback_finished(playback_position=position_s, interrupted=interrupted)

    async def _sleep(self, seconds: float | None) -> None:
        """Until something changes, or for so long."""
        try:
            async with asyncio.timeout(None if seconds is None else max(seconds, 0.002)):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

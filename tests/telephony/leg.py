"""A call as a bridge brings it into a room: a participant of kind SIP, with the track of what the phone says."""

import asyncio
import re
from collections.abc import Awaitable, Coroutine
from typing import Any

import numpy as np
from livekit import rtc
from numpy.typing import NDArray

from tests.microphone import SILENCE_S, publish_options, switch_off
from tests.telephony.sip import Reason
from tests.telephony.sound import RATE, Pcm, through_the_line

LONGEST_MS = 60_000  # of what is said at a time
PIECE_MS = 100  # of what is heard at a time
PAUSE_S = 0.3  # a voice that comes so much too late has paused in between; what was heard before is complete
CODES = {digit: code for code, digit in enumerate("0123456789*#abcd")}


class Leg:
    """`gone` is set once the participant is out of the room, by whomever."""

    def __init__(self, url: str, token: str) -> None:
        self.gone = asyncio.Event()
        self.someone_speaks = asyncio.Event()  # somebody else has a microphone in the room
        self.digits = ""
        self.room = rtc.Room()
        self._url, self._token = url, token
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=LONGEST_MS)
        self._heard: NDArray[np.int32] = np.zeros(0, np.int32)
        self._since: float | None = None
        self._until: float | None = None
        self._track: rtc.LocalAudioTrack | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.room.on("disconnected", self._gone)
        self.room.on("track_published", self._published)
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("sip_dtmf_received", self._pressed)

    async def join(self) -> None:
        """Raises rtc.ConnectError where there is no such room, nor may be."""
        await self.room.connect(self._url, self._token, rtc.RoomOptions(auto_subscribe=False))
        for participant in self.room.remote_participants.values():
            for publication in participant.track_publications.values():
                self._published(publication, participant)
        self._tasks.append(asyncio.create_task(self._unless_gone(self._publish())))

    async def show(self, **attributes: str) -> None:
        """Change its attributes `sip.…`."""
        named = {f"sip.{name}": value for name, value in attributes.items()}
        await self._unless_gone(self.room.local_participant.set_attributes(named))

    async def open(self) -> None:
        """The call is answered: sound goes both ways."""
        self._since = asyncio.get_running_loop().time()
        self._tasks.append(asyncio.create_task(self._be_silent()))
        for participant in self.room.remote_participants.values():
            for publication in participant.track_publications.values():
                publication.set_subscribed(True)

    async def say(self, pcm: Pcm) -> None:
        """Nobody hears it who is out of the room, as a phone may be before whoever speaks into it knows."""
        if not self.gone.is_set():
            self._source.clear_queue()
            await self._unless_gone(self._capture(through_the_line(pcm)))
        await asyncio.sleep(len(pcm) / RATE)

    async def press(self, digit: str) -> None:
        code = CODES[digit.lower()]
        await self._unless_gone(self.room.local_participant.publish_dtmf(code=code, digit=digit.lower()))

    async def leave(self, reason: Reason.ValueType) -> None:
        """Nothing if it is out of the room already."""
        self._gone()
        await self.room.disconnect(reason=reason)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._track is not None:
            await switch_off(self._track, self._source)

    async def __aenter__(self) -> None:
        """It is in the room; leaving the block it leaves it as a phone does that hangs up."""

    async def __aexit__(self, *exc: object) -> None:
        await self.leave(Reason.CLIENT_INITIATED)

    @property
    def heard(self) -> Pcm:
        """What the phone has heard since the call was answered; nobody's voice is silence."""
        if self._since is None:
            return np.zeros(0, np.int16)
        until = self._until or asyncio.get_running_loop().time() - PAUSE_S
        whole = np.zeros(max(int((until - self._since) * RATE), 0), np.int32)
        known = self._heard[: len(whole)]
        whole[: len(known)] = known
        return through_the_line(np.clip(whole, -32768, 32767).astype(np.int16))

    async def _publish(self) -> None:
        self._track = rtc.LocalAudioTrack.create_audio_track(self.room.local_participant.identity, self._source)
        await self.room.local_participant.publish_track(self._track, publish_options())

    async def _unless_gone(self, doing: Coroutine[Any, Any, None]) -> None:
        """What cannot be done any more has no effect; the library would wait for it."""
        task = asyncio.create_task(doing)
        await first(task, self.gone.wait())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _gone(self, _reason: object = None) -> None:
        self._until = self._until or asyncio.get_running_loop().time()
        self.gone.set()

    def _published(self, publication: rtc.RemoteTrackPublication, _by: rtc.RemoteParticipant) -> None:
        if publication.kind != rtc.TrackKind.KIND_AUDIO:
            return
        self.someone_speaks.set()
        if self._since is not None:
            publication.set_subscribed(True)

    def _subscribed(self, track: rtc.RemoteTrack, *_: object) -> None:
        self._tasks.append(asyncio.create_task(self._listen(track)))

    def _pressed(self, pressed: rtc.SipDTMF) -> None:
        if self._since is not None and re.fullmatch(r"[0-9*#a-d]", pressed.digit.lower()):
            self.digits += pressed.digit.lower()

    async def _listen(self, track: rtc.RemoteTrack) -> None:
        assert self._since is not None
        loop = asyncio.get_running_loop()
        stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1, frame_size_ms=PIECE_MS)
        at = 0
        try:
            async for event in stream:
                now = int((loop.time() - self._since) * RATE)
                at = now if at < now - PAUSE_S * RATE else at
                samples = np.frombuffer(event.frame.data, np.int16)
                end = at + len(samples)
                if end > len(self._heard):
                    self._heard = np.concatenate([self._heard, np.zeros(end - len(self._heard) + RATE, np.int32)])
                self._heard[at:end] += samples
                at = end
        finally:
            await stream.aclose()

    async def _be_silent(self) -> None:
        while True:
            if self._source.queued_duration < SILENCE_S:
                await self._capture(np.zeros(int(SILENCE_S * RATE), np.int16))
            await asyncio.sleep(SILENCE_S / 2)

    async def _capture(self, pcm: Pcm) -> None:
        await self._source.capture_frame(rtc.AudioFrame(pcm.tobytes(), RATE, 1, len(pcm)))


async def first(*what: Awaitable[Any], timeout: float | None = None) -> None:
    """Wait for the first of them, or so many seconds. A future is left as it is."""
    futures = [asyncio.ensure_future(one) for one in what]
    try:
        await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future, one in zip(futures, what, strict=True):
            if future is not one:
                future.cancel()

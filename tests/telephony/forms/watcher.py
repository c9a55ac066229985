"""What the other tests rely on of the phone network, on the stand-in and on the real bridge alike: who sees it.

The tests of this folder compare the two, so they run where the bridge is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from livekit import api, rtc

from tests.telephony import PhoneNetwork
from tests.telephony.sound import RATE, Pcm

ROOM = "a-call"
OURS = "+4930888"
BERLIN = "+4930111"
PARIS = "+33140111222"
LOW, MIDDLE, HIGH = 440, 600, 1000
Reason = rtc.DisconnectReason
Dial = Callable[..., Awaitable[api.SIPParticipantInfo]]


@dataclass
class Seen:
    """One participant, as another one in the room sees it."""

    kind: int
    attributes: dict[str, str]
    statuses: list[str] = field(default_factory=list)
    reason: int | None = None  # why it left
    gone: bool = False
    digits: str = ""
    heard: list[Pcm] = field(default_factory=list)

    @property
    def sound(self) -> Pcm:
        return np.concatenate([np.zeros(0, np.int16), *self.heard])


class Watcher:
    """Somebody in the room with a microphone, but only once they speak."""

    def __init__(self, network: PhoneNetwork, room: str) -> None:
        self.room = rtc.Room()
        self.seen: list[Seen] = []
        self._now: dict[str, Seen] = {}
        self._url = network.livekit_url
        grants = api.VideoGrants(room_join=True, room=room)
        token = api.AccessToken(network.key, network.secret).with_identity("watcher").with_grants(grants)
        self._token = token.to_jwt()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.room.on("participant_connected", self._came)
        self.room.on("participant_attributes_changed", self._changed)
        self.room.on("participant_disconnected", self._left)
        self.room.on("sip_dtmf_received", self._pressed)
        self.room.on("track_subscribed", self._subscribed)
        await self.room.connect(self._url, self._token)
        for participant in self.room.remote_participants.values():
            self._came(participant)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()

    async def speak(self, pcm: Pcm) -> None:
        """Publish a microphone, and say that."""
        source = rtc.AudioSource(RATE, 1, queue_size_ms=60_000)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, options)
        await source.capture_frame(rtc.AudioFrame(pcm.tobytes(), RATE, 1, len(pcm)))

    def _came(self, who: rtc.RemoteParticipant) -> None:
        self._now[who.identity] = seen = Seen(who.kind, dict(who.attributes))
        self.seen.append(seen)
        seen.statuses.append(who.attributes.get("sip.callStatus", ""))

    def _changed(self, changed: dict[str, str], who: rtc.Participant) -> None:
        seen = self._now[who.identity]
        seen.attributes |= changed
        if "sip.callStatus" in changed:
            seen.statuses.append(changed["sip.callStatus"])

    def _left(self, who: rtc.RemoteParticipant) -> None:
        seen = self._now[who.identity]
        seen.reason, seen.gone = who.disconnect_reason, True

    def _pressed(self, pressed: rtc.SipDTMF) -> None:
        assert pressed.participant is not None
        self._now[pressed.participant.identity].digits += pressed.digit

    def _subscribed(self, track: rtc.RemoteTrack, _publication: object, who: rtc.RemoteParticipant) -> None:
        self._tasks.append(asyncio.create_task(self._listen(track, self._now[who.identity].heard)))

    async def _listen(self, track: rtc.RemoteTrack, heard: list[Pcm]) -> None:
        stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1, frame_size_ms=20)
        try:
            async for event in stream:
                heard.append(np.frombuffer(event.frame.data, np.int16))  # noqa: PERF401  each as it comes
        finally:
            await stream.aclose()


async def left(watcher: Watcher, until: Any) -> Seen:
    """The only one that has been there, once it is gone. The server tells others some seconds late."""
    await until(lambda: watcher.seen and watcher.seen[-1].gone)
    (seen,) = watcher.seen
    return seen


def assert_called_off(error: api.ServerError) -> None:
    """It says no more than that: a ring too long, an end that does not answer and one's own cancel are the same."""
    assert (error.code, error.status) == ("canceled", 408)
    assert not isinstance(error, api.SipCallError)

"""A caller in the room: a microphone that is always open, and ears that remember when the agent was heard.

`python -m tests.worker.caller URL TOKEN` is one that joins and stays, to be killed: its connection is lost.
"""

import asyncio
import sys
import time
import wave
from pathlib import Path
from typing import Self

import numpy as np
from livekit import rtc
from numpy.typing import NDArray

from tests.microphone import SILENCE_S, publish_options, switch_off

RATE = 16_000
FRAME = RATE // 50
LONGEST_MS = 30_000  # of what is said at a time
PIECE_S = 0.1  # of sound at a time in what is heard: many callers share a small machine
LOUD = 0.02
with wave.open(str(Path(__file__).parent / "speech.wav")) as _file:
    SPEECH = np.frombuffer(_file.readframes(_file.getnframes()), np.int16)


class Caller:
    """Joins with a token as a browser does, and leaves on purpose."""

    def __init__(self, url: str, token: str) -> None:
        self.room = rtc.Room()
        self.agent_states: list[str] = []
        self.heard: list[tuple[float, float]] = []  # (time.monotonic(), level) of every 20 ms of the agent
        self.url, self.token = url, token
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=LONGEST_MS)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.room.on("track_subscribed", self._subscribed)
        await self.room.connect(self.url, self.token)
        await self.publish()
        self._tasks.append(asyncio.create_task(self._be_silent()))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.hang_up()

    async def hang_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()
        await switch_off(self._track, self._source)

    async def say(self, seconds: float = len(SPEECH) / RATE) -> None:
        """Speak for so long, else a whole sentence; what the words were, the script of the providers says."""
        self._source.clear_queue()
        # In one piece: however busy this process is, the sound has no holes.
        await self._capture(np.resize(SPEECH, int(seconds * RATE)))
        await asyncio.sleep(seconds)

    async def say_haltingly(self, seconds: float, pause_s: float) -> None:
        """Speak for so long, be silent, and speak for so long once more."""
        self._source.clear_queue()
        speech = np.resize(SPEECH, int(seconds * RATE))
        await self._capture(np.concatenate([speech, np.zeros(int(pause_s * RATE), np.int16), speech]))
        await asyncio.sleep(2 * seconds + pause_s)

    def mute(self) -> None:
        """Switch the microphone off, as a button in a browser does."""
        self._track.mute()

    async def publish_again(self) -> None:
        """Take the microphone back and publish it anew, as a browser does for another device."""
        await self.room.local_participant.unpublish_track(self._track.sid)
        self._track._ffi_handle.dispose()
        await self.publish()

    def hush(self) -> None:
        """Break off in the middle of a sentence."""
        self._source.clear_queue()

    @property
    def agent(self) -> rtc.RemoteParticipant | None:
        return next((p for p in self.room.remote_participants.values() if "agent" in p.identity), None)

    def agent_is_heard(self, within: float = 0.3) -> bool:
        """Whether the agent's voice was there in the last moments."""
        since = time.monotonic() - within
        return any(level > LOUD for at, level in reversed(self.heard[-100:]) if at > since)

    def agent_has_been_heard(self) -> bool:
        """Whether the agent's voice was ever there, however late somebody looks."""
        return self.seconds_heard() > 0

    def agent_listens(self) -> bool:
        """Whether the agent says so; else it thinks or speaks."""
        return self.agent is not None and self.agent.attributes.get("lk.agent.state") == "listening"

    def agent_thinks(self) -> bool:
        """Whether the agent says that it has an answer to find."""
        return self.agent is not None and self.agent.attributes.get("lk.agent.state") == "thinking"

    def seconds_heard(self) -> float:
        """How much of the agent's voice was heard in all."""
        return sum(level > LOUD for _, level in self.heard) / 50

    async def publish(self) -> None:
        """A microphone, beside those that are there."""
        self._track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        self._publication = await self.room.local_participant.publish_track(self._track, publish_options())

    async def wait_audible(self) -> None:
        """Until somebody has the microphone's sound: on a busy machine that may be later than the agent is heard."""
        await self._publication.wait_for_subscription()

    async def _be_silent(self) -> None:
        while True:
            if self._source.queued_duration < SILENCE_S:
                await self._capture(np.zeros(int(SILENCE_S * RATE), np.int16))
            await asyncio.sleep(SILENCE_S / 2)

    async def _capture(self, samples: NDArray[np.int16]) -> None:
        await self._source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, len(samples)))

    def _subscribed(self, track: rtc.RemoteTrack, _publication: object, owner: rtc.RemoteParticipant) -> None:
        if "agent" in owner.identity and track.kind == rtc.TrackKind.KIND_AUDIO:
            self._tasks.append(asyncio.create_task(self._listen(track)))

    async def _listen(self, track: rtc.RemoteTrack) -> None:
        piece_ms = int(PIECE_S * 1000)
        stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1, frame_size_ms=piece_ms)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16).astype(np.float32).reshape(-1, FRAME) / 32768
                levels = np.sqrt(np.mean(samples**2, axis=1)).tolist()
                began_at = time.monotonic() - (len(levels) - 1) * FRAME / RATE
                self.heard += [(began_at + index * FRAME / RATE, level) for index, level in enumerate(levels)]
        finally:
            await stream.aclose()


async def leave(caller: Caller) -> None:
    """One way to vanish."""
    await caller.hang_up()


async def mute(caller: Caller) -> None:
    """Another."""
    caller.mute()


async def main(url: str, token: str) -> None:
    async with Caller(url, token):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

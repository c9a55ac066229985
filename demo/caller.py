"""The caller: joins the call's room over WebRTC like a browser would, speaks recorded sentences, hears the agent."""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from livekit import rtc
from numpy.typing import NDArray

RATE = 48_000
FRAME = RATE // 50  # 20 ms
AUDIBLE = 300  # of 32767
PAUSE_S = 0.9  # so long an agent that has nothing more to say is silent
ANSWER_WITHIN_S = 45
PATIENCE_S = 12  # who talks longer is interrupted

Samples = NDArray[np.int16]


class AgentSilent(Exception):
    """The agent did not say anything when it was its turn."""


class Caller:
    """One person in a room. Its microphone is open from the first moment to the last, silent between sentences."""

    def __init__(self) -> None:
        self._room = rtc.Room()
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        self._unsaid: deque[Samples] = deque()
        self._said = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.heard: list[float] = []  # time.monotonic() of every piece of the agent's sound
        self.sound = bytearray()  # all that came of the agent, silence included: 16 bits, mono, at RATE
        self._room.on("track_subscribed", self._hear)

    async def join(self, url: str, token: str) -> None:
        await self._room.connect(url, token)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self._room.local_participant.publish_track(track, options)
        self._start(self._speak())

    @property
    def connected(self) -> bool:
        """Whether the call goes on: an agent may hang up too."""
        return self._room.isconnected()

    @property
    def last_heard_at(self) -> float:
        """When the agent was heard last, 0 if never."""
        return self.heard[-1] if self.heard else 0.0

    @property
    def agent_speaks(self) -> bool:
        """Whether it does, or is about to: between two sentences it is silent, but says that it goes on."""
        states = {other.attributes.get("lk.agent.state") for other in self._room.remote_participants.values()}
        return time.monotonic() - self.last_heard_at < PAUSE_S or bool(states & {"thinking", "speaking"})

    async def leave(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._room.disconnect()
        await self._source.aclose()

    async def say(self, sentence: Path) -> None:
        """Speak a recorded sentence, to its end."""
        self._said.clear()
        self._unsaid.extend(frames(sentence))
        await self._said.wait()

    async def hear_answer(self) -> None:
        """Wait until the agent has said something from now on, and is done, goes on too long, or has hung up."""
        asked = time.monotonic()
        answered = None
        while self.connected:
            now = time.monotonic()
            if self.last_heard_at >= asked:
                answered = answered or now
                if not self.agent_speaks or now - answered > PATIENCE_S:
                    return
            elif now - asked > ANSWER_WITHIN_S:
                raise AgentSilent(f"The agent said nothing within {ANSWER_WITHIN_S} s")
            await asyncio.sleep(0.05)

    async def _speak(self) -> None:
        silence = np.zeros(FRAME, np.int16)
        while True:
            samples = self._unsaid.popleft() if self._unsaid else silence
            if not self._unsaid:
                self._said.set()
            await self._source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, FRAME))

    def _hear(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._start(self._listen(track))

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
        async for event in stream:
            self.sound += event.frame.data
            if np.abs(np.frombuffer(event.frame.data, np.int16)).max() > AUDIBLE:
                self.heard.append(time.monotonic())

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))


def frames(sentence: Path) -> Iterator[Samples]:
    """A recorded sentence as frames of 20 ms, the last one filled with silence."""
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(sentence)) as file:
        decoded = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    samples = np.concatenate([part.to_ndarray().reshape(-1) for part in decoded])
    samples = np.pad(samples, (0, -len(samples) % FRAME))
    yield from samples.reshape(-1, FRAME)

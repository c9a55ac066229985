"""What the agent hears: the mix of all microphones, and the words of each participant from an STT stream of its own."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import stt, utils
from livekit.agents.voice import io
from typing_extensions import override

from worker.room.ear import FRAME_S, SAMPLE_RATE, Ear, Listener

CLOSE_TIMEOUT_S = 2.0
TAIL_S = 0.5


class Hearing(io.AudioInput):
    """An AudioInput (the mix, which the voice activity and end-of-turn models get) and the merged speech events.

    Args:
        recognizer: makes the STT streams.
        listener: what each ear needs of the call.
    """

    def __init__(self, recognizer: stt.STT[Any], listener: Listener) -> None:
        super().__init__(label="Hearing")
        self._recognizer = recognizer
        self._listener = listener
        self._ears: dict[str, Ear] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._mix = utils.aio.Chan[rtc.AudioFrame]()
        self._events = utils.aio.Chan[stt.SpeechEvent]()
        self._unmixed: dict[str, deque[rtc.AudioFrame]] = {}

    def attend(self, track: rtc.RemoteTrack, participant: rtc.RemoteParticipant) -> None:
        """Listen to a participant's microphone until `ignore`."""
        ear = Ear(participant, self._recognizer, self._listener, self._on_frame, self._on_event)
        self._ears[track.sid] = ear
        self._unmixed[participant.identity] = deque()
        task = asyncio.create_task(ear.listen(track), name="ear")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ignore(self, track: rtc.RemoteTrack) -> None:
        """A track is gone; what was said on it still becomes text."""
        ear = self._ears.pop(track.sid, None)
        if ear is None:
            return
        ear.close()
        if not any(other.identity == ear.identity for other in self._ears.values()):
            self._unmixed.pop(ear.identity, None)
        # Whoever leaves in the middle of a word must not keep the agent waiting for its end.
        for _ in range(int(TAIL_S / FRAME_S)):
            self._send(utils.audio.silence_frame(FRAME_S, SAMPLE_RATE))

    @override
    async def __anext__(self) -> rtc.AudioFrame:
        try:
            return await self._mix.recv()
        except utils.aio.ChanClosed:
            raise StopAsyncIteration from None

    def events(self) -> AsyncIterator[stt.SpeechEvent]:
        """The speech events of everybody, as they come."""
        return self._events

    async def aclose(self) -> None:
        """Stop listening, once what was said until now is text."""
        for ear in self._ears.values():
            ear.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
            await utils.aio.cancel_and_wait(*self._tasks)
        self._mix.close()
        self._events.close()

    def _on_event(self, ear: Ear, event: stt.SpeechEvent) -> None:
        people = {other.identity for other in self._ears.values()}
        if len(people | {ear.identity}) > 1:
            for heard in event.alternatives:
                heard.text = f"{ear.name}: {heard.text}"
        if not self._events.closed:
            self._events.send_nowait(event)

    def _on_frame(self, identity: str, frame: rtc.AudioFrame) -> None:
        """Mix in step with whoever has been here longest; of the others what has come since."""
        queues = self._unmixed
        if identity not in queues:
            return
        if identity != next(iter(queues)):
            queues[identity].append(frame)
            if len(queues[identity]) * FRAME_S > TAIL_S:
                queues[identity].popleft()
            return
        others = [queue.popleft() for queue in queues.values() if queue]
        self._send(_mixed([frame, *others]) if others else frame)

    def _send(self, frame: rtc.AudioFrame) -> None:
        if not self._mix.closed:
            self._mix.send_nowait(frame)


def _mixed(frames: list[rtc.AudioFrame]) -> rtc.AudioFrame:
    samples = [np.frombuffer(frame.data, np.int16).astype(np.int32) for frame in frames]
    length = len(samples[0])
    total = sum(part[:length] if len(part) >= length else np.pad(part, (0, length - len(part))) for part in samples)
    clipped = np.clip(total, -32768, 32767).astype(np.int16)
    return rtc.AudioFrame(clipped.tobytes(), SAMPLE_RATE, 1, length)

"""What a microphone picks up, handed over frame by frame as it comes.

LiveKit's own stream wakes two tasks for each of 31 frames a second, and those of all streams for the frames of each.
"""

import asyncio
import contextvars
from collections.abc import Callable

from livekit import rtc
from livekit.rtc._ffi_client import FfiClient  # the queues that are left out here have no public names either
from livekit.rtc._proto.ffi_pb2 import FfiEvent
from typing_extensions import override


class Microphone(rtc.AudioStream):
    """LiveKit's stream of one track, without its queues. To be closed, as that is.

    Args:
        track: of somebody else in the room.
        sample_rate: in Hz, of one channel.
        frame_ms: how long a frame is to be.
        hear: gets each frame, in the context in which this was made.
    """

    def __init__(
        self,
        track: rtc.RemoteTrack,
        sample_rate: int,
        frame_ms: int,
        hear: Callable[[rtc.AudioFrame], None],
    ) -> None:
        self._hear = hear
        self._context = contextvars.copy_context()  # who hands frames over is in none
        self._over = asyncio.Event()
        self._error: Exception | None = None
        super().__init__(track, sample_rate=sample_rate, num_channels=1, frame_size_ms=frame_ms)
        events = FfiClient.instance.queue
        events.unsubscribe(self._ffi_queue)
        with events._lock:  # noqa: SLF001 - see above
            events._subscribers.append((self, self._loop, self._is_event))  # noqa: SLF001

    async def listen(self) -> None:
        """Until the track ends; raises whatever `hear` does, which then gets no more."""
        await self._over.wait()
        if self._error is not None:
            raise self._error

    def put_nowait(self, event: FfiEvent) -> None:
        """What LiveKit calls in the event loop for each event of this stream."""
        audio = event.audio_stream_event
        if audio.HasField("eos"):
            self._over.set()
            return
        frame = rtc.AudioFrame._from_owned_info(audio.frame_received.frame)  # noqa: SLF001 - see above
        if self._over.is_set():
            return
        try:
            self._context.run(self._hear, frame)
        except Exception as error:  # noqa: BLE001 - it is `listen`'s to raise
            self._error = error
            self._over.set()

    @override
    async def _run(self) -> None:
        try:
            await self._over.wait()
        finally:
            FfiClient.instance.queue.unsubscribe(self)

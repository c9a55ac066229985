"""The call's recording: OGG/Opus, people on the left and the agent on the right, on disk as it goes."""

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import av
import numpy as np
from livekit import rtc
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

RATE = 48_000
BLOCK = RATE // 50  # one Opus frame
BIT_RATE = 64_000  # enough that Opus mixes nothing of one channel into the other
PAGE_US = 200_000  # what a killed worker has not yet written
HOLD_S = 0.5  # how late a frame may come and still be mixed in
TICK_S = 0.1
JUMP_S = 0.3  # a frame this far from the end of the one before does not follow it: there was a pause
DRIFT_S = 0.02
DRIFT_FRAMES = 25

LEFT, RIGHT = 0, 1


@dataclass(frozen=True)
class _Arrived:
    """A frame that ended at the second `at_s` of the call; None: the recording ends there."""

    at_s: float
    frame: rtc.AudioFrame | None
    side: int = LEFT
    source: str = ""


class Recorder:
    """Writes `<path>.part` from a thread of its own, and renames it to `path` when closed.

    A frame belongs to the moment at which it was handed over; frames of one source that follow each other closely are
    joined without a seam. Where nobody speaks is silence, what was before the start is left out. When the worker is
    killed, the `.part` file plays up to about one second before.

    Args:
        path: the finished file, `<call id>.ogg`; its folder is made.
        started_at: the call's zero.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, started_at: datetime, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._zero = started_at.timestamp()
        self._clock = clock
        self._arrived: queue.SimpleQueue[_Arrived] = queue.SimpleQueue()
        self._complete = False
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def part(self) -> Path:
        """The file while the call runs."""
        return self._path.with_name(f"{self._path.name}.part")

    def people(self, frame: rtc.AudioFrame, identity: str) -> None:
        """A frame of a participant's microphone, just heard."""
        self._put(LEFT, identity, frame)

    def agent(self, frame: rtc.AudioFrame) -> None:
        """A frame of the agent's voice, just played."""
        self._put(RIGHT, "agent", frame)

    async def close(self) -> Path | None:
        """Write what is left, up to this moment; the finished file, or None if it could not be written."""
        self._arrived.put(_Arrived(self._now(), None))
        await asyncio.to_thread(self._thread.join)
        return self._path if self._complete else None

    def _now(self) -> float:
        return self._clock() - self._zero

    def _put(self, side: int, source: str, frame: rtc.AudioFrame) -> None:
        if self._thread.is_alive():
            self._arrived.put(_Arrived(self._now(), frame, side, source))

    def _run(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _OggOpus(self.part) as file:
                self._record(file)
            self.part.rename(self._path)
            self._complete = True
        except (OSError, av.FFmpegError):
            logger.exception("the recording could not be written")

    def _record(self, file: "_OggOpus") -> None:
        mix = _Mix()
        sources: dict[tuple[int, str], _Source] = {}
        while True:
            try:
                arrived = self._arrived.get(timeout=TICK_S)
            except queue.Empty:
                file.write(mix.take(self._now() - HOLD_S))
                continue
            if arrived.frame is None:
                file.write(mix.take(arrived.at_s))
                return
            source = sources.setdefault((arrived.side, arrived.source), _Source())
            mix.add(arrived.side, *source.place(arrived.at_s, arrived.frame))
            file.write(mix.take(arrived.at_s - HOLD_S))


class _Source:
    """One microphone: resamples its frames and says at which sample of the call each belongs."""

    def __init__(self) -> None:
        self._next = 0
        self._resampler: av.AudioResampler | None = None
        self._late: deque[int] = deque(maxlen=DRIFT_FRAMES)

    def place(self, ended_s: float, frame: rtc.AudioFrame) -> tuple[int, NDArray[np.int16]]:
        """Where a frame that came at `ended_s` begins, in samples of the call, and the frame at 48 kHz."""
        late = round((ended_s - frame.duration) * RATE) - self._next
        if self._resampler is None or abs(late) > JUMP_S * RATE:
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            self._late.clear()
            self._next += late
            late = 0
        samples = _resampled(self._resampler, frame)
        drift = self._drift(late)
        start = self._next + max(drift, 0)
        samples = samples[max(-drift, 0) :]
        self._next = start + len(samples)
        return start, samples

    def _drift(self, late: int) -> int:
        """By how many samples the source's clock went wrong. Frames come late, never early: the earliest tells."""
        self._late.append(late)
        earliest = min(self._late)
        if len(self._late) < DRIFT_FRAMES or abs(earliest) < DRIFT_S * RATE:
            return 0
        self._late.clear()
        return earliest


class _Mix:
    """The stretch of the call that is not yet written: two channels of samples, the first at `_start`."""

    def __init__(self) -> None:
        self._start = 0
        self._pcm: NDArray[np.int32] = np.zeros((0, 2), np.int32)

    def add(self, side: int, start: int, samples: NDArray[np.int16]) -> None:
        """Mix samples into one side; what is too early or too late to be written is left out."""
        samples = samples[max(self._start - start, 0) :]
        first = max(start - self._start, 0)
        self._reach(first + len(samples))
        self._pcm[first : first + len(samples), side] += samples

    def take(self, until_s: float) -> NDArray[np.int16]:
        """Whole blocks up to that second of the call, silence where nothing came."""
        count = max(int(until_s * RATE) - self._start, 0) // BLOCK * BLOCK
        self._reach(count)
        taken, self._pcm = self._pcm[:count], self._pcm[count:]
        self._start += count
        return np.clip(taken, -32768, 32767).astype(np.int16)

    def _reach(self, count: int) -> None:
        missing = count - len(self._pcm)
        if missing > 0:
            self._pcm = np.concatenate([self._pcm, np.zeros((missing, 2), np.int32)])


class _OggOpus:
    """A file that is playable at any moment while it is being written."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("wb", buffering=0)
        paging = {"page_duration": str(PAGE_US), "flush_packets": "1"}
        self._container = av.open(self._raw, "w", format="ogg", options=paging)
        self._stream = self._container.add_stream(
            "libopus", rate=RATE, layout="stereo", options={"b": str(BIT_RATE), "compression_level": "5"}
        )
        self._written = 0

    def write(self, pcm: NDArray[np.int16]) -> None:
        """Append whole blocks of two channels."""
        for first in range(0, len(pcm), BLOCK):
            block = pcm[first : first + BLOCK].reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
            frame.sample_rate = RATE
            frame.pts = self._written
            self._written += BLOCK
            self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._raw.close()


def _resampled(resampler: av.AudioResampler, frame: rtc.AudioFrame) -> NDArray[np.int16]:
    samples = np.frombuffer(frame.data, np.int16).reshape(1, -1)
    whole = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono" if frame.num_channels == 1 else "stereo")
    whole.sample_rate = frame.sample_rate
    parts = [part.to_ndarray()[0] for part in resampler.resample(whole)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)

"""The call's recording: OGG/Opus, people on the left and the agent on the right, on disk as it goes."""

import asyncio
import fcntl
import logging
import math
import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

import av
import numpy as np
from livekit import rtc
from numpy.typing import NDArray

from calls.recordings.pieces import BEGINNING, WRITING

logger = logging.getLogger(__name__)

RATE = 48_000
BLOCK = RATE // 50  # one Opus frame
BIT_RATE = 64_000  # enough that Opus mixes nothing of one channel into the other
PAGE_US = 200_000  # what a killed worker has not yet written
JUMP_S = 0.3  # a frame this far from the end of the one before does not follow it: there was a pause
FIT_S = 0.3  # how long the first frames of a run are looked at before it is said when the run began
HOLD_S = FIT_S + JUMP_S + 0.05  # older than this, nothing can change any more while something comes
DOUBT_S = 60.0  # so much of what may come after the call's end is kept in memory until it is known whether it does
STANDS_STILL_S = 3.0  # an event loop from which nothing comes may do so, and have something older to tell
TICK_S = 0.4
DRIFT_S = 0.02
DRIFT_FRAMES = 25
HANGS_S = 60.0  # a disk that takes nothing for so long is as good as full: what waits for it fills the memory
AGAIN_S = 3.0  # so long after a file could not be written, another one is begun

LEFT, RIGHT = 0, 1
AGENT = ""  # nobody's identity


@dataclass(frozen=True)
class _Arrived:
    """A frame that came at the second `came_s` of the call, and ended at `at_s`; None: the recording ends there."""

    came_s: float
    at_s: float
    frame: rtc.AudioFrame | None
    side: int = LEFT
    source: str = AGENT


class _DiskHangs(OSError):
    """A write that has not returned for long, or did so only now."""

    strerror = "The disk does not answer"


class Recorder:
    """Writes `<path>.part` from a thread of its own, and renames it to `path` when closed: until then it has a lock.

    When that cannot be written, as on a disk that is full or does not answer, it keeps what it has, and another file is
    begun as soon as one can be, which lacks what came meanwhile: that is not kept in memory.

    A frame of a person belongs to the moment at which it was handed over, or where many come at once to that at which
    it should have been, one of the agent to that at which it was heard; those of one source that follow each other
    closely are joined without a seam. Where nobody speaks is silence, what was before the start is left out. When the
    worker is killed, the `.part` file plays up to about one second before, or four where nothing comes.

    Args:
        path_from: the finished file that begins at a second of the call; its folder is made.
        clock: seconds of the call.
        starts_at_s: the second of the call at which the first file begins.
        on_interrupted: called, from the recorder's thread, with the reason why no file can be written any more, or yet.
        on_resumed: called, from there too, when one can be again.
        over_s: the second of the call at which it may be over, infinite while it goes on. What comes later waits until
            that is certain, and is left out if it was.
    """

    def __init__(
        self,
        path_from: Callable[[float], Path],
        clock: Callable[[], float],
        starts_at_s: float,
        on_interrupted: Callable[[str], None],
        on_resumed: Callable[[], None],
        over_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._path_from = path_from
        self._clock = clock
        self._starts_at_s = starts_at_s
        self._on_interrupted = on_interrupted
        self._on_resumed = on_resumed
        self._over_s = over_s
        self._arrived: queue.SimpleQueue[_Arrived] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._interrupted = False
        self._looked_at = time.monotonic()  # when the thread last saw what has arrived
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def people(self, frame: rtc.AudioFrame, identity: str) -> None:
        """A frame of a participant's microphone, just heard."""
        self._put(LEFT, identity, frame, self._clock())

    def agent(self, frame: rtc.AudioFrame, ended_s: float) -> None:
        """A frame of the agent's voice that was heard up to this second of the call."""
        self._put(RIGHT, AGENT, frame, ended_s)

    async def close(self) -> None:
        """Write what is left, up to this moment, or to that at which the call was over."""
        ended_s = min(self._clock(), self._over_s())
        self._arrived.put(_Arrived(ended_s, ended_s, None))
        self._closing.set()
        await asyncio.to_thread(self._thread.join)

    def _put(self, side: int, source: str, frame: rtc.AudioFrame, ended_s: float) -> None:
        if not self._thread.is_alive() or self._interrupted:
            return
        if time.monotonic() - self._looked_at > HANGS_S:
            self._interrupt(_DiskHangs())
        else:
            self._arrived.put(_Arrived(self._clock(), ended_s, frame, side, source))

    def _run(self) -> None:
        starts_at_s = self._starts_at_s
        while True:
            try:
                self._write_from(starts_at_s)
            except Exception as error:  # noqa: BLE001 - whatever it was, nobody else sees the end of this thread
                self._interrupt(error)
            if self._closing.wait(AGAIN_S):
                return
            starts_at_s = self._clock()

    def _write_from(self, starts_at_s: float) -> None:
        with _written(self._path_from(starts_at_s)) as file:
            self._resume()
            self._record(file, starts_at_s)

    def _interrupt(self, error: Exception) -> None:
        """Let nothing more come, and forget what has: there is no telling for how long nobody can write it."""
        if not self._interrupted:
            self._interrupted = True
            logger.error("the recording is interrupted", exc_info=error)
            self._on_interrupted((isinstance(error, OSError) and error.strerror) or type(error).__name__)
        while not self._arrived.empty():
            self._arrived.get()

    def _resume(self) -> None:
        self._looked_at = time.monotonic()
        if self._interrupted:
            self._interrupted = False
            logger.info("the recording goes on")
            self._on_resumed()

    def _record(self, file: "_OggOpus", starts_at_s: float) -> None:
        mix = _Mix(round(starts_at_s * RATE))
        sources: defaultdict[str, _Source] = defaultdict(_Source)
        waiting: deque[tuple[_Arrived, _Run]] = deque()
        over, told_s = False, starts_at_s
        known_s = fitted_s = starts_at_s  # until the second, more may be told of what was after the first
        while not over:
            self._closing.wait(TICK_S)  # to be woken for every frame would cost more than the frame does
            self._looked_at = time.monotonic()
            told_s = max(told_s, self._clock() - STANDS_STILL_S)
            if self._interrupted:
                raise _DiskHangs
            while not over and not self._arrived.empty():
                arrived = self._arrived.get()
                if arrived.came_s - told_s > JUMP_S:
                    known_s, fitted_s = told_s, arrived.came_s + FIT_S
                told_s, over = arrived.came_s, arrived.frame is None
                if arrived.frame is not None:
                    waiting.append((arrived, sources[arrived.source].follow(arrived.at_s, arrived.frame.duration)))
            due: dict[int, _Due] = {}  # those of one run together: each step of this costs the same for many as for one
            while waiting and (over or told_s >= max(waiting[0][0].at_s + FIT_S, waiting[0][1].fitted_s)):
                arrived, run = waiting.popleft()
                assert arrived.frame is not None
                due.setdefault(id(run), _Due(arrived.side, arrived.source, run)).frames.append(arrived.frame)
            for one in due.values():
                mix.add(one.side, *sources[one.source].render(one.run, one.frames))
            if told_s >= fitted_s:
                known_s = told_s
            certain_s = min([known_s - HOLD_S, self._over_s(), *(run.at_s for _, run in waiting)])
            file.write(mix.take(told_s if over else max(certain_s, told_s - DOUBT_S)))


@dataclass
class _Run:
    """Frames that follow each other without a pause; times in seconds of the call."""

    start_s: float
    fitted_s: float  # until then, frames may show that it began earlier
    length_s: float = 0.0
    rendered: int = 0  # samples
    late_s: deque[float] = field(default_factory=lambda: deque(maxlen=DRIFT_FRAMES))
    resampler: av.AudioResampler = field(
        default_factory=lambda: av.AudioResampler(format="s16", layout="mono", rate=RATE)
    )

    @property
    def at_s(self) -> float:
        """Where its next frame belongs."""
        return self.start_s + self.rendered / RATE


@dataclass
class _Due:
    """Frames of one run that nothing can change any more."""

    side: int
    source: str
    run: _Run
    frames: list[rtc.AudioFrame] = field(default_factory=list)


class _Source:
    """One microphone or voice: says at which sample of the call each of its frames belongs."""

    def __init__(self) -> None:
        self._run: _Run | None = None
        self._end = 0

    def follow(self, ended_s: float, duration_s: float) -> _Run:
        """The run that the frame belongs to which came at `ended_s`.

        Frames come late, in bursts, but never early: the earliest ones tell when the run began, and how far the
        source's clock has gone wrong since.
        """
        began_s = ended_s - duration_s
        run = self._run
        late_s = began_s - run.start_s - run.length_s if run else 0.0
        if run is None or abs(late_s) > JUMP_S:
            run = _Run(began_s, fitted_s=ended_s + FIT_S)
        elif ended_s < run.fitted_s:
            run.start_s += min(late_s, 0.0)
            if late_s < -duration_s / 2:  # it still catches up with what it could not tell before
                run.fitted_s = ended_s + FIT_S
        else:
            run.late_s.append(late_s)
            drift_s = min(run.late_s)
            if len(run.late_s) == DRIFT_FRAMES and abs(drift_s) > DRIFT_S:
                run = _Run(run.start_s + run.length_s + drift_s, fitted_s=ended_s)
        run.length_s += duration_s
        self._run = run
        return run

    def render(self, run: _Run, frames: list[rtc.AudioFrame]) -> tuple[int, NDArray[np.int16]]:
        """Where the run's next frames begin, in samples of the call, and the frames at 48 kHz."""
        samples = _resampled(run.resampler, frames)
        start = round(run.at_s * RATE)
        run.rendered += len(samples)
        overlap = min(max(self._end - start, 0), len(samples))
        self._end = max(start + len(samples), self._end)
        return start + overlap, samples[overlap:]


class _Mix:
    """The stretch of the call that is not yet written: two channels of samples, the first at `start`."""

    def __init__(self, start: int) -> None:
        self._start = start
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
            missing = max(missing, RATE)  # seldom, for it copies what is there
            self._pcm = np.concatenate([self._pcm, np.zeros((missing, 2), np.int32)])


class _OggOpus:
    """A file that is playable at any moment while it is being written; OSError if its beginning cannot be."""

    def __init__(self, raw: BinaryIO) -> None:
        paging = {"page_duration": str(PAGE_US), "flush_packets": "1"}
        self._container = av.open(raw, "w", format="ogg", options=paging)
        self._stream = self._container.add_stream(
            "libopus", rate=RATE, layout="stereo", options={"b": str(BIT_RATE), "compression_level": "5"}
        )
        self._container.start_encoding()
        self._written = 0

    def write(self, pcm: NDArray[np.int16]) -> None:
        """Append whole blocks of two channels."""
        if len(pcm) == 0:
            return
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = RATE
        frame.pts = self._written
        self._written += len(pcm)
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        with suppress(Exception) if kind else nullcontext():  # why it ends is known better already
            try:
                self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()


@contextmanager
def _written(path: Path) -> Iterator[_OggOpus]:
    """A new file, which has its name once it is whole, and until then that of a part.

    As long as it has its lock, nobody takes it away; it has it from the first moment on. If not even its beginning can
    be written, there is none.
    """
    part = path.with_name(f"{path.name}{WRITING}")
    unknown = path.with_name(f"{path.name}{BEGINNING}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with unknown.open("wb", buffering=0) as raw:
            fcntl.flock(raw, fcntl.LOCK_EX)
            with _OggOpus(raw) as file:
                unknown.rename(part)
                yield file
            part.rename(path)
    finally:
        unknown.unlink(missing_ok=True)


def _resampled(resampler: av.AudioResampler, frames: list[rtc.AudioFrame]) -> NDArray[np.int16]:
    first = frames[0]
    samples = np.frombuffer(b"".join(frame.data for frame in frames), np.int16).reshape(1, -1)
    whole = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono" if first.num_channels == 1 else "stereo")
    whole.sample_rate = first.sample_rate
    parts = [part.to_ndarray()[0] for part in resampler.resample(whole)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)

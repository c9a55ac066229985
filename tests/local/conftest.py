"""One warm process of the local services for all tests here, and people to speak to it."""

import os
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.servers import Program, free_port

Say = Callable[[str], bytes]

MISHEARD = 0.5  # the share of words that a small model may get wrong: of mulaw it gets 0.29 wrong, else none


@pytest.fixture(scope="session")
def local_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "local", "--port", url.rsplit(":", 1)[1]]
    log = tmp_path_factory.mktemp("local") / "local.log"
    with Program(command, log=log, ready_url=f"{url}/readyz", env=dict(os.environ)):
        yield url


@pytest.fixture
async def http(local_url: str) -> AsyncIterator[ClientSession]:
    async with ClientSession(local_url) as session:
        yield session


@pytest.fixture(scope="session")
def say_as_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A wav of a text, in a voice that is not the agent's and says it the same way every time."""
    folder = tmp_path_factory.mktemp("said")

    def say(text: str) -> Path:
        path = folder / f"{abs(hash(text))}.wav"
        if not path.exists():
            subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", path], check=True)
        return path

    return say


@pytest.fixture(scope="session")
def say(say_as_file: Callable[[str], Path]) -> Say:
    """Linear16 of a text at 16 kHz, with a little silence before and enough after."""

    def linear16(text: str) -> bytes:
        with wave.open(str(say_as_file(text)), "rb") as file:
            assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
            return bytes(9_600) + file.readframes(file.getnframes()) + bytes(32_000)

    return linear16

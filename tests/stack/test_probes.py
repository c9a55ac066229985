"""What a program answers to whoever asks whether it is there."""

import asyncio
import signal
from pathlib import Path

import pytest

from stack.probes import status_of
from tests.servers import Redis, free_port
from tests.telephony.baresip import Baresip

pytestmark = pytest.mark.restless


async def test_a_phone_answers_in_sip(tmp_path: Path) -> None:
    async with Baresip("+4930111", tmp_path / "phone", f"127.0.0.1:{free_port()}") as phone:
        assert await asyncio.to_thread(status_of, f"sip://127.0.0.1:{phone.port}", 20) == 404  # asked for nobody


def test_a_redis_answers_until_it_stands_still(tmp_path: Path) -> None:
    with Redis(tmp_path) as redis:
        assert status_of(f"redis://{redis.address}", 20) == 200
        redis.send(signal.SIGSTOP)
        assert status_of(f"redis://{redis.address}", 0.1) is None
        redis.send(signal.SIGCONT)


@pytest.mark.parametrize("scheme", ["http", "redis", "sip"])
def test_nobody_gives_no_answer(scheme: str) -> None:
    assert status_of(f"{scheme}://127.0.0.1:{free_port()}", 20) is None

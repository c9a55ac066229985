"""The process: what it says about itself, and how it begins and ends."""

import os
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.servers import Program, answers, free_port, wait_until

pytestmark = pytest.mark.restless


async def test_it_says_that_it_is_alive_and_ready(http: ClientSession) -> None:
    for path in ("/healthz", "/readyz"):
        async with http.get(path) as answer:
            assert answer.status == 200


async def test_an_unknown_path_is_an_error_in_json(http: ClientSession) -> None:
    async with http.get("/v1/nothing") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["type"] == "invalid_request_error"


def _program(tmp_path: Path, port: int, **env: str) -> Program:
    command = [sys.executable, "-m", "local", "--port", str(port)]
    return Program(command, log=tmp_path / "local.log", env=os.environ | env)


def test_a_missing_model_file_is_named_at_the_start(tmp_path: Path) -> None:
    program = _program(tmp_path, free_port(), CALLROOM_LOCAL_LLM="/nowhere/model.gguf")
    program.start()
    assert program.wait() == 1
    assert "CALLROOM_LOCAL_LLM: expected a GGUF file, found none at /nowhere/model.gguf" in program.output


def test_it_is_alive_before_it_is_ready_and_stops_at_a_signal(tmp_path: Path) -> None:
    port = free_port()
    with _program(tmp_path, port) as program:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "alive")
        program.send(signal.SIGTERM)
        assert program.wait() == 0

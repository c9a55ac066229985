"""The stack of the demonstration: the same as `make up`, on ports and in a folder of its own."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from demo.steps import step
from stack.settings import ROOT, StackSettings
from stack.state import read_env
from stack.supervisor import dies_with_parent

FOLDER = ROOT / ".callroom" / "demo"
_PORTS = [name for name in StackSettings.model_fields if name.endswith("_port")]


class StackEnded(Exception):
    """The stack stopped by itself; what it printed says why."""


@asynccontextmanager
async def running_stack(
    folder: Path = FOLDER,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[dict[str, str]]:
    """The stack's `env`, while it runs, with more settings in its environment; what it prints as it starts is shown."""
    with step("Starting the stack"):
        process = await _start(folder, environment or {})
    try:
        yield read_env(folder / "env")
    finally:
        with step("Stopping everything"):
            await _stop(process)


async def _start(folder: Path, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *dies_with_parent("TERM"),
        sys.executable,
        "-m",
        "stack",
        cwd=ROOT,
        env={**os.environ, **_own_places(folder), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for us: it is told to stop when we are done
    )
    try:
        await _show_until_up(process)
    except BaseException:
        await _stop(process)
        raise
    return process


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.communicate()


def _own_places(folder: Path) -> dict[str, str]:
    numbers = free_ports(len(_PORTS))
    ports = {f"CALLROOM_{name.upper()}": str(number) for name, number in zip(_PORTS, numbers, strict=True)}
    own = {"CALLROOM_STATE_DIR": str(folder), "CALLROOM_DATABASE_URL": "", "CALLROOM_STORAGE_URL": ""}
    no_phones = {"CALLROOM_SIP_BIN": ""}
    return {**ports, **own, **no_phones, "CALLROOM_API_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1"}


def free_ports(count: int) -> list[int]:
    """So many ports of this machine that nobody uses."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]


async def _show_until_up(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        text = line.decode().rstrip()
        if text.startswith("Callroom is up"):
            return
        print(f"  {text}", flush=True)
    raise StackEnded(f"The stack ended with status {await process.wait()}")

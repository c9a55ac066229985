"""What the drills break: the real stack, with a second worker beside its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import psutil

from demo.client import Client
from demo.stack import free_ports, running_stack
from drills.model import scripted_model
from stack.settings import ROOT
from stack.supervisor import dies_with_parent

FOLDER = ROOT / ".callroom" / "drills"
SQLITE_FILE = FOLDER / "callroom.db"
READY_WITHIN_S = 180
LOOK_EVERY_S = 0.2
_WORKER = ["-m", "worker", "start"]


class Ground:
    """The running stack. A worker that was killed is started again: the stack's by its supervisor, the second by us."""

    def __init__(self, http: aiohttp.ClientSession, client: Client) -> None:
        self.client = client
        self._http = http
        self._second: asyncio.subprocess.Process | None = None
        self._second_port = free_ports(1)[0]

    async def need_two_workers(self) -> None:
        """Return when both are there to take a call."""
        first = await self._first()
        if self._second is None or self._second.returncode is not None:
            await self._start_second({**first.environ(), "CALLROOM_WORKER_PORT": str(self._second_port)})
        await self._wait_ready(self._second_port)

    async def need_one_worker(self) -> None:
        """Return when only that is there which the stack's supervisor looks after."""
        await self._first()
        await self.stop_second()

    def kill_job(self) -> None:
        """Kill the process of the one call that runs."""
        self._job().kill()

    def kill_worker(self) -> None:
        """Kill the worker that has the call, with all of its processes."""
        own = {parent.pid for parent in self._job().parents()}
        [worker] = [one for one in _workers() if one.pid in own]
        os.killpg(os.getpgid(worker.pid), signal.SIGKILL)

    async def stop_second(self) -> None:
        if self._second is not None and self._second.returncode is None:
            os.killpg(self._second.pid, signal.SIGTERM)
        if self._second is not None:
            await self._second.wait()
            self._second = None

    def _job(self) -> psutil.Process:
        """The process that holds a lease's file."""
        for worker in _workers():
            for child in worker.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if any(Path(file.path).parent.name.endswith("-lives") for file in child.open_files()):
                        return child
        raise LookupError("no agent has the call")

    async def _first(self) -> psutil.Process:
        """The stack's own worker, once it is ready."""
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                second = self._second.pid if self._second is not None else None
                for worker in _workers():
                    if worker.pid != second and await self._is_ready(int(worker.environ()["CALLROOM_WORKER_PORT"])):
                        return worker
                await asyncio.sleep(LOOK_EVERY_S)

    async def _start_second(self, environment: dict[str, str]) -> None:
        FOLDER.joinpath("logs").mkdir(parents=True, exist_ok=True)
        with (FOLDER / "logs" / "worker-2.log").open("ab") as log:
            self._second = await asyncio.create_subprocess_exec(
                *dies_with_parent("KILL"),
                sys.executable,
                *_WORKER,
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    async def _wait_ready(self, port: int) -> None:
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                if await self._is_ready(port):
                    return
                await asyncio.sleep(LOOK_EVERY_S)

    async def _is_ready(self, port: int) -> bool:
        try:
            async with self._http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                return answer.ok
        except aiohttp.ClientError:
            return False


def _workers() -> list[psutil.Process]:
    """The workers' main processes: those of their calls are forks, which look the same."""
    found = {one.pid: one for one in psutil.Process().children(recursive=True) if _command(one)[-3:] == _WORKER}
    return [one for one in found.values() if _parent(one) not in found]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return 0


@asynccontextmanager
async def ground(database_url: str) -> AsyncIterator[Ground]:
    """The stack on that database and in a folder of its own, with local speech; stopped at the end."""
    async with (
        scripted_model() as llm_url,
        running_stack(FOLDER, {"CALLROOM_LLM_URL": llm_url, "CALLROOM_DATABASE_URL": database_url}) as env,
        aiohttp.ClientSession() as http,
    ):
        made = Ground(http, Client(http, env["CALLROOM_URL"], env["CALLROOM_API_KEY"]))
        try:
            yield made
        finally:
            await made.stop_second()

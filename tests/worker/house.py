"""A pipeline and workers that share a database, each of which a test may kill."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from calls.database.engine import Database
from calls.rooms import Rooms
from calls.settings import Settings
from calls.workers import leases
from tests.conftest import PATIENCE_S
from tests.servers import Program, free_port, process
from tests.worker.conftest import Stage, Talk


@dataclass
class House:
    """What runs, and where its calls are made; a test says how many workers it needs, those before it killed some."""

    settings: Settings
    stage: Stage
    database: Database
    programs: AsyncExitStack
    workers: list[Program] = field(default_factory=list)
    pipelines: list[Program] = field(default_factory=list)

    @property
    def alive(self) -> list[Program]:
        return [worker for worker in self.workers if worker.returncode is None]

    async def need_workers(self, count: int) -> None:
        """Start as many as are missing."""
        await asyncio.gather(*(self.add_worker() for _ in range(count - len(self.alive))))

    async def add_worker(self, **changes: Any) -> Program:
        worker = await self._start("worker", worker_port=free_port(), **changes)
        self.workers.append(worker)
        return worker

    async def add_pipeline(self, **changes: Any) -> Program:
        elsewhere = {"state_dir": self.settings.state_dir / "pipeline"} if self.settings.storage_url else {}
        pipeline = await self._start("pipeline", pipeline_port=free_port(), **elsewhere, **changes)
        self.pipelines.append(pipeline)
        return pipeline

    async def _start(self, name: str, **changes: Any) -> Program:
        settings = self.settings.model_copy(update=changes)
        log = self.settings.state_dir / f"{name}-{getattr(settings, f'{name}_port')}.log"
        return await self.programs.enter_async_context(process(name, settings, log))

    async def job_of(self, call: Talk) -> psutil.Process:
        """The process that has the call: the one that holds its lease's file, or the one with its caller's ears."""
        async with self.database.reading() as connection:
            [lease] = [one for one in await leases.held_leases(connection) if one.call_id == call.id]
        job = lease.identity.removeprefix("agent-")
        for worker in self.alive:
            for child in psutil.Process(worker.pid).children(recursive=True):
                if any(path.endswith((f"{lease.life:016x}", job)) for path in open_files(child)):
                    return child
        raise LookupError("nobody has the call")

    async def worker_of(self, call: Talk) -> Program:
        """The worker whose job has the call."""
        ancestors = {parent.pid for parent in (await self.job_of(call)).parents()}
        return next(worker for worker in self.alive if worker.pid in ancestors)


def open_files(process: psutil.Process) -> list[str]:
    try:
        return [file.path for file in process.open_files()]
    except psutil.NoSuchProcess:
        return []


@asynccontextmanager
async def open_house(settings: Settings, workers: int = 2) -> AsyncIterator[House]:
    """With a pipeline and so many workers."""
    async with AsyncExitStack() as programs:
        rooms = await programs.enter_async_context(Rooms.connect(settings, PATIENCE_S))
        database = Database(settings.database, patience_s=PATIENCE_S)
        programs.push_async_callback(database.close)
        house = House(settings, Stage(settings, database, rooms), database, programs)
        await asyncio.gather(house.add_pipeline(), *(house.add_worker() for _ in range(workers)))
        yield house

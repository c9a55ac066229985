"""How many calls a worker takes of those that it is offered, and of those that it finds."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from livekit.agents import AgentServer, JobRequest
from livekit.agents.ipc.proc_pool import ProcPool
from livekit.protocol.agent import Job

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.settings import Settings
from calls.workers import seats
from calls.workers.leases import has_agent, has_agent_in
from worker.headcount import Headcount, Told

logger = logging.getLogger(__name__)

AGENT_NAME = "Agent"
AGENT_PREFIX = "agent-"  # of its name in the room; what follows is the job's id
BUSIEST = 0.69  # to a worker whose load is 0.7 or more, LiveKit offers nothing; when we are full, we know best
REFILL_S = 1.0  # after a call was taken the next process is started: until then the call's own needs the processor


class Capacity:
    """Counts ears, for that is what a call costs: one with several people weighs as many calls of one.

    One that does not keep up with two of its calls is full, however few they are: with one, that may be its own doing.
    So it leaves a call to others once: one that is offered again was taken by none of them, and waits.

    Calls that are only just being taken count too: several may be offered at the same moment. Without its database a
    worker takes none: LiveKit would give it one call after the other, which nobody else could have then.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._max = settings.worker_max_calls
        self._headcount = Headcount(settings)
        self._known: set[str] = set()
        self._answering = 0
        self._reservations: set[Reservation] = set()
        self._refill: asyncio.TimerHandle | None = None

    def load(self, server: AgentServer) -> float:
        """How busy this worker is beside others."""
        return BUSIEST * min(self._in_use(server) / self._max, 1)

    def taken(self, server: AgentServer) -> int:
        """How many calls this worker has, and is just taking, as its capacity counts them."""
        return self._in_use(server) + self._being_taken

    async def answer(self, server: AgentServer, request: JobRequest) -> None:
        """Take an offered call, or leave it to another worker."""
        asked = json.loads(request.job.metadata)
        in_use = _ears(self._told(server)) if asked.get("again") else self._in_use(server)
        if asked.get("avoid") == server.id or in_use + self._being_taken >= self._max:
            await request.reject(terminate=False)
            return
        self._answering += 1
        try:
            if await self._has_agent(request.job, asked.get("call_id")):
                await request.reject(terminate=True)  # it was found before it was offered: nobody else is to be asked
                return
            if not asked.get("again") and await self._is_for_others(server):
                await request.reject(terminate=False)
                return
            self.hold_refill(server)
            await request.accept(identity=f"{AGENT_PREFIX}{request.job.id}", name=AGENT_NAME)
        except DatabaseAway:
            logger.warning("a call is left to others: the database does not answer")
            await request.reject(terminate=False)
        finally:
            self._answering -= 1

    @contextmanager
    def reserved(self, server: AgentServer, most: int) -> Iterator["Reservation"]:
        """Seats for calls that are taken within the block: no more than `most`, and than processes wait for one."""
        # What is just being taken has no process yet.
        processes = _waiting_processes(server) - self._being_taken
        free = max(min(self._max - self.taken(server), processes, most), 0)
        reservation = Reservation(free)
        self._reservations.add(reservation)
        try:
            yield reservation
        finally:
            self._reservations.discard(reservation)

    def hold_refill(self, server: AgentServer) -> None:
        """Start no process for the next call while one begins."""
        pool = server._proc_pool  # noqa: SLF001 - it has no public name
        if self._refill is None:
            loop, idle = asyncio.get_running_loop(), pool.target_idle_processes
            pool.set_target_idle_processes(0)
            self._refill = loop.call_later(REFILL_S, self._begin_refill, pool, idle)

    def _begin_refill(self, pool: ProcPool, idle: int) -> None:
        self._refill = None
        pool.set_target_idle_processes(idle)

    async def _has_agent(self, job: Job, call_id: str | None) -> bool:
        """Whether some agent has the call, which is of a phone that calls us if it has no id yet."""
        async with self._database.reading() as connection:
            if call_id is None:
                return await has_agent_in(connection, job.room.name)
            return await has_agent(connection, call_id)

    async def _is_for_others(self, server: AgentServer) -> bool:
        """Whether another worker has a seat, and here no process waits: a fork server that was killed takes seconds.

        Should the other have none either, whichever has one first finds the call.
        """
        if _waiting_processes(server):
            return False
        async with self._database.reading() as connection:
            return await seats.free_beside(connection, server.id) > 0

    @property
    def _being_taken(self) -> int:
        return self._answering + sum(one.seats for one in self._reservations)

    def _in_use(self, server: AgentServer) -> int:
        told = self._told(server)
        ears = _ears(told)
        return max(ears, self._max) if sum(one.is_strained for one in told) > 1 else ears

    def _told(self, server: AgentServer) -> list[Told]:
        running = {active.job.id for active in server.active_jobs}
        for job_id in self._known - running:
            self._headcount.forget(job_id)  # it was killed, else it has removed its file itself
        self._known = running
        return [self._headcount.read(job_id) for job_id in running]


@dataclass(eq=False)
class Reservation:
    """So many seats are kept from what is offered; whoever needs fewer says so."""

    seats: int


def _waiting_processes(server: AgentServer) -> int:
    return server._proc_pool._warmed_proc_queue.qsize()  # noqa: SLF001 - it has no public name


def _ears(told: list[Told]) -> int:
    return sum(max(one.ears, 1) for one in told)

"""How many calls a worker takes of those that it is offered, and of those that it finds."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

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
REFILL_S = 1.0  # after calls were taken the next processes are started: until then those need the processor


class Occupancy(NamedTuple):
    """How many calls a worker has, and is just taking, as its capacity counts them; whether it does not keep up."""

    taken: int
    is_strained: bool


class Capacity:
    """Counts ears, for that is what a call costs: one with several people weighs as many calls of one.

    A worker that does not keep up with two of its calls is strained: with one, that may be the call's own doing. It
    leaves calls to the others that have seats for them. What none of them has a seat for it takes at once, for nobody
    gains by waiting; and what it is offered again, for none of them has taken it.

    Calls that are only just being taken count too, for several may be offered at the same moment; what is offered and
    has its agent does not. Without its database a worker takes none: LiveKit would give it one call after the other,
    which nobody else could have then.
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
        told = self._told(server)
        return BUSIEST * (1 if _is_strained(told) else min(_ears(told) / self._max, 1))

    def occupied(self, server: AgentServer) -> Occupancy:
        """How much of this worker is taken now."""
        told = self._told(server)
        return Occupancy(_ears(told) + self._being_taken, _is_strained(told))

    async def answer(self, server: AgentServer, request: JobRequest) -> None:
        """Take an offered call, or leave it to another worker."""
        asked = json.loads(request.job.metadata)
        try:
            if await self._has_agent(request.job, asked.get("call_id")):
                await request.reject(terminate=True)  # it was found before it was offered: nobody else is to be asked
                return
            is_left = not asked.get("again") and await self._is_for_others(server)
        except DatabaseAway:
            logger.warning("a call is left to others: the database does not answer")
            await request.reject(terminate=False)
            return
        if is_left or asked.get("avoid") == server.id or self.occupied(server).taken >= self._max:
            await request.reject(terminate=False)
            return
        self._answering += 1
        try:
            self.hold_refill(server)
            await request.accept(identity=f"{AGENT_PREFIX}{request.job.id}", name=AGENT_NAME)
        finally:
            self._answering -= 1

    @contextmanager
    def reserved(self, server: AgentServer, most: int) -> Iterator["Reservation"]:
        """Seats for calls that are taken within the block: no more than `most`, and than processes wait for one."""
        # What is just being taken has no process yet.
        processes = _waiting_processes(server) - self._being_taken
        free = max(min(self._max - self.occupied(server).taken, processes, most), 0)
        reservation = Reservation(free)
        self._reservations.add(reservation)
        try:
            yield reservation
        finally:
            self._reservations.discard(reservation)

    def hold_refill(self, server: AgentServer) -> None:
        """Start no process for the next call while one begins, or waits for its own."""
        pool = server._proc_pool  # noqa: SLF001 - it has no public name
        if self._refill is None:
            self._hold(pool, pool.target_idle_processes)
            pool.set_target_idle_processes(0)

    def _hold(self, pool: ProcPool, idle: int) -> None:
        self._refill = asyncio.get_running_loop().call_later(REFILL_S, self._begin_refill, pool, idle)

    def _begin_refill(self, pool: ProcPool, idle: int) -> None:
        if self._being_taken:
            self._hold(pool, idle)
            return
        self._refill = None
        pool.set_target_idle_processes(idle)

    async def _has_agent(self, job: Job, call_id: str | None) -> bool:
        """Whether some agent has the call, which is of a phone that calls us if it has no id yet."""
        async with self._database.reading() as connection:
            if call_id is None:
                return await has_agent_in(connection, job.room.name)
            return await has_agent(connection, call_id)

    async def _is_for_others(self, server: AgentServer) -> bool:
        """Whether what is offered for the first time is to be left to other workers. DatabaseAway as any question.

        So it is if they have seats, and this one does not keep up, or no process waits in it for a call: after its
        fork server was killed, one takes seconds. Should the others have none either, the first that has one finds the
        call.
        """
        if _waiting_processes(server) and not self.occupied(server).is_strained:
            return False
        async with self._database.reading() as connection:
            return await seats.free_beside(connection, server.id) > 0

    @property
    def _being_taken(self) -> int:
        return self._answering + sum(one.seats for one in self._reservations)

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


def _is_strained(told: list[Told]) -> bool:
    return sum(one.is_strained for one in told) > 1

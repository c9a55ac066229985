"""The worker's server: how many calls it takes, and where its job processes begin."""

import asyncio
import json
import logging
import math
from functools import partial

from livekit.agents import AgentServer, JobRequest, cli
from livekit.agents.ipc.proc_pool import ProcPool

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.settings import Settings
from worker.drain import DrainingServer
from worker.headcount import Headcount, Told
from worker.health import Health
from worker.job import answer, finish, prepare
from worker.log import configure_log
from worker.seats import Seats
from worker.turns.end_model import EndModelServer
from worker.uploads import Uploads

logger = logging.getLogger(__name__)

BUSIEST = 0.69  # to a worker whose load is 0.7 or more, LiveKit offers nothing; when we are full, we know best
IDLE = 4  # processes wait for calls: so many may begin at once without one of them waiting for a process
REFILL_S = 1.0  # after a call was taken the next process is started: until then the call's own needs the processor
END_S = 600  # what a call still has to write when it is over waits so long for the database
INITIALIZE_S = 60  # a slow machine may take its time to bring up job processes


def run() -> None:
    """Serve as the command line says, until told to stop."""
    cli.run_app(create_server(Settings()))


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
        self._being_taken = 0
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
        self._being_taken += 1
        try:
            await self._database.ping()
            self._hold_refill(server)
            await request.accept(identity=f"agent-{request.job.id}", name="Agent")
        except DatabaseAway:
            logger.warning("a call is left to others: the database does not answer")
            await request.reject(terminate=False)
        finally:
            self._being_taken -= 1

    def _hold_refill(self, server: AgentServer) -> None:
        pool = server._proc_pool  # noqa: SLF001 - it has no public name
        if self._refill is None:
            loop, idle = asyncio.get_running_loop(), pool.target_idle_processes
            pool.set_target_idle_processes(0)
            self._refill = loop.call_later(REFILL_S, self._begin_refill, pool, idle)

    def _begin_refill(self, pool: ProcPool, idle: int) -> None:
        self._refill = None
        pool.set_target_idle_processes(idle)

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


def _ears(told: list[Told]) -> int:
    return sum(max(one.ears, 1) for one in told)


def create_server(settings: Settings) -> AgentServer:
    """The server of this worker process; its jobs run in processes of their own, one for each call."""
    database = Database(settings.database, pool_size=1)  # for one question at a time: does it answer?
    capacity = Capacity(settings, database)
    seats, uploads, end_model = Seats(settings, capacity.taken), Uploads(settings), EndModelServer()
    server = DrainingServer(
        settings,
        seats,
        uploads,
        ws_url=settings.livekit_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret.get_secret_value(),
        load_fnc=capacity.load,
        load_threshold=math.inf,  # it would guess what a call weighs; `Capacity` counts
        num_idle_processes=min(IDLE, settings.worker_max_calls),
        job_memory_warn_mb=0,  # to measure it stops this process for 10 ms, for each job every 5 s
        drain_timeout=math.ceil(settings.worker_drain_s) + END_S,
        session_end_timeout=END_S,
        initialize_process_timeout=INITIALIZE_S,
        setup_fnc=partial(prepare, end_model.address),
        preload_modules=["worker.warm"],  # by a fork server that has to be started again, for it is no fork of ours
        host="127.0.0.1",
        port=0,
        log_level="WARN",  # until the server runs and the log has our own form
    )
    server.rtc_session(
        answer,
        agent_name=settings.agent_name,
        on_request=partial(capacity.answer, server),
        on_session_end=finish,
    )
    server.on("worker_started", partial(configure_log, settings))
    Health(server, settings, database)
    seats.serve(server)
    uploads.serve(server)
    end_model.serve(server)
    return server

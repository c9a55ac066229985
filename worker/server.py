"""The worker's server: what it consists of, and where its job processes begin."""

import math
from functools import partial

from livekit.agents import AgentServer, JobRequest, cli

from calls.database.engine import Database
from calls.settings import Settings
from worker.capacity import Capacity
from worker.claims import Claims
from worker.drain import DrainingServer
from worker.health import Health
from worker.job import answer, finish, prepare
from worker.log import configure_log
from worker.seats import Seats
from worker.turns.end_model import EndModelServer
from worker.uploads import Uploads

IDLE = 4  # processes wait for calls: so many may begin at once without one of them waiting for a process
END_S = 600  # what a call still has to write when it is over waits so long for the database
INITIALIZE_S = 60  # a slow machine may take its time to bring up job processes


def run() -> None:
    """Serve as the command line says, until told to stop."""
    cli.run_app(create_server(Settings()))


def create_server(settings: Settings) -> AgentServer:
    """The server of this worker process; its jobs run in processes of their own, one for each call."""
    database = Database(settings.database, pool_size=1)  # for one short question at a time
    capacity = Capacity(settings, database)
    seats, claims = Seats(settings, capacity), Claims(settings, capacity)
    uploads, end_model = Uploads(settings), EndModelServer()
    server = DrainingServer(
        settings,
        seats,
        claims,
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

    async def answer_offer(request: JobRequest) -> None:
        claims.offered(server, request)
        await capacity.answer(server, request)

    server.rtc_session(
        answer,
        agent_name=settings.agent_name,
        on_request=answer_offer,
        on_session_end=finish,
    )
    server.on("worker_started", partial(configure_log, settings))
    Health(server, settings, database)
    seats.serve(server)
    claims.serve(server)
    uploads.serve(server)
    end_model.serve(server)
    return server

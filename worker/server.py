"""The worker's server: how many calls it takes, what each job process prepares, and the job itself."""

import asyncio
import json
import logging
import math
from functools import partial
from typing import Any

import aiohttp
import sqlalchemy as sa
from livekit import rtc
from livekit.agents import AgentServer, JobContext, JobProcess, JobRequest

from calls import log
from calls.database import Database
from calls.settings import Settings
from calls.store import CallStore
from worker.call import Call
from worker.health import Health
from worker.lease import Lease
from worker.providers import Clients, Providers

logger = logging.getLogger(__name__)

BUSIEST = 0.99  # LiveKit picks workers by 1 - load and fails when that sums up to nothing
DRAIN_S = 3600
END_S = 60
INITIALIZE_S = 60  # the first job process also waits for the imports of `worker.warm`
REHEARSAL_S = 3


class Capacity:
    """Counts calls, also those that are only just being taken: several may be offered at the same moment."""

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self._being_taken = 0

    def load(self, server: AgentServer) -> float:
        """The share of the capacity that is in use."""
        return min(len(server.active_jobs) / self._max_calls, BUSIEST)

    async def answer(self, server: AgentServer, request: JobRequest) -> None:
        """Take an offered call, or leave it to another worker."""
        if len(server.active_jobs) + self._being_taken >= self._max_calls:
            await request.reject(terminate=False)
            return
        self._being_taken += 1
        try:
            await request.accept(identity=f"agent-{request.job.id}", name="Agent")
        finally:
            self._being_taken -= 1


def create_server(settings: Settings) -> AgentServer:
    """The server of this worker process; its jobs run in processes of their own, one for each call."""
    capacity = Capacity(settings.worker_max_calls)
    server = AgentServer(
        ws_url=settings.livekit_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret.get_secret_value(),
        load_fnc=capacity.load,
        load_threshold=math.inf,  # it would guess what a call weighs; `Capacity` counts
        num_idle_processes=min(2, settings.worker_max_calls),
        drain_timeout=DRAIN_S,
        session_end_timeout=END_S,
        initialize_process_timeout=INITIALIZE_S,
        setup_fnc=prepare,
        preload_modules=["worker.warm"],
        host="127.0.0.1",
        port=0,
        log_level="WARN",  # until the server runs and the log has our own form
    )
    server.rtc_session(answer, agent_name=settings.agent_name, on_request=partial(capacity.answer, server))
    server.on("worker_started", partial(_configure_log, settings))
    Health(server, settings)
    return server


def _configure_log(settings: Settings) -> None:
    log.configure(settings, "worker")
    agents = logging.getLogger("livekit.agents")
    agents.setLevel(settings.log_level)
    agents.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that speech which came over the OpenAI protocol has no request id: it never has."""
    return not str(record.msg).startswith("no request_id provided")


def prepare(process: JobProcess) -> None:
    """What a job process does before it is given a call. It is an entry point, so it reads the settings itself."""
    settings = Settings()
    _configure_log(settings)
    process.userdata["settings"] = settings
    rtc.AudioResampler(48_000, 16_000)  # the first use of LiveKit's library starts its threads
    asyncio.run(_rehearse(settings))
    process.userdata["clients"] = Clients.prepare(settings)


async def _rehearse(settings: Settings) -> None:
    """Open the database once, so that the first query of a call finds everything loaded."""
    database = Database(settings.database, pool_size=1)
    try:
        async with asyncio.timeout(REHEARSAL_S):
            await database.ping()
    except (sa.exc.SQLAlchemyError, OSError):  # a TimeoutError is an OSError
        logger.warning("the database does not answer yet")
    finally:
        await database.close()


async def answer(context: JobContext) -> None:
    """One call, from its dispatch to its end."""
    settings: Settings = context.proc.userdata["settings"]
    call_id = json.loads(context.job.metadata)["call_id"]
    log.current_call.set(call_id)
    database = Database(settings.database, pool_size=4)
    try:
        async with aiohttp.ClientSession() as http:
            providers = Providers(settings, context.proc.userdata["clients"], http)
            taken = await _take(context, settings, database, call_id)
            if taken is not None:
                await Call(context, database, providers, *taken).run()
    finally:
        await database.close()
        context.shutdown("call ended")


async def _take(
    context: JobContext,
    settings: Settings,
    database: Database,
    call_id: str,
) -> tuple[sa.Row[Any], Lease] | None:
    """The call and the right to speak in it; None if somebody else has that, or the call is over."""
    async with database.writing() as connection:
        store = CallStore(connection)
        token = await store.take_lease(call_id, context.worker_id, settings.lease_s)
        if token is None:
            logger.warning("the call is not to be had")
            return None
        return await store.get(None, call_id), Lease(database, call_id, token, settings.lease_s)

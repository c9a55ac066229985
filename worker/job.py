"""What a job process does: prepare before it is given a call, then one call from its dispatch to its end."""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

import aiohttp
from livekit import rtc
from livekit.agents import Agent, AgentSession, AutoSubscribe, JobContext, JobProcess, utils

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.log import lines as log
from calls.settings import Settings
from worker import native_log
from worker.call import Call
from worker.inbound import take_in
from worker.log import configure_log
from worker.plugins import UnusableProvider
from worker.providers import Clients, Providers
from worker.refusal import refuse
from worker.room.lease import Taken, adopt, take
from worker.room.persistence import Persistence

logger = logging.getLogger(__name__)

REHEARSAL_S = 3


def prepare(end_model: str, process: JobProcess) -> None:
    """What a job process does before it is given a call. It is an entry point, so it reads the settings itself.

    Args:
        end_model: the address of the end-of-turn model.
        process: LiveKit's, of one job.
    """
    settings = Settings()
    configure_log(settings)
    process.userdata["settings"] = settings
    process.userdata["end_model"] = end_model
    native_log.leave_alone()
    rtc.AudioResampler(48_000, 16_000)  # the first use of LiveKit's library starts its threads
    asyncio.run(_rehearse(settings))
    process.userdata["clients"] = Clients.prepare()


async def _rehearse(settings: Settings) -> None:
    """Do once what a call begins with: a fork copies each page when it is first written to, and here nobody waits."""
    session: AgentSession[None] = AgentSession(turn_handling={"turn_detection": "manual"})
    await session.start(Agent(instructions=""), session_host=False, record=False)
    await session.aclose()
    database = Database(settings.database, pool_size=1)
    try:
        async with asyncio.timeout(REHEARSAL_S):
            await database.ping()
    except (DatabaseAway, TimeoutError):
        logger.warning("the database does not answer yet")
    finally:
        await database.close()


async def answer(context: JobContext) -> None:
    """One call, from its dispatch to its end.

    LiveKit cancels an entry point some seconds after its room is gone, when there may still be something to write: the
    call goes on for itself, and `finish` waits for it.
    """
    call = asyncio.create_task(_answer(context), name="call")
    context.proc.userdata["call"] = call
    await asyncio.shield(call)


async def finish(context: JobContext) -> None:
    """Wait until everything of the call is written."""
    call: asyncio.Task[None] | None = context.proc.userdata.get("call")
    if call is not None:
        await asyncio.wait({call})


async def _answer(context: JobContext) -> None:
    settings: Settings = context.proc.userdata["settings"]
    database = Database(settings.database, pool_size=1)
    away_s: list[float] = []
    persistence = Persistence(away_s.append)
    asked = json.loads(context.job.metadata)
    entering = asyncio.create_task(_enter_ahead(context, asked), name="entering ahead")
    try:
        call_id = asked.get("call_id")
        if call_id is None:
            call_id = await take_in(context, settings, database, persistence)
        if call_id is None:
            logger.warning("nobody is to answer the phone")
            return
        log.current_call.set(call_id)
        taken = await persistence.persist(lambda: _take(context, database, call_id, asked.get("token")))
        if taken is None:
            logger.warning("the call is not to be had")
            await entering  # half of a connection could not be closed
            return
        async with aiohttp.ClientSession() as http:
            providers = Providers(settings, context.proc.userdata["clients"], http)
            try:
                call = Call(context, database, providers, taken)
            except UnusableProvider as problem:
                await refuse(settings, database, persistence, taken, problem)
                return
            for seconds in away_s:
                call.note_outage(seconds)
            await call.run()
    finally:
        await utils.aio.cancel_and_wait(entering)
        await database.close()
        context.shutdown("call ended")


async def _take(context: JobContext, database: Database, call_id: str, token: int | None) -> Taken | None:
    ttl_s = context.proc.userdata["settings"].lease_s
    if token is not None:
        return await adopt(database, call_id, token, ttl_s)
    return await take(database, call_id, context.worker_id, context.token_claims().identity, ttl_s)


async def _enter_ahead(context: JobContext, asked: dict[str, Any]) -> None:
    """Be in the room while the call is still being read, if its lease was taken before: nobody else enters without one.

    Nobody is heard, and nothing is said, before it is known that the lease is still ours. What fails here the call
    tries again.
    """
    if "token" in asked:
        with suppress(rtc.ConnectError):
            await context.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)

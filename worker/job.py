"""What a job process does: prepare before it is given a call, then one call from its dispatch to its end."""

import asyncio
import json
import logging
from typing import Any

import aiohttp
import sqlalchemy as sa
from livekit import rtc
from livekit.agents import JobContext, JobProcess

from calls import log
from calls.database import Database
from calls.settings import Settings
from calls.store import CallStore
from worker.call import Call
from worker.room.lease import Lease
from worker.providers import Clients, Providers
from worker.server import configure_log

logger = logging.getLogger(__name__)

REHEARSAL_S = 3


def prepare(process: JobProcess) -> None:
    """What a job process does before it is given a call. It is an entry point, so it reads the settings itself."""
    settings = Settings()
    configure_log(settings)
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

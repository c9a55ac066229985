"""Whether this process is alive, and whether it can serve."""

import asyncio

from aiohttp import web

from api.routing import DATABASE, ROOMS, reply
from api.schema.health import Alive
from calls.errors import Unavailable
from calls.health import CHECK_TIMEOUT_S


async def alive(_request: web.Request) -> web.Response:
    return reply(Alive())


async def ready(request: web.Request) -> web.Response:
    """The database and LiveKit answer, else 503 that says which does not."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await request.app[DATABASE].ping()
            await request.app[ROOMS].ping()
    except TimeoutError as error:
        message = "LiveKit does not answer"
        raise Unavailable(message, code="livekit_unavailable") from error
    return reply(Alive())

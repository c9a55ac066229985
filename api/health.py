"""Whether this process is alive, and whether it can serve."""

from aiohttp import web

from api.routing import DATABASE, ROOMS, reply
from api.schema.health import Alive


async def alive(_request: web.Request) -> web.Response:
    return reply(Alive())


async def ready(request: web.Request) -> web.Response:
    """The database and LiveKit answer, else 503 that says which does not."""
    await request.app[DATABASE].ping()
    await request.app[ROOMS].ping()
    return reply(Alive())

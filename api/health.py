"""Whether this process is alive, and whether it can serve."""

from aiohttp import web

from api.routing import DATABASE, ROOMS, reply
from api.schema.health import Alive
from calls.errors import Unavailable


async def alive(_request: web.Request) -> web.Response:
    return reply(Alive())


async def ready(request: web.Request) -> web.Response:
    """The database and LiveKit answer, else 503 that says which does not."""
    try:
        await request.app[DATABASE].ping()
    except Exception as error:
        raise Unavailable("The database does not answer.", code="database_unavailable") from error
    await request.app[ROOMS].list_rooms(["nobody"])
    return reply(Alive())

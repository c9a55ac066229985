"""Whether this process is alive, and whether it can serve."""

import asyncio
from contextlib import suppress

from aiohttp import web

from api.client_address import is_local
from api.provider_health import PROVIDER_HEALTH
from api.routing import DATABASE, ROOMS, Who, authenticate, reply
from api.schema.health import Alive, Ready
from calls.errors import Forbidden, Unauthorized, Unavailable
from calls.health import CHECK_TIMEOUT_S


async def alive(_request: web.Request) -> web.Response:
    return reply(Alive())


async def ready(request: web.Request) -> web.Response:
    """The database and LiveKit answer, else 503 that says which does not.

    A provider that does not work is in the body: to put the process out of use, or start it again, would not help. Who
    they are is the operator's business, and nobody's who only reaches the port.
    """
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await request.app[DATABASE].ping()
            await request.app[ROOMS].ping()
    except TimeoutError as error:
        raise Unavailable("LiveKit does not answer; try again.", code="livekit_unavailable") from error
    providers = request.app[PROVIDER_HEALTH].own()
    works = all(health.works for named in providers.values() for health in named.values())
    may_know = is_local(request) or await _has_secret_key(request)
    return reply(Ready(status="ok" if works else "degraded", providers=providers if may_know else None))


async def _has_secret_key(request: web.Request) -> bool:
    with suppress(Unauthorized, Forbidden):
        await authenticate(request, Who.SECRET)
        return True
    return False

"""Whether this process is alive, and whether it can serve."""

import asyncio
from contextlib import suppress
from typing import Literal

from aiohttp import web

from api.client_address import is_local
from api.provider_health import PROVIDER_HEALTH
from api.routing import DATABASE, ROOMS, Who, authenticate, reply
from api.schema.health import Alive, Installation, Process, Ready, WorkerLoad
from calls import processes
from calls.errors import Forbidden, Unauthorized, Unavailable
from calls.health import CHECK_TIMEOUT_S
from calls.version import VERSION
from calls.workers import seats

NEEDED: tuple[Literal["worker", "pipeline"], ...] = ("worker", "pipeline")


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


async def installation(request: web.Request) -> web.Response:
    """How everything is that calls need, for whoever has a secret key."""
    async with request.app[DATABASE].reading() as conn:
        living, loads = await processes.list_living(conn), await seats.list_living(conn)
    answers = await _livekit_answers(request)
    providers = request.app[PROVIDER_HEALTH].own()
    kinds = {row.kind for row in living}
    missing = [kind for kind in NEEDED if kind not in kinds]
    works = answers and not missing and all(health.works for named in providers.values() for health in named.values())
    return reply(
        Installation(
            status="ok" if works else "degraded",
            version=VERSION,
            missing=missing,
            livekit=answers,
            processes=[Process(**{name: getattr(row, name) for name in Process.model_fields}) for row in living],
            workers=[WorkerLoad(**row._asdict()) for row in loads],
            providers=providers,
        )
    )


async def _livekit_answers(request: web.Request) -> bool:
    with suppress(Unavailable):
        await request.app[ROOMS].ping()
        return True
    return False


async def _has_secret_key(request: web.Request) -> bool:
    with suppress(Unauthorized, Forbidden):
        await authenticate(request, Who.SECRET)
        return True
    return False

"""`/healthz`: the process is alive. `/readyz`: it can work; database and LiveKit answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from aiohttp import web

from calls.errors import Unavailable
from pipeline.deps import Deps

CHECK_TIMEOUT_S = 3
NO_ROOM = "nobody"  # asking for one room that is not there costs LiveKit nothing


@asynccontextmanager
async def serve_health(deps: Deps) -> AsyncIterator[None]:
    """Answer on `pipeline_host` and `pipeline_port` for the length of the block."""

    async def ready(_request: web.Request) -> web.Response:
        database, livekit = await asyncio.gather(
            _answers(deps.db.ping()),
            _answers(deps.rooms.list_rooms([NO_ROOM])),
        )
        is_ready = database and livekit
        body = {"status": "ready" if is_ready else "not_ready", "database": database, "livekit": livekit}
        return web.json_response(body, status=200 if is_ready else 503)

    app = web.Application()
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, deps.settings.pipeline_host, deps.settings.pipeline_port).start()
        yield
    finally:
        await runner.cleanup()


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _answers(question: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await question
    except (Unavailable, TimeoutError):
        return False
    return True

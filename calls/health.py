"""`/healthz`: the process is alive. `/readyz`: it can work, for all that it needs answers. `/metrics`: its figures."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web  # noqa: TID251 - the one thing that this floor serves, for all who stand on it

from calls.errors import Unavailable

CHECK_TIMEOUT_S = 3

Check = Callable[[], Awaitable[None]]


@asynccontextmanager
async def serve_health(
    host: str, port: int, checks: Mapping[str, Check], metrics: Callable[[], bytes] | None = None
) -> AsyncIterator[None]:
    """Answer on `host` and `port` for the length of the block.

    `checks` is what the process needs, by the name under which `/readyz` tells of it: each raises Unavailable if that
    is not there, and has failed when it takes longer than three seconds. `metrics` gives the figures of a process that
    has some, in Prometheus' text format.
    """

    async def ready(_request: web.Request) -> web.Response:
        passed = await asyncio.gather(*(_passes(check) for check in checks.values()))
        status = "ready" if all(passed) else "not_ready"
        body = {"status": status, **dict(zip(checks, passed, strict=True))}
        return web.json_response(body, status=200 if all(passed) else 503)

    app = web.Application()
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", ready)
    if metrics is not None:
        app.router.add_get("/metrics", partial(_figures, metrics))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _figures(metrics: Callable[[], bytes], _request: web.Request) -> web.Response:
    return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except (Unavailable, TimeoutError):
        return False
    return True

"""`/healthz`: the worker process is alive. `/readyz`: it can take calls; database and LiveKit answer."""

import asyncio
from collections.abc import Awaitable

from aiohttp import web
from livekit.agents import AgentServer

from calls.database import Database
from calls.errors import Unavailable
from calls.rooms import Rooms
from calls.settings import Settings

CHECK_TIMEOUT_S = 3
NO_ROOM = "nobody"  # asking for one room that is not there costs LiveKit nothing


class Health:
    """A small HTTP server beside the agent server, on `worker_host` and `worker_port`."""

    def __init__(self, server: AgentServer, settings: Settings) -> None:
        self._settings = settings
        self._registered = False
        self._serving: asyncio.Task[None] | None = None
        self._server = server
        server.on("worker_started", self._start)
        server.on("worker_registered", self._register)

    def _start(self) -> None:
        self._serving = asyncio.get_running_loop().create_task(self._serve(), name="health")

    def _register(self, *_about: object) -> None:
        self._registered = True

    async def _serve(self) -> None:
        database = Database(self._settings.database, pool_size=1)
        async with Rooms.connect(self._settings) as rooms:

            async def ready(_request: web.Request) -> web.Response:
                database_answers, livekit_answers = await asyncio.gather(
                    _answers(database.ping()),
                    _answers(rooms.list_rooms([NO_ROOM])),
                )
                registered = self._registered and not self._server.draining
                checks = {"registered": registered, "database": database_answers, "livekit": livekit_answers}
                if all(checks.values()):
                    return web.json_response({"status": "ready", **checks})
                return web.json_response({"status": "not_ready", **checks}, status=503)

            app = web.Application()
            app.router.add_get("/healthz", _alive)
            app.router.add_get("/readyz", ready)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            try:
                await web.TCPSite(runner, self._settings.worker_host, self._settings.worker_port).start()
                await asyncio.Event().wait()
            finally:
                await runner.cleanup()
                await database.close()


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _answers(question: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await question
    except (Unavailable, TimeoutError):
        return False
    return True

"""`/healthz`: the worker process is alive. `/readyz`: it can take calls; database and LiveKit answer."""

import asyncio

import sqlalchemy as sa
from aiohttp import web
from livekit.agents import AgentServer

from calls.database import Database
from calls.errors import Unavailable
from calls.rooms import Rooms
from calls.settings import Settings

CHECK_TIMEOUT_S = 3


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
        app = web.Application()
        app.router.add_get("/healthz", _alive)
        app.router.add_get("/readyz", self._ready)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._settings.worker_host, self._settings.worker_port).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _ready(self, _request: web.Request) -> web.Response:
        checks = {
            "registered": self._registered and not self._server.draining,
            "database": await self._database_answers(),
            "livekit": await self._livekit_answers(),
        }
        if all(checks.values()):
            return web.json_response({"status": "ready", **checks})
        return web.json_response({"status": "not_ready", **checks}, status=503)

    async def _database_answers(self) -> bool:
        database = Database(self._settings.database, pool_size=1)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await database.ping()
        except (sa.exc.SQLAlchemyError, OSError):
            return False
        finally:
            await database.close()
        return True

    async def _livekit_answers(self) -> bool:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S), Rooms.connect(self._settings) as rooms:
                await rooms.list_rooms()
        except (Unavailable, TimeoutError):
            return False
        return True


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})

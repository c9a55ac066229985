"""Whether the worker lives and can take calls: told to the database, and over HTTP on `worker_host`, `worker_port`."""

import asyncio

from livekit.agents import AgentServer

from calls.database.engine import Database
from calls.errors import Unavailable
from calls.health import serve_health
from calls.processes import present
from calls.rooms import Rooms
from calls.settings import Settings


class Health:
    """Serves from the start of the agent server to its end, when it closes the database."""

    def __init__(self, server: AgentServer, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
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
        settings = self._settings
        try:
            # Also while it has not reached LiveKit yet, and while it waits for its last calls.
            async with present(self._database, "worker"), Rooms.connect(settings) as rooms:
                checks = {"registered": self._is_registered, "database": self._database.ping, "livekit": rooms.ping}
                async with serve_health(settings.worker_host, settings.worker_port, checks):
                    await asyncio.Event().wait()
        finally:
            await self._database.close()

    async def _is_registered(self) -> None:
        if not self._registered or self._server.draining:
            message = "LiveKit offers this worker no calls"
            raise Unavailable(message)

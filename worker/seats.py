"""What this worker could take, told to the database, so that batches go on as fast as there are seats."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from livekit.agents import AgentServer

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.settings import Settings
from calls.workers import seats

logger = logging.getLogger(__name__)

LOOK_S = 0.25  # so soon others know of a change
SIGN_S = 2.0  # so often they hear from a worker of which nothing changes


class Seats:
    """Tells from the moment when LiveKit offers the worker calls until it is told to stop.

    Args:
        taken: how many calls a server has.
    """

    def __init__(self, settings: Settings, taken: Callable[[AgentServer], int]) -> None:
        self._seats = settings.worker_max_calls
        self._database = Database(settings.database, pool_size=1)
        self._taken = taken
        self._stopping = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        self._told: tuple[str, int] | None = None

    def serve(self, server: AgentServer) -> None:
        """Tell of this server, once it is known to LiveKit."""
        server.on("worker_registered", lambda *_about: self._begin(server))

    async def stop(self) -> None:
        """This worker takes no calls any more."""
        self._stopping.set()
        if self._telling is not None:
            await self._telling

    def _begin(self, server: AgentServer) -> None:
        if self._telling is None and not self._stopping.is_set():
            self._telling = asyncio.get_running_loop().create_task(self._tell(server), name="seats")

    async def _tell(self, server: AgentServer) -> None:
        clock = asyncio.get_running_loop().time
        told_at = clock()
        try:
            while not self._stopping.is_set():
                now = (server.id, self._taken(server))  # to a worker that comes back, LiveKit gives another id
                if now != self._told or clock() - told_at >= SIGN_S:
                    told_at = clock()
                    await self._write(now)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._stopping.wait()
            await self._write(None)
        finally:
            await self._database.close()

    async def _write(self, now: tuple[str, int] | None) -> None:
        try:
            async with self._database.writing() as connection:
                if self._told is not None and (now is None or now[0] != self._told[0]):
                    await seats.forget(connection, self._told[0])
                if now is not None:
                    await seats.tell(connection, now[0], self._seats, now[1])
            self._told = now
        except DatabaseAway:  # then nobody reads it either, and the next sign comes
            pass
        except Exception:  # whatever it was, the next sign comes
            logger.exception("the seats could not be told")
            self._told = now

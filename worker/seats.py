"""What this worker could take, told to the database, so that batches go on as fast as there are seats."""

import asyncio
import logging
from contextlib import suppress

from livekit.agents import AgentServer

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.settings import Settings
from calls.workers import seats
from worker.capacity import Capacity, Occupancy

logger = logging.getLogger(__name__)

LOOK_S = 0.25  # so soon others know of a change
SIGN_S = 2.0  # so often they hear from a worker of which nothing changes
CALM_S = 10.0  # who has kept up for so long does so again, as far as the log is concerned


class Seats:
    """Tells from the moment when LiveKit offers the worker calls until it is told to stop."""

    def __init__(self, settings: Settings, capacity: Capacity) -> None:
        self._seats = settings.worker_max_calls
        self._database = Database(settings.database, pool_size=1)
        self._capacity = capacity
        self._stopping = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        self._told: tuple[str, Occupancy] | None = None
        self._strained_at: float | None = None  # for the last time, of what the log has not called over

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
                # To a worker that comes back, LiveKit gives another id.
                now = (server.id, self._capacity.occupied(server))
                self._log_strain(now[1], clock())
                if now != self._told or clock() - told_at >= SIGN_S:
                    told_at = clock()
                    await self._write(now)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._stopping.wait()
            await self._write(None)
        finally:
            await self._database.close()

    def _log_strain(self, now: Occupancy, at: float) -> None:
        if now.is_strained:
            if self._strained_at is None:
                logger.warning("the worker does not keep up with its calls", extra={"calls": now.taken})
            self._strained_at = at
        elif self._strained_at is not None and at - self._strained_at >= CALM_S:
            self._strained_at = None
            logger.warning("the worker keeps up with its calls again", extra={"calls": now.taken})

    async def _write(self, now: tuple[str, Occupancy] | None) -> None:
        try:
            async with self._database.writing() as connection:
                if self._told is not None and (now is None or now[0] != self._told[0]):
                    await seats.forget(connection, self._told[0])
                if now is not None:
                    taken, is_strained = now[1]
                    await seats.tell(connection, now[0], self._seats, taken, is_strained=is_strained)
            self._told = now
        except DatabaseAway:  # then nobody reads it either, and the next sign comes
            pass
        except Exception:  # whatever it was, the next sign comes
            logger.exception("the seats could not be told")
            self._told = now

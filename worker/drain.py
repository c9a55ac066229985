"""A worker that is told to stop: its calls may go on for a while, then it ends them itself."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from livekit.agents import AgentServer, utils
from typing_extensions import override

from calls.database.engine import Database
from calls.errors import DatabaseAway, Unavailable
from calls.rooms import Rooms
from calls.settings import Settings
from calls.states import EndReason
from calls.store import CallStore
from calls.workers import leases
from worker.claims import Claims
from worker.room.presence import SHUT_DOWN
from worker.seats import Seats
from worker.uploads import Uploads

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 0.2
TELL_AGAIN_S = 0.5
CHANCE_S = 3.0  # within which an agent has told a database that is back what became of its call


class DrainingServer(AgentServer):
    """An AgentServer that waits for its calls as long as `settings.worker_drain_s` says; then it ends them."""

    def __init__(
        self,
        settings: Settings,
        seats: Seats,
        claims: Claims,
        uploads: Uploads,
        **options: Any,  # noqa: ANN401 - those of AgentServer
    ) -> None:
        super().__init__(**options)
        self._callroom_settings = settings
        self._callroom_seats = seats
        self._callroom_claims = claims
        self._callroom_uploads = uploads

    @override
    async def drain(self, *arguments: Any, **options: Any) -> None:
        ending = asyncio.create_task(self._end_calls(), name="drain")
        try:
            await self._take_no_more()
            await super().drain(*arguments, **options)
        finally:
            await utils.aio.cancel_and_wait(ending)
            await self._callroom_uploads.stop()

    async def _take_no_more(self) -> None:
        """Whatever goes wrong in it costs no call."""
        for stop in (self._callroom_claims.stop, self._callroom_seats.stop):
            try:
                await stop()
            except Exception:
                logger.exception("the worker did not stop to take calls as it should")

    async def _end_calls(self) -> None:
        """End them until cancelled: a call that is just being taken shows only later."""
        settings = self._callroom_settings
        await asyncio.sleep(settings.worker_drain_s)
        async with Rooms.connect(settings) as rooms, asyncio.TaskGroup() as ways:
            ways.create_task(self._tell_agents(rooms))
            ways.create_task(self._end_in_database(rooms))

    async def _tell_agents(self, rooms: Rooms) -> None:
        """Have the agents end their calls themselves, which they can do also while the database is away."""
        while True:  # one that is on its way into its room hears it only there
            for active in self.active_jobs:
                with suppress(Unavailable):
                    await rooms.tell_participant(active.job.room.name, active.accept_arguments.identity, SHUT_DOWN)
            await asyncio.sleep(TELL_AGAIN_S)

    async def _end_in_database(self, rooms: Rooms) -> None:
        """End also the calls of agents that hear nothing.

        Those who hear know when their calls were over, and why: a database that is back is theirs first.
        """
        database = Database(self._callroom_settings.database, pool_size=1)
        clock = asyncio.get_running_loop().time
        writable_since = clock()
        try:
            while True:
                had_chance = clock() - writable_since >= CHANCE_S
                try:
                    ended = await _end_all(database, self.id, had_chance=had_chance)
                except DatabaseAway:
                    writable_since = clock()
                else:
                    for room_name in ended:
                        await _close(rooms, room_name)
                await asyncio.sleep(LOOK_AGAIN_S)
        finally:
            await database.close()


async def _close(rooms: Rooms, name: str) -> None:
    try:
        await rooms.delete_room(name)
    except Unavailable:
        logger.warning("LiveKit does not answer: the room of a call that was ended is left to the pipeline")


async def _end_all(database: Database, worker_id: str, *, had_chance: bool) -> list[str]:
    """End the calls that agents of this worker have, as the API does; their rooms, where the agents see that.

    Until the agents had a chance to do so themselves, it only finds out whether the database takes writes.
    """
    async with database.writing() as connection:
        store = CallStore(connection)
        held = await leases.held_by(connection, worker_id)
        due = held if had_chance else []
        ended = [call_id for call_id in due if await store.finish(call_id, EndReason.SHUT_DOWN)]
        return [str((await store.get(None, call_id)).room_name) for call_id in ended]

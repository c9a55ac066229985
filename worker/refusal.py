"""A call whose agent cannot be made: it ends at once and says why, for with another worker it would be the same."""

import logging
from contextlib import suppress

from calls.database.engine import Database
from calls.errors import Unavailable
from calls.events import EventKind
from calls.rooms import Rooms
from calls.settings import Settings
from calls.states import EndReason
from calls.store import CallStore
from calls.workers import leases
from calls.workers.leases import Standing
from worker.plugins import UnusableProvider
from worker.room.lease import Taken
from worker.room.persistence import Persistence

logger = logging.getLogger(__name__)

ONLY_CHANGE = 1  # the number of what this agent changes


async def refuse(
    settings: Settings, database: Database, persistence: Persistence, taken: Taken, problem: UnusableProvider
) -> None:
    """End the call with an event that names the provider, unless it is another agent's by now."""
    call_id = taken.row.id

    async def write() -> bool:
        """Whether it is our call's end."""
        async with database.writing() as connection:
            standing = await leases.stand(connection, call_id, taken.lease.token, ONLY_CHANGE)
            if standing is not Standing.CURRENT:
                return standing is Standing.WRITTEN
            store = CallStore(connection)
            await store.add_event(
                call_id,
                EventKind.PROVIDER_FAILED,
                "lifecycle",
                "A provider cannot be used",
                level="error",
                data={"provider": problem.kind, "name": problem.name, "error": problem.why},
            )
            await store.finish(call_id, EndReason.PROVIDER_FAILED)
            return True

    logger.error("a provider cannot be used", extra={"provider": problem.name, "kind": problem.kind})
    if await persistence.persist(write):
        with suppress(Unavailable):
            async with Rooms.connect(settings) as rooms:
                await rooms.delete_room(taken.row.room_name)
    await taken.lease.release(persistence)

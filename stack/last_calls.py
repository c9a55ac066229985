"""`python -m stack.last_calls`, when the stack stops: calls without an agent end, as its worker has ended its own.

Only who stops the whole stack knows that no other worker comes for them.
"""

import asyncio
import logging

import sqlalchemy as sa

from calls.database.engine import Database
from calls.errors import Unavailable
from calls.rooms import Rooms
from calls.settings import Settings
from calls.states import CallStatus, EndReason
from calls.store import CallStore
from calls.tables import calls, leases
from calls.workers.leases import life_key
from calls.workers.life import living

log = logging.getLogger(__name__)

# In the words of the partial index. What has no room yet is not lost with the stack.
_OPEN = (sa.text("calls.status NOT IN ('completed', 'failed')"), calls.c.dispatches > 0)
_CALLS = sa.select(
    *(calls.c[name] for name in ("id", "room_name", "status")),
    *(leases.c[name] for name in ("token", "held", "renewed_at")),
).select_from(calls.outerjoin(leases, leases.c.call_id == calls.c.id))


async def end(database: Database) -> list[str]:
    """End them as `shut_down`; their rooms, which are to be closed.

    An agent whose process lives has its call: it is that of a worker on another machine.
    """
    async with database.writing() as conn:
        found = (await conn.execute(_CALLS.where(*_OPEN))).all()
        alive = await living(conn, {life_key(row.id, row.token) for row in found if row.held})
        ended = []
        for row in found:
            if row.held and life_key(row.id, row.token) in alive:
                continue
            # A conversation was over when its agent gave the last sign of life.
            over_at = row.renewed_at if row.status == CallStatus.IN_PROGRESS else None
            if await CallStore(conn, over_at).finish(row.id, EndReason.SHUT_DOWN):
                ended.append(row.room_name)
    return ended


async def _main() -> None:
    settings = Settings()
    database = Database(settings.database, pool_size=1)
    try:
        async with Rooms.connect(settings) as rooms:
            for name in await end(database):
                try:
                    await rooms.delete_room(name)
                except Unavailable:
                    log.warning("the room of a call that was ended could not be closed")
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(_main())

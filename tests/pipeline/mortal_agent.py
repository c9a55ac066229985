"""An agent's process as far as the database goes, `mortal_agent CALL`: a life is a call to a phone, from its lease on.

It writes what an agent writes that sees the phone ring, be picked up and hang up.
"""

import asyncio
import sys
from contextlib import suppress

import sqlalchemy as sa

from calls.database.engine import Database
from calls.settings import Settings
from calls.states import EndReason, ParticipantStatus
from calls.tables import participants
from tests.pipeline.mortal import MortalDatabase, Steps, serve
from worker.room.journal import Journal
from worker.room.lease import take
from worker.room.persistence import Persistence

LOOK_S = 0.05
WORKER = "worker-1"


async def live(call_id: str, steps: Steps) -> None:
    settings, persistence = Settings(), Persistence(lambda _seconds: None)
    db = MortalDatabase(settings.database, steps)
    taken = await take(db, call_id, WORKER, "agent-1", settings.lease_s)
    if taken is not None:  # else it is over
        journal = Journal(db, call_id, taken.lease.token, taken.clock, persistence)
        writing = asyncio.create_task(journal.run())
        journal.put(lambda store: store.agent_joined(call_id, taken.lease.token))
        status, phone = await _called(db, call_id)
        if status != ParticipantStatus.LEFT:
            journal.put(lambda store: store.ringing(call_id, phone))
            journal.put(lambda store: store.participant_joined(call_id, phone))
            journal.put(lambda store: store.start(call_id))
            journal.put(lambda store: store.participant_left(call_id, phone))
        journal.put(lambda store: store.finish(call_id, EndReason.CALLER_HUNG_UP))
        await journal.settle()
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        await taken.lease.release(persistence)
    await db.close()


async def _called(db: Database, call_id: str) -> tuple[str, str]:
    """What the phone's status and its name in the room are, once it was called."""
    query = sa.select(participants.c.status, participants.c.room_identity).where(participants.c.call_id == call_id)
    while True:
        async with db.reading() as conn:
            status, room_identity = (await conn.execute(query)).one()
        if status != ParticipantStatus.QUEUED:
            return status, room_identity
        await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    serve(live, sys.argv[1])

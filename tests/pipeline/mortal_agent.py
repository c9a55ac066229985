"""An agent's process as far as the database goes, `mortal_agent ENDING CALL`: a life is a call to a phone.

It writes what an agent writes that sees the phone ring and be picked up, and the call end as `ENDING` says. The calls
of real agents are compared with it: `EVENTS`, `ENDS` and `CHANGES`.

The moment before a room is closed is a step too.
"""

import asyncio
import sys
from contextlib import suppress

import sqlalchemy as sa

from calls.database.engine import Database
from calls.events import EventKind
from calls.rooms import Rooms
from calls.settings import Settings
from calls.states import EndReason, ParticipantStatus
from calls.store import CallStore
from calls.tables import participants
from tests.pipeline.mortal import PATIENCE_S, MortalDatabase, Steps, serve
from worker.room.journal import Change, Journal
from worker.room.lease import take
from worker.room.persistence import Persistence

LOOK_S = 0.05
WORKER = "worker-1"

# The events of a call to one phone, up to its end, and from there on for each reason.
EVENTS = ["call.created", "agent.joined", "leg.dialing", "leg.ringing", "leg.answered", "call.started"]
ENDS = {
    EndReason.CALLER_HUNG_UP: ["leg.ended", "call.completed"],
    EndReason.AGENT_HUNG_UP: ["call.completed"],
    EndReason.TRANSFERRED: ["transfer.started", "transfer.completed", "leg.ended", "call.completed"],
}
# How many changes an agent writes until the call has started, and of one whose phone hangs up.
UNTIL_STARTED, CHANGES = 5, 8
TAKEN = 1  # the step before them


async def live(call_id: str, steps: Steps) -> None:
    settings, persistence = Settings(), Persistence(lambda _seconds: None)
    db = MortalDatabase(settings.database, steps)
    taken = await take(db, call_id, WORKER, "agent-1", settings.lease_s)
    if taken is not None:  # else it is over
        journal = Journal(db, call_id, taken.lease.token, taken.clock, persistence)
        writing = asyncio.create_task(journal.run())
        journal.put(lambda store: store.agent_joined(call_id, taken.lease.token))
        status, phone = await _called(db, call_id)
        here = {phone} if status != ParticipantStatus.LEFT else set()
        for change in _changes(call_id, phone, here):
            journal.put(change)
        await journal.settle()
        steps.take()
        async with Rooms.connect(settings, PATIENCE_S) as rooms:
            await rooms.delete_room(taken.row.room_name)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        await taken.lease.release(persistence)
    await db.close()


def _changes(call_id: str, phone: str, here: set[str]) -> list[Change]:
    """What is written once the phone was called, if it is still there, and what if it left a killed agent."""
    reason = EndReason(sys.argv[1])

    def note(kind: EventKind) -> Change:
        return lambda store: store.add_participant_event(call_id, phone, kind, "telephony", kind)

    def left(why: EndReason | None) -> Change:
        return lambda store: store.participant_left(call_id, phone, reason=why)

    async def finish(store: CallStore) -> None:
        await store.finish(call_id, reason if here else EndReason.CALLER_HUNG_UP)

    changes: list[Change] = [lambda store: store.others_left(call_id, here)]
    if here:
        changes.append(lambda store: store.ringing(call_id, phone))
        changes.append(lambda store: store.participant_joined(call_id, phone))
        changes.append(lambda store: store.start(call_id))
    if here and reason is EndReason.TRANSFERRED:
        changes += [note(EventKind.TRANSFER_STARTED), note(EventKind.TRANSFER_COMPLETED), left(reason)]
    elif here and reason is EndReason.CALLER_HUNG_UP:
        changes.append(left(None))
    if not here or reason is not EndReason.AGENT_HUNG_UP:
        changes.append(lambda store: store.awaits_phone(call_id))
    return [*changes, finish]


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
    serve(live, sys.argv[2])

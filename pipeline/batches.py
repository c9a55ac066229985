"""Job `cancel_batch`: the calls of a canceled batch that nobody was dialled for end, a few at a time."""

from contextlib import suppress

from calls.errors import Unavailable
from calls.jobs import Job
from calls.placing import batches
from calls.states import EndReason
from calls.store import CallStore
from pipeline.deps import Deps
from pipeline.fate import Done, Fate

SLICE = 20  # in one transaction: others write between two of them


async def run(job: Job, deps: Deps) -> Fate:
    """End them until none is left; no phone of the batch is dialled by now."""
    tenant_id, batch_id = str(job.tenant_id), job.payload["batch_id"]
    while True:
        async with deps.db.reading() as conn:
            some = await batches.undialled(conn, tenant_id, batch_id, SLICE)
        if not some:
            return Done()
        async with deps.db.writing() as conn:
            ended = await batches.hold_undialled(conn, some)
            for call in ended:
                await CallStore(conn).finish(call.id, EndReason.CANCELED)
        for call in ended:
            if call.admitted_at is None:  # it has no room yet
                continue
            with suppress(Unavailable):  # then the watcher closes it
                await deps.rooms.delete_room(call.room_name)

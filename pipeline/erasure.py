"""Job `erase`: removes the files of a call that was erased, and what was still written about it meanwhile."""

import logging

from calls.database.clock import moment
from calls.errors import StorageAway
from calls.jobs import Job
from calls.privacy import erasure
from calls.recordings.egress import Row
from pipeline import recorder
from pipeline.deps import Deps
from pipeline.egress import EgressAway
from pipeline.fate import Done, Fate, Wait

log = logging.getLogger(__name__)

SHORTEST_S, LONGEST_S = 1.0, 30.0  # between two looks: a model may be at work for an hour
LIVEKIT_AWAY_S = 10.0
STORAGE_AWAY_S = 60.0


async def run(job: Job, deps: Deps) -> Fate:
    """One attempt; it comes back until nobody works on the call, and the files and their last traces are gone."""
    call_id = str(job.call_id)
    async with deps.db.writing() as conn:
        call = await erasure.sweep(conn, call_id)
        at_work = await erasure.kinds_at_work(conn, call_id)
        again = Wait.by_age(job, moment(conn), SHORTEST_S, LONGEST_S)
    # The files wait only for what may still store some: other work may take an hour.
    if call.recording_erased_at is not None and not at_work & erasure.RECORDING_JOBS:
        late = await _remove_files(deps, call, again)
        if late is not None:
            return late
    if at_work:
        return again
    async with deps.db.reading() as conn:
        wipes = await erasure.is_last(conn, job.id)
    if wipes and not await deps.db.wipe():
        return again
    return Done()


async def _remove_files(deps: Deps, call: Row, again: Wait) -> Wait | None:
    """Remove all that was recorded of a call; how long it must wait for that, if it must: `again` for an egress."""
    try:
        if not await recorder.end(deps, call):
            return again
        async with deps.db.reading() as conn:
            keys = await erasure.files_to_remove(conn, call)
        for key in keys:
            await deps.storage.delete(key)
    except EgressAway as error:
        log.warning("an erasure waits for LiveKit Egress", extra={"error": str(error)})
        return Wait(LIVEKIT_AWAY_S)
    except StorageAway as error:
        log.warning("the storage did not remove a recording", extra={"error": str(error)})
        return Wait(STORAGE_AWAY_S)
    async with deps.db.writing() as conn:
        await erasure.forget_recording(conn, call)
    return None

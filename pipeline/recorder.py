"""LiveKit Egress as the recorder: the job `record`, the loop that asks for it, and what it leaves for a recording.

Webhooks tell at once that a room is open, and that an egress has ended. They get lost: so every few seconds what we
know is compared with what LiveKit has.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta

from calls.database.clock import moment
from calls.errors import DatabaseAway, StorageAway, Unavailable
from calls.events import EventKind
from calls.jobs import Job
from calls.recordings import egress, pieces
from calls.recordings.egress import EgressStatus, Row
from calls.recordings.pieces import PieceState
from calls.states import LIVE
from calls.store import CallStore
from pipeline.deps import Deps
from pipeline.egress import EgressAway, NoRoom, Refused
from pipeline.fate import Done, Fate, Retry, Wait
from pipeline.patience import Patience

log = logging.getLogger(__name__)

EVERY_S = 5.0
AGAIN_S = 2.0
STORAGE_AWAY_S = 30.0
GAP_S = 20.0  # longer than two requests to LiveKit and the pause
DEAD_LOOKS = 3  # one that has lost its connection may come back
UNKNOWN = timedelta(seconds=30)  # what LiveKit does not know so long after it was asked for will not come any more
PATIENCE = timedelta(minutes=10)  # for the upload of a long call's file
DIED = "The process of this egress has left the room without an end"
NEVER_CAME = "LiveKit knows nothing of this egress"
NO_END = "This egress did not end with its call; the process that ran it may have died"
_THERE = {PieceState.STORED, PieceState.KEPT}  # the states of what has a file of its own in the storage


async def keep_recording(deps: Deps, stop: asyncio.Event, every_s: float = EVERY_S) -> None:
    """Compare what is recorded with what is to be, every so often until `stop` is set, if Egress is the recorder."""
    patience = Patience(GAP_S)
    if deps.settings.recorder == "egress":
        await _warn_if_away(deps)
    while deps.settings.recorder == "egress" and not stop.is_set():
        try:
            await _compare(deps, patience, DEAD_LOOKS * every_s)
        except (DatabaseAway, Unavailable) as error:
            log.warning("recordings cannot be watched", extra={"error": error.code})
        except Exception:  # whatever it was, the next look comes
            log.exception("the watcher of recordings stumbled")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every_s)


async def _warn_if_away(deps: Deps) -> None:
    """Whoever chose Egress, and has none, is told before the first call."""
    try:
        await deps.egress.running()
    except EgressAway as error:
        log.warning("CALLROOM_RECORDER is egress, but no call can be recorded now", extra={"error": str(error)})


async def _compare(deps: Deps, patience: Patience, dead_s: float) -> None:
    patience.look()
    async with deps.db.reading() as conn:
        known, due = await egress.read_open(conn), await egress.find_due(conn)
    running = {egress.row_id(info): info for info in await deps.egress.running()} if known else {}
    news = [running[row.id] for row in known if row.started_at is None and row.id in running]
    missing = [(row.call_id, row.tenant_id) for row in known if row.id not in running]
    dead = await _find_dead(deps, patience, [row for row in known if row.id in running], dead_s)
    if news or missing or dead or due:
        async with deps.db.writing() as conn:
            for info in news:
                await egress.note(conn, info)
            for row in dead:
                await egress.lose(conn, row, DIED)
            for call_id, tenant_id in [*missing, *((row.id, row.tenant_id) for row in due)]:
                await egress.look_after(conn, call_id, tenant_id)


async def _find_dead(deps: Deps, patience: Patience, running: list[Row], dead_s: float) -> list[Row]:
    """Those whose process has died: LiveKit says for ever that they run, but they are no longer in their room."""
    if not running:
        return []
    there = {room.name: room.active_recording for room in await deps.rooms.list_rooms()}
    absent = [(row, there.get(row.room_name) is False) for row in running]
    return [row for row, gone in absent if patience.unchanged_s(("egress", row.id), gone) >= dead_s and gone]


async def run(job: Job, deps: Deps) -> Fate:
    """Have the call recorded, unless it is; one that is over without ever having begun leaves no file."""
    try:
        return await _record(job, deps)
    except EgressAway as error:
        log.warning("LiveKit Egress cannot be asked", extra={"error": str(error)})
        return Wait(AGAIN_S)


async def _record(job: Job, deps: Deps) -> Fate:
    call_id = str(job.call_id)
    async with deps.db.reading() as conn:
        call = await CallStore(conn).get(None, call_id)
    if call.status not in LIVE:
        never_began = call.started_at is None and call.transcript_closed_at is not None
        return await discard(deps, call) if never_began else Done()
    async with deps.db.reading() as conn:
        may_run = _may_run(await egress.read(conn, call_id))
    if may_run:
        await look(deps, call)
    async with deps.db.writing() as conn:
        asked = await egress.begin(conn, call)
        rows = await egress.read(conn, call_id)
    if asked is None:
        unknown = any(row.status == EgressStatus.ASKED for row in rows)  # its answer was lost, or is on its way
        return Wait(AGAIN_S) if unknown else Done()
    try:
        info = await deps.egress.start(call.room_name, asked.key)
    except Refused as error:
        async with deps.db.writing() as conn:
            await egress.refuse(conn, asked, str(error))
            if isinstance(error, NoRoom):
                return Done()
            if job.attempt == 1:
                message = f"LiveKit Egress does not record the call: {error}"
                data = {"error": str(error)}
                store, kind = CallStore(conn), EventKind.RECORDING_INTERRUPTED
                await store.add_event(call_id, kind, "livekit", message, level="warning", data=data)
        return Retry(f"Egress was refused: {error}")
    async with deps.db.writing() as conn:
        await egress.note(conn, info)
    return Done()


async def look(deps: Deps, call: Row) -> bool:
    """Write down what LiveKit has of the call's egresses; whether one of them is not over, or may still come.

    One that runs although it was given up is stopped.
    """
    known = {egress.row_id(info): info for info in await deps.egress.in_room(call.room_name)}
    async with deps.db.writing() as conn:
        for info in known.values():
            await egress.note(conn, info)
        rows = {row.id: row for row in await egress.read(conn, call.id)}
        missing = [row for row in rows.values() if _is_open(row) and row.id not in known]
        gone = [row for row in missing if row.egress_id or row.asked_at < moment(conn) - UNKNOWN]
        for row in gone:
            await egress.lose(conn, row, NEVER_CAME)
    running = [(rows[name], info) for name, info in known.items() if name in rows and not egress.is_over(info)]
    for row, info in running:
        if not _is_open(row):
            await deps.egress.stop(info.egress_id)
    return bool(running) or len(gone) < len(missing)


async def end(deps: Deps, call: Row) -> bool:
    """Have whatever records a call that is over end; False as long as something may still come.

    Raises:
        EgressAway: LiveKit does not say; it is asked again until the patience with the call is at its end.
    """
    async with deps.db.reading() as conn:
        may_run = _may_run(await egress.read(conn, call.id))
        given_up = call.ended_at < moment(conn) - PATIENCE
    if not may_run:
        return True
    reason = NO_END
    try:
        unfinished = await look(deps, call)
    except EgressAway as error:
        if not given_up:
            raise
        unfinished, reason = True, str(error)
    async with deps.db.reading() as conn:
        open_rows = [row for row in await egress.read(conn, call.id) if _is_open(row)]
    for row in open_rows:
        if row.egress_id is not None:
            await deps.egress.stop(row.egress_id)
    if given_up and open_rows:
        async with deps.db.writing() as conn:
            for row in open_rows:
                await egress.lose(conn, row, reason)
    return given_up or not unfinished


async def why_nothing(deps: Deps, call: Row) -> str:
    """Why nothing was recorded."""
    async with deps.db.reading() as conn:
        rows = await egress.read(conn, call.id)
    if rows:
        no_file = "LiveKit Egress left no file in the storage: it must write to where CALLROOM_STORAGE_URL points."
        return rows[-1].error or no_file
    if deps.settings.recorder == "worker":
        return "Nothing was recorded."
    return "LiveKit Egress was never asked to record this call: is CALLROOM_RECORDER the same for every process?"


async def discard(deps: Deps, call: Row) -> Fate:
    """Remove what was recorded of a call that never began, by whomever: nothing of it is to be kept."""
    if call.transcript_closed_at is None:  # its agent may still say that it began
        return Wait(AGAIN_S)
    if not await end(deps, call):
        return Wait(AGAIN_S)
    async with deps.db.reading() as conn:
        rows = await egress.read(conn, call.id)
        stored = [piece for piece, state in (await pieces.of_call(conn, call.id)).items() if state in _THERE]
    try:
        for key in [*(row.key for row in rows), *(piece.key for piece in stored)]:
            await deps.storage.delete(key)
    except StorageAway as error:
        log.warning("the storage did not remove a recording", extra={"error": str(error)})
        return Wait(STORAGE_AWAY_S)
    async with deps.db.writing() as conn:
        await egress.forget(conn, call)
        for piece in stored:
            await pieces.set_state(conn, piece, PieceState.REMOVED)
    return Done()


async def remove_late(job: Job, deps: Deps) -> Fate:
    """Remove what a lost egress has uploaded after all, of a call of whose recording nothing is to be kept."""
    async with deps.db.reading() as conn:
        call = await CallStore(conn).get(None, str(job.call_id))
        rows = await egress.read(conn, call.id)
    try:
        for row in rows:
            await deps.storage.delete(row.key)
    except StorageAway as error:
        log.warning("the storage did not remove a recording", extra={"error": str(error)})
        return Wait(STORAGE_AWAY_S)
    async with deps.db.writing() as conn:
        return Done() if await egress.forget(conn, call) else Wait(egress.LATE_EVERY.total_seconds())


def _may_run(known: list[Row]) -> bool:
    """Whether one of them may be at work, which LiveKit must be asked; what was given up may be, all the same."""
    return any(_is_open(row) or row.status == EgressStatus.LOST for row in known)


def _is_open(row: Row) -> bool:
    return row.status in {EgressStatus.ASKED, EgressStatus.RUNNING}

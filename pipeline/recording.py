"""Job `store_recording`: makes one file out of all that was recorded of a call, once it is in the storage.

Workers bring there what their agents recorded, and LiveKit Egress what it did: all of these are parts of a recording.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.analysis.post_call import RecordingFormat
from calls.database.clock import moment
from calls.errors import StorageAway
from calls.events import EventKind
from calls.jobs import Job
from calls.recordings import egress, pieces
from calls.recordings.egress import EgressFile, Row
from calls.recordings.pieces import Piece, PieceState
from calls.store import CallStore
from calls.tables import recordings
from calls.tenants import webhooks
from pipeline import recorder
from pipeline.deps import Deps
from pipeline.egress import EgressAway
from pipeline.fate import Done, Fail, Fate, Wait
from pipeline.joining import Damaged, Sound, is_playable, join
from pipeline.waveform import waveform

log = logging.getLogger(__name__)

UNHEARD_S = 30.0  # so long after a call a worker may only then tell that its agent has recorded something
ABSENT_S = 900.0  # so long what is there waits for the rest, which a worker has that is gone
NOTHING_S = 86_400.0  # and so long a recording is hoped for of which nothing is there
SHORTEST_S, LONGEST_S = 0.3, 30.0  # between two looks
OPUS_RATE = 48_000  # an Ogg Opus file counts time in samples of this rate, whatever it was made from
HEADERS = 300  # bytes; a file that is no longer was hardly begun: there is nothing in it to be looked at
LAST_PAGES = 130_000  # bytes; a page of Ogg has at most 65,307
AT_ONCE_MS = 20  # a file that begins so soon after the call is the whole of it

FULL = {errno.ENOSPC, errno.EDQUOT}
NO_SPACE = "The disk of the pipeline has no space left to make it there."

Part = Piece | EgressFile
Parts = dict[Part, PieceState]


async def run(job: Job, deps: Deps) -> Fate:
    """One attempt, which may be repeated after a crash; a piece that comes late is followed by another such job."""
    try:
        return await _store(job, deps)
    except (EgressAway, StorageAway) as error:
        why = str(error)
    except OSError as error:
        if error.errno not in FULL:
            raise
        why = NO_SPACE
    log.warning("a recording is late", extra={"error": why})
    async with deps.db.writing() as conn:
        await conn.execute(sa.update(recordings).where(*_pending(str(job.call_id))).values(error=why))
        return _soon(moment(conn), job)


async def _store(job: Job, deps: Deps) -> Fate:
    call_id = str(job.call_id)
    async with deps.db.reading() as conn:
        call = await CallStore(conn).get(None, call_id)
    if call.started_at is None:
        return await recorder.discard(deps, call)
    if not await recorder.end(deps, call):
        return Wait(recorder.AGAIN_S)
    async with deps.db.reading() as conn:
        row = (await conn.execute(sa.select(recordings).where(recordings.c.call_id == call_id))).one_or_none()
        found = await _parts(conn, call)
        now = moment(conn)
    if row is None:
        return Done()
    if _age_s(now, job) < _patience_s(found, deps.settings.recorder):
        return _soon(now, job)
    for part in _in(found, PieceState.LOCAL):  # while the storage is away, nothing is given up for lost
        await deps.storage.exists(part.key)
    if _in(found, PieceState.STORED) and not await _make(deps, call, row, found):
        return Wait(0)
    return await _clear_away(deps, call)


def _age_s(now: datetime, job: Job) -> float:
    return (now - job.created_at).total_seconds()


def _soon(now: datetime, job: Job) -> Wait:
    return Wait.by_age(job, now, SHORTEST_S, LONGEST_S)


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """The recording has failed, unless there is one; pieces stay in the storage."""
    failed = await conn.execute(
        sa.update(recordings).where(*_pending(str(job.call_id))).values(status="failed", error=reason)
    )
    if failed.rowcount:
        await CallStore(conn).add_event(
            str(job.call_id),
            EventKind.RECORDING_FAILED,
            "post_call",
            f"Recording failed: {reason}",
            level="error",
            data={"error": reason},
        )


def _pending(call_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return recordings.c.call_id == call_id, recordings.c.status == "pending"


async def _parts(conn: AsyncConnection, call: Row) -> Parts:
    of_workers, of_egress = await pieces.of_call(conn, call.id), await egress.files(conn, call)
    return dict([*of_workers.items(), *of_egress.items()])


async def _set_state(conn: AsyncConnection, part: Part, state: PieceState) -> None:
    if isinstance(part, Piece):
        await pieces.set_state(conn, part, state)
    else:
        await egress.set_state(conn, part, state)


def _in(found: Parts, *states: PieceState) -> list[Part]:
    return [part for part, state in found.items() if state in states]


def _patience_s(found: Parts, recorded_by: str) -> float:
    """How old the job must be for it to go on with what is there."""
    if not found:
        return UNHEARD_S if recorded_by == "worker" else 0.0
    if not _in(found, PieceState.LOCAL):
        return 0.0
    if _in(found, PieceState.STORED):
        return ABSENT_S
    return 0.0 if _in(found, PieceState.ADDED) else NOTHING_S


async def _make(deps: Deps, call: Row, row: Row, found: Parts) -> bool:
    """Store what is there as one file, and say so; False, and nothing is said, if more has come meanwhile."""
    made: dict[str, Any] = {}
    here: list[Part] = []
    left_out = _in(found, PieceState.STORED)
    if row.status != "ready" or _in(found, PieceState.ADDED):  # else what the recording was made of is gone
        here = _in(found, PieceState.STORED, PieceState.ADDED, PieceState.KEPT)
        key = pieces.recording_key(call.tenant_id, call.id, row.format)
        made, left_out, to_come = await _join(deps, here, key, row.format)
        here = [part for part in here if part not in to_come]
    async with deps.db.writing() as conn:
        await pieces.lock(conn, call.id)
        if await _parts(conn, call) != found:
            return False
        absent = _in(found, PieceState.LOCAL)
        for part in left_out:
            await _set_state(conn, part, PieceState.KEPT)
        if made:
            for part in here:
                if part not in left_out:
                    await _set_state(conn, part, PieceState.ADDED if absent else PieceState.JOINED)
            await _announce(conn, call.id, made)
            await _warn(conn, call.id, EventKind.RECORDING_DAMAGED, left_out)
        await _warn(conn, call.id, EventKind.RECORDING_INCOMPLETE, absent if here else [*absent, *left_out])
    return True


async def _join(
    deps: Deps, here: Sequence[Part], key: str, file_format: RecordingFormat
) -> tuple[dict[str, Any], list[Part], list[Part]]:
    """What there is to say of the file that is now under `key`, nothing if none is; what is damaged; what may come."""
    folder = deps.settings.state_dir
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:

        def nameless() -> BinaryIO:
            """A file on this disk that is gone with this process, however that ends."""
            return files.enter_context(TemporaryFile(dir=folder))

        sounds = [Sound(part.starts_at_ms, nameless(), agent_left=isinstance(part, EgressFile)) for part in here]
        to_come: list[Part] = []
        for part, sound in zip(here, sounds, strict=True):
            try:
                await deps.storage.fetch(part.key, sound.file)
            except FileNotFoundError:
                log.warning("a part of a recording is not in the storage", extra={"key": part.key})
                if isinstance(part, EgressFile) and part.is_lost:
                    to_come.append(part)
        file, duration_ms, broken = await asyncio.to_thread(_whole, sounds, nameless(), file_format)
        damaged = [part for part, sound in zip(here, sounds, strict=True) if sound in broken]
        if not duration_ms:
            return {}, damaged, to_come
        made = {"key": key, "duration_ms": duration_ms, "size_bytes": _size(file)}
        drawn = await asyncio.to_thread(_drawn, file, file_format)
        file.seek(0)
        await deps.storage.put_file(key, file)
        return made | drawn, damaged, to_come


async def _announce(conn: AsyncConnection, call_id: str, made: dict[str, Any]) -> None:
    unready = sa.exists().where(recordings.c.call_id == call_id, recordings.c.status != "ready")
    is_first = await conn.scalar(sa.select(unready))
    ready = sa.update(recordings).where(recordings.c.call_id == call_id)
    await conn.execute(ready.values(status="ready", error=None, **made))
    await CallStore(conn).add_event(call_id, EventKind.RECORDING_STORED, "post_call", "Recording stored")
    if is_first:
        await webhooks.announce(conn, call_id, "call.recording.ready")


_WARNINGS = {
    EventKind.RECORDING_INCOMPLETE: "part(s) are not in the recording: their worker is gone or came back too late",
    EventKind.RECORDING_DAMAGED: "part(s) of the recording could not be decoded, or not to the end",
}


async def _warn(conn: AsyncConnection, call_id: str, kind: EventKind, parts: list[Part]) -> None:
    if parts:
        message, files = f"{len(parts)} {_WARNINGS[kind]}", [part.key for part in parts]
        await CallStore(conn).add_event(call_id, kind, "post_call", message, level="warning", data={"files": files})


async def _clear_away(deps: Deps, call: Row) -> Fate:
    """Remove what is in the recording now, or say why there is none."""
    async with deps.db.reading() as conn:
        found = await _parts(conn, call)
        is_pending = await conn.scalar(sa.select(sa.exists().where(*_pending(call.id))))
    joined = _in(found, PieceState.JOINED)
    for part in joined:
        await deps.storage.delete(part.key)
    async with deps.db.writing() as conn:
        for part in joined:
            await _set_state(conn, part, PieceState.REMOVED)
    if not is_pending:
        return Done()
    if damaged := _in(found, PieceState.KEPT):
        return Fail(f"It could not be decoded: {', '.join(part.key for part in damaged)}.")
    if _in(found, PieceState.LOCAL):
        return Fail("The workers that recorded it have not come back.")
    return Fail(await recorder.why_nothing(deps, call))


def _whole(
    sounds: Sequence[Sound], target: BinaryIO, file_format: RecordingFormat
) -> tuple[BinaryIO, int, list[Sound]]:
    """The call's recording as one file, its milliseconds, and the sounds that are damaged."""
    begun = [sound for sound in sounds if _duration_ms(sound.file) is not None or _size(sound.file) > HEADERS]
    if not begun:
        return target, 0, []
    of_worker = not begun[0].agent_left and 0 <= begun[0].starts_at_ms <= AT_ONCE_MS
    if file_format == "ogg" and len(begun) == 1 and of_worker:
        duration_ms = _duration_ms(begun[0].file)
        if duration_ms is not None and is_playable(begun[0].file):
            return begun[0].file, duration_ms, []
    joined = join(begun, target, file_format)
    return target, joined.duration_ms, joined.damaged


def _drawn(file: BinaryIO, file_format: RecordingFormat) -> dict[str, Any]:
    """Its peaks; none where its end is damaged, which does not keep the rest from being heard."""
    try:
        found = waveform(file, file_format)
    except Damaged:
        return {"peaks": None, "peaks_ms": None}
    return {"peaks": found.peaks, "peaks_ms": found.step_ms}


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _duration_ms(file: BinaryIO) -> int | None:
    """How long an Ogg Opus file plays, by its last whole page; None without sound."""
    file.seek(max(_size(file) - LAST_PAGES, 0))
    tail = file.read()
    start = tail.rfind(b"OggS")
    while start >= 0:
        samples = int.from_bytes(tail[start + 6 : start + 14], "little", signed=True)
        sizes = tail[start + 27 : start + 27 + tail[start + 26]] if len(tail) > start + 26 else b""
        if samples > 0 and start + 27 + len(sizes) + sum(sizes) <= len(tail):
            return round(samples * 1000 / OPUS_RATE)
        start = tail.rfind(b"OggS", 0, start)
    return None

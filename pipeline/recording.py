"""Job `store_recording`: moves what the call's agents wrote to disk to where recordings are kept, as one file."""

import asyncio
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import webhooks
from calls.events import EventKind
from calls.jobs import Job
from calls.post_call import RecordingFormat
from calls.store import CallStore
from calls.tables import recordings
from pipeline import recorder
from pipeline.deps import Deps
from pipeline.fate import Done, Fail, Fate, Wait
from pipeline.joining import Piece, is_playable, join

OPUS_RATE = 48_000  # an Ogg Opus file counts time in samples of this rate, whatever it was made from
HEADERS = 300  # bytes; a file that is no longer was hardly begun: there is nothing in it to be looked at
LAST_PAGES = 130_000  # bytes; a page of Ogg has at most 65,307
DAMAGED = ".damaged"
AT_ONCE_MS = 20  # a file that begins so soon after the call is the whole of it


async def run(job: Job, deps: Deps) -> Fate:
    """One attempt; the files are removed last: whoever is killed before leaves them for the next attempt.

    The job is queued when nobody writes to them any more.
    """
    call_id = str(job.call_id)
    async with deps.db.reading() as conn:
        call = await CallStore(conn).get(None, call_id)
        columns = sa.select(recordings.c.status, recordings.c.format)
        row = (await conn.execute(columns.where(recordings.c.call_id == call_id))).one_or_none()
    folder = deps.settings.recordings_dir
    if row is not None and row.status == "pending":
        if not await recorder.end(deps, call):
            return Wait(recorder.AGAIN_S)
        pieces = await recorder.fetch(deps, call) or await asyncio.to_thread(_pieces, folder, call_id)
        if not pieces:
            return Fail(await recorder.why_nothing(deps, call))
        joined = folder / f"{call_id}.joined"
        file, duration_ms, damaged = await asyncio.to_thread(_whole, pieces, joined, row.format)
        if not duration_ms:
            return Fail(f"It could not be decoded: {', '.join(file.name for file in damaged)}.")
        key = f"recordings/{job.tenant_id}/{call_id}.{row.format}"
        await deps.storage.put_file(key, file)
        async with deps.db.writing() as conn:
            size_bytes = file.stat().st_size
            await _announce(conn, call_id, damaged, key=key, duration_ms=duration_ms, size_bytes=size_bytes)
    await recorder.remove(deps, call)
    for leftover in folder.glob(f"{call_id}.*"):
        if leftover.suffix != DAMAGED:
            leftover.unlink(missing_ok=True)
    return Done()


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """The recording has failed; files that are there stay in the worker's folder."""
    pending = (recordings.c.call_id == job.call_id, recordings.c.status == "pending")
    failed = await conn.execute(sa.update(recordings).where(*pending).values(status="failed", error=reason))
    if failed.rowcount:
        await CallStore(conn).add_event(
            str(job.call_id),
            EventKind.RECORDING_FAILED,
            "post_call",
            f"Recording failed: {reason}",
            level="error",
            data={"error": reason},
        )


async def _announce(conn: AsyncConnection, call_id: str, damaged: list[Path], **values: object) -> None:
    pending = (recordings.c.call_id == call_id, recordings.c.status == "pending")
    stored = await conn.execute(sa.update(recordings).where(*pending).values(status="ready", **values))
    if stored.rowcount:
        store = CallStore(conn)
        if damaged:
            await store.add_event(
                call_id,
                EventKind.RECORDING_DAMAGED,
                "post_call",
                f"{len(damaged)} part(s) of the recording could not be decoded, or not to the end",
                level="warning",
                data={"files": [file.name for file in damaged]},
            )
        await store.add_event(call_id, EventKind.RECORDING_STORED, "post_call", "Recording stored")
        await webhooks.announce(conn, call_id, "call.recording.ready")


def _whole(pieces: list[Piece], target: Path, file_format: RecordingFormat) -> tuple[Path, int, list[Path]]:
    """The call's recording as one file, its milliseconds, and the damaged files, which stay to be looked at."""
    first = pieces[0]
    of_worker = not first.agent_left and 0 <= first.starts_at_ms <= AT_ONCE_MS
    as_it_is = file_format == "ogg" and len(pieces) == 1 and of_worker
    if as_it_is and (duration_ms := _duration_ms(first.path)) is not None and is_playable(first.path):
        return first.path, duration_ms, []
    joined = join(pieces, target, file_format)
    return target, joined.duration_ms, [_keep(piece.path) for piece in joined.damaged]


def _keep(file: Path) -> Path:
    return file if file.suffix == DAMAGED else file.rename(f"{file}{DAMAGED}")


def _pieces(folder: Path, call_id: str) -> list[Piece]:
    """The files of the call's agents, `<call>.<token>.<milliseconds>.ogg`, as `.part` if their writer was killed.

    One that an attempt before this one found damaged is among them, and so is one of which nothing can be read.
    """
    found = []
    for file in folder.glob(f"{call_id}.*.ogg*"):
        _call_id, _token, starts_at_ms, *_ending = file.name.split(".")
        if _duration_ms(file) is not None or file.stat().st_size > HEADERS:
            found.append(Piece(int(starts_at_ms), file))
    return sorted(found)


def _duration_ms(file: Path) -> int | None:
    """How long an Ogg Opus file plays, by its last whole page; None without sound, or without a file."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(file.stat().st_size - LAST_PAGES, 0))
            tail = stream.read()
    except FileNotFoundError:
        return None
    start = tail.rfind(b"OggS")
    while start >= 0:
        samples = int.from_bytes(tail[start + 6 : start + 14], "little", signed=True)
        sizes = tail[start + 27 : start + 27 + tail[start + 26]] if len(tail) > start + 26 else b""
        if samples > 0 and start + 27 + len(sizes) + sum(sizes) <= len(tail):
            return round(samples * 1000 / OPUS_RATE)
        start = tail.rfind(b"OggS", 0, start)
    return None

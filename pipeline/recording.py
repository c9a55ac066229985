"""Job `store_recording`: moves what the call's agents wrote to disk to where recordings are kept, as one file."""

import asyncio
from pathlib import Path

import av
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import webhooks
from calls.events import EventKind
from calls.jobs import Job
from calls.store import CallStore
from calls.tables import recordings
from pipeline.deps import Deps
from pipeline.fate import Done, Fail, Fate
from pipeline.joining import Piece, join

OPUS_RATE = 48_000  # an Ogg Opus file counts time in samples of this rate, whatever it was made from
LAST_PAGES = 130_000  # bytes; a page of Ogg has at most 65,307
AT_ONCE_MS = 20  # a file that begins so soon after the call is the whole of it


async def run(job: Job, deps: Deps) -> Fate:
    """One attempt; the files are removed last: whoever is killed before leaves them for the next attempt.

    The job is queued when nobody writes to them any more.
    """
    call_id = str(job.call_id)
    async with deps.db.reading() as conn:
        status = await conn.scalar(sa.select(recordings.c.status).where(recordings.c.call_id == call_id))
    folder = deps.settings.recordings_dir
    if status == "pending":
        file = await asyncio.to_thread(_whole, folder, call_id)
        duration_ms = None if file is None else await asyncio.to_thread(_duration_ms, file)
        if file is None or duration_ms is None:
            return Fail("The worker left no recording on this machine.")
        key = f"recordings/{job.tenant_id}/{call_id}.ogg"
        await deps.storage.put_file(key, file)
        async with deps.db.writing() as conn:
            await _announce(conn, call_id, key=key, duration_ms=duration_ms, size_bytes=file.stat().st_size)
    for leftover in folder.glob(f"{call_id}.*"):
        leftover.unlink(missing_ok=True)
    return Done()


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """The recording has failed; a file that is there stays where the worker wrote it."""
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


async def _announce(conn: AsyncConnection, call_id: str, **values: object) -> None:
    pending = (recordings.c.call_id == call_id, recordings.c.status == "pending")
    stored = await conn.execute(sa.update(recordings).where(*pending).values(status="ready", format="ogg", **values))
    if stored.rowcount:
        await CallStore(conn).add_event(call_id, EventKind.RECORDING_STORED, "post_call", "Recording stored")
        await webhooks.announce(conn, call_id, "call.recording.ready")


def _whole(folder: Path, call_id: str) -> Path | None:
    """The call's recording as one file, None if there is no sound."""
    pieces = _pieces(folder, call_id)
    if not pieces:
        return None
    if len(pieces) == 1 and pieces[0].starts_at_ms <= AT_ONCE_MS:
        return pieces[0].path
    joined = folder / f"{call_id}.joined"
    try:
        join(pieces, joined)
    except av.FFmpegError:  # the files stay for somebody to look at
        return None
    return joined


def _pieces(folder: Path, call_id: str) -> list[Piece]:
    """The files of the call's agents, `<call>.<token>.<milliseconds>.ogg`, as `.part` if their writer was killed."""
    found = []
    for file in folder.glob(f"{call_id}.*.ogg*"):
        _call_id, _token, starts_at_ms, *_ending = file.name.split(".")
        if _duration_ms(file) is not None:
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

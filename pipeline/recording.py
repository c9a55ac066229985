"""Job `store_recording`: moves the file that the worker wrote to where recordings are kept."""

import asyncio
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import webhooks
from calls.jobs import Job
from calls.store import CallStore
from calls.tables import now, recordings
from pipeline.deps import Deps
from pipeline.fate import Done, Fail, Fate, Wait

LEASE_POLL_S = 0.5
OPUS_RATE = 48_000  # an Ogg Opus file counts time in samples of this rate, whatever it was made from
LAST_PAGES = 130_000  # bytes; a page of Ogg has at most 65,307


async def run(job: Job, deps: Deps) -> Fate:
    """One attempt; the file is removed last: whoever is killed before leaves it for the next attempt."""
    call_id = str(job.call_id)
    async with deps.db.reading() as conn:
        call = await CallStore(conn).get(job.tenant_id, call_id)
        status = await conn.scalar(sa.select(recordings.c.status).where(recordings.c.call_id == call_id))
    whole = deps.settings.recordings_dir / f"{call_id}.ogg"
    part = whole.with_name(f"{whole.name}.part")
    if status == "pending":
        file = whole if whole.exists() else part
        if file is part and _worker_is_writing(call):
            return Wait(LEASE_POLL_S)
        duration_ms = await asyncio.to_thread(_duration_ms, file)
        if duration_ms is None:
            return Fail("The worker left no recording on this machine.")
        key = f"recordings/{job.tenant_id}/{call_id}.ogg"
        await deps.storage.put_file(key, file)
        async with deps.db.writing() as conn:
            await _announce(conn, call_id, key=key, duration_ms=duration_ms, size_bytes=file.stat().st_size)
    for leftover in (whole, part):
        leftover.unlink(missing_ok=True)
    return Done()


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """The recording has failed; a file that is there stays where the worker wrote it."""
    pending = (recordings.c.call_id == job.call_id, recordings.c.status == "pending")
    failed = await conn.execute(sa.update(recordings).where(*pending).values(status="failed", error=reason))
    if failed.rowcount:
        await CallStore(conn).add_event(str(job.call_id), "post_call", f"Recording failed: {reason}", level="error")


def _worker_is_writing(call: sa.Row[Any]) -> bool:
    return call.lease_until is not None and call.lease_until > now()


async def _announce(conn: AsyncConnection, call_id: str, **values: object) -> None:
    pending = (recordings.c.call_id == call_id, recordings.c.status == "pending")
    stored = await conn.execute(sa.update(recordings).where(*pending).values(status="ready", format="ogg", **values))
    if stored.rowcount:
        await CallStore(conn).add_event(call_id, "post_call", "Recording stored")
        await webhooks.announce(conn, call_id, "call.recording.ready")


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

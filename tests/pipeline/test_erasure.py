"""The rest of an erasure: files, what was still being written, and the traces in the database's own files."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from calls.database import sqlite
from calls.database.engine import DEFAULT_TENANT
from calls.events import EventKind
from calls.jobs import Job, JobQueue, enqueue
from calls.privacy.erasure import erase_call
from calls.recordings.pieces import Piece, tell_of
from calls.store import CallStore
from calls.tables import jobs, recordings
from calls.transcript import write_segments
from pipeline import erasure
from pipeline.deps import Deps
from pipeline.fate import Done, Wait
from tests.conftest import MakeSettings, Until
from tests.pipeline.finished import bring, events, finished_call, hang_up, running_call, segment, working
from tests.pipeline.patient import open_patient

RECORDED = {"recording": {"enabled": True}}
SPOKEN = "marzipan crocodile"
pytestmark = pytest.mark.restless


@pytest.fixture
async def deps(settings: MakeSettings) -> AsyncIterator[Deps]:
    async with open_patient(settings(lease_s=2)) as opened:
        yield opened


async def recorded(deps: Deps) -> tuple[str, Path]:
    """A call with a recording in the storage, a damaged piece of it too, and another still on its way; id and file."""
    call_id = await finished_call(deps.db, RECORDED, said=[("user", SPOKEN)])
    key = f"recordings/{DEFAULT_TENANT}/{call_id}.ogg"
    on_its_way = deps.settings.recordings_dir / f"{call_id}.2.0.ogg"
    on_its_way.parent.mkdir(parents=True, exist_ok=True)
    on_its_way.write_bytes(SPOKEN.encode())
    damaged = Piece(call_id, 1, 0)
    for stored in (key, damaged.key):
        await deps.storage.put_file(stored, on_its_way)
    async with deps.db.writing() as conn:
        await tell_of(conn, damaged)
        await conn.execute(sa.update(recordings).values(status="ready", key=key))
        await conn.execute(sa.delete(jobs))
    file = deps.storage.file(key)
    assert file is not None
    return call_id, file


async def erase(deps: Deps, call_id: str) -> None:
    async with deps.db.writing() as conn:
        await erase_call(conn, DEFAULT_TENANT, call_id)


async def job(deps: Deps) -> Job:
    """The erasure as this process runs it."""
    [claimed] = await JobQueue(deps.db, "here", 60).claim("erasure", 1)
    return claimed


async def finish(claimed: Job, deps: Deps, until: Until) -> None:
    """Run it to its end: who has just read the database may still be in the way when it is wiped."""

    async def is_finished() -> bool:
        return await erasure.run(claimed, deps) == Done()

    await until(is_finished)


async def is_done(deps: Deps, call_id: str) -> bool:
    unfinished = (jobs.c.call_id == call_id, jobs.c.finished_at.is_(None))
    async with deps.db.reading() as conn:
        return not await conn.scalar(sa.select(sa.exists().where(*unfinished)))


def on_disk(deps: Deps) -> bytes:
    """Every byte that is kept, of the database, the storage and the recordings on their way."""
    folder = Path(make_url(deps.settings.database).database or "").parent
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_an_erased_call_leaves_no_byte_of_what_was_said_in_the_files(sqlite_url, deps, until):
    call_id, file = await recorded(deps)
    others = [await running_call(deps.db, {}, said=()) for _ in range(20)]
    for length in range(1, 20):  # all of them at once, and each sentence grows
        for number, (other, token) in enumerate(others):
            said = " ".join([SPOKEN if number % 2 else "harmless"] * length)
            async with deps.db.writing() as conn:
                lines = [segment(sequence, "user", said) for sequence in range(length)]
                await write_segments(conn, other, token, lines)
    for other, token in others:
        await hang_up(deps.db, other, token)
    assert SPOKEN.encode() in on_disk(deps)
    async with working(deps):
        for one in (call_id, *(other for other, _ in others[1::2])):
            await erase(deps, one)
        async with deps.db.reading() as conn:
            ids = list(await conn.scalars(sa.select(jobs.c.call_id).where(jobs.c.kind == "erase")))
        for one in ids:
            await until(lambda one=one: is_done(deps, one))
    assert not file.exists()
    await bring(deps.settings)
    on = on_disk(deps)
    assert not [word for word in SPOKEN.split() if word.encode() in on]  # in the index of words neither
    async with deps.db.reading() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(recordings)) == 0


async def test_a_database_too_large_to_be_written_anew_has_none_of_the_words_of_an_erased_call(
    sqlite_url, deps, until, monkeypatch
):
    connect = sqlite3.connect

    def connect_as_built_elsewhere(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.execute("PRAGMA secure_delete=OFF")  # Debian's overwrites what is deleted without being told
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_as_built_elsewhere)
    monkeypatch.setattr(sqlite, "REWRITTEN_BYTES", 0)
    call_id = await finished_call(deps.db, {}, said=[("user", SPOKEN)])
    for number in range(20):
        await finished_call(deps.db, {}, said=[("user", f"harmless {number}")])
    await erase(deps, call_id)
    claimed = await job(deps)
    await finish(claimed, deps, until)
    on = on_disk(deps)
    assert not [word for word in SPOKEN.split() if word.encode() in on]


async def test_while_the_storage_is_away_the_file_is_not_forgotten(sqlite_url, deps, until):
    call_id, file = await recorded(deps)
    await erase(deps, call_id)
    claimed = await job(deps)
    folder = file.parent
    aside = folder.rename(folder.with_name("aside"))
    folder.write_bytes(b"in the way")
    assert isinstance(await erasure.run(claimed, deps), Wait)
    folder.unlink()
    aside.rename(folder)
    await finish(claimed, deps, until)
    assert not file.exists()


async def test_what_is_written_by_work_that_was_under_way_is_cleared_away_after_it(database_url, deps, until):
    call_id, _file = await recorded(deps)
    async with deps.db.writing() as conn:
        await enqueue(conn, "store_recording", {}, queue="recording", tenant_id=DEFAULT_TENANT, call_id=call_id)
    at_work = JobQueue(deps.db, "another", 60)
    [storing] = await at_work.claim("recording", 1)
    await erase(deps, call_id)

    async def write() -> None:
        async with deps.db.writing() as conn:
            await CallStore(conn).add_event(call_id, EventKind.RECORDING_FAILED, "post_call", SPOKEN)

    await write()
    claimed = await job(deps)
    assert isinstance(await erasure.run(claimed, deps), Wait)
    await write()
    assert await at_work.retry(storing, SPOKEN)
    await finish(claimed, deps, until)
    assert SPOKEN not in str(await events(deps.db, call_id))
    async with deps.db.reading() as conn:
        assert SPOKEN not in str((await conn.execute(sa.select(jobs))).all())


async def test_a_recording_is_removed_while_a_model_still_works_on_the_call(sqlite_url, deps, until):
    call_id, file = await recorded(deps)
    async with deps.db.writing() as conn:
        await enqueue(conn, "post_call", {}, queue="post_call", tenant_id=DEFAULT_TENANT, call_id=call_id)
    at_work = JobQueue(deps.db, "another", 60)
    [asking] = await at_work.claim("post_call", 1)
    await erase(deps, call_id)
    claimed = await job(deps)
    assert isinstance(await erasure.run(claimed, deps), Wait)
    assert not file.exists()
    assert await at_work.complete(asking)
    await finish(claimed, deps, until)


async def test_the_longer_others_work_on_the_call_the_less_often_it_is_looked_at(sqlite_url, deps):
    call_id, _file = await recorded(deps)
    async with deps.db.writing() as conn:
        await enqueue(conn, "post_call", {}, queue="post_call", tenant_id=DEFAULT_TENANT, call_id=call_id)
    assert await JobQueue(deps.db, "another", 600).claim("post_call", 1)
    await erase(deps, call_id)
    claimed = await job(deps)
    for age, at_least_s in ((timedelta(0), 1), (timedelta(minutes=1), 15), (timedelta(hours=1), 30)):
        fate = await erasure.run(replace(claimed, created_at=claimed.created_at - age), deps)
        assert isinstance(fate, Wait)
        assert at_least_s <= fate.after_s <= 30


async def test_who_reads_the_database_is_not_disturbed_and_the_erasure_comes_back(sqlite_url, deps, until):
    call_id, _file = await recorded(deps)
    async with deps.db.reading() as reader:
        await reader.execute(sa.select(jobs))
        await erase(deps, call_id)
        claimed = await job(deps)
        assert isinstance(await erasure.run(claimed, deps), Wait)
    await finish(claimed, deps, until)

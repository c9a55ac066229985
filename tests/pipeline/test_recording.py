"""Recordings on their way from the worker's disk to where they are kept."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import sqlalchemy as sa

from calls.store import CallStore
from calls.tables import jobs, recordings
from pipeline.deps import Deps, open_deps
from tests.pipeline.finished import announced, events, finished_call, hang_up, listen, running_call, working

RECORDED = {"recording": {"enabled": True}}


def write_ogg(path: Path, seconds: int) -> None:
    """Stereo Opus of so many seconds, as the worker writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w", format="ogg", options={"page_duration": "200000"}) as container:
        stream = container.add_stream("libopus", rate=48_000, layout="stereo")
        for number in range(seconds * 50):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, number * 960
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture
async def deps(settings) -> AsyncIterator[Deps]:
    async with open_deps(settings(lease_s=2)) as opened:
        yield opened


def local(deps: Deps, call_id: str, ending: str = "") -> Path:
    return deps.settings.recordings_dir / f"{call_id}.ogg{ending}"


async def recording(deps: Deps, call_id: str) -> sa.Row[Any]:
    async with deps.db.reading() as conn:
        return (await conn.execute(sa.select(recordings).where(recordings.c.call_id == call_id))).one()


async def job_ended(deps: Deps, call_id: str) -> bool:
    unfinished = (jobs.c.call_id == call_id, jobs.c.kind == "store_recording", jobs.c.finished_at.is_(None))
    async with deps.db.reading() as conn:
        return not await conn.scalar(sa.select(sa.exists().where(*unfinished)))


async def stored(deps: Deps, call_id: str) -> sa.Row[Any]:
    """The row of a recording that is ready, and in storage as it says."""
    row = await recording(deps, call_id)
    assert (row.status, row.format, row.error) == ("ready", "ogg", None)
    kept = deps.storage.file(row.key)
    assert kept is not None
    assert kept.stat().st_size == row.size_bytes
    return row


async def test_a_recording_is_stored_and_told_once_and_leaves_the_workers_disk(database_url, deps, until):
    await listen(deps.db)
    call_id, token = await running_call(deps.db, RECORDED)
    write_ogg(local(deps, call_id), 3)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    row = await stored(deps, call_id)
    assert row.duration_ms == pytest.approx(3000, abs=50)
    assert row.key.endswith(f"/{call_id}.ogg")
    assert not local(deps, call_id).exists()
    assert await events(deps.db, call_id) == ["Recording stored"]
    assert (await announced(deps.db, call_id)).count("call.recording.ready") == 1


async def test_a_recording_is_waited_for_while_the_worker_closes_it(deps, until):
    call_id, token = await running_call(deps.db, RECORDED)
    write_ogg(local(deps, call_id, ".part"), 1)
    await hang_up(deps.db, call_id, token=None)
    async with working(deps):
        await until(lambda: looked_at(deps))
        assert (await recording(deps, call_id)).status == "pending"
        write_ogg(local(deps, call_id, ".part"), 2)
        local(deps, call_id, ".part").rename(local(deps, call_id))
        async with deps.db.writing() as conn:
            await CallStore(conn).release_lease(call_id, token)
        await until(lambda: job_ended(deps, call_id))
    assert (await stored(deps, call_id)).duration_ms == pytest.approx(2000, abs=50)


async def looked_at(deps: Deps) -> bool:
    async with deps.db.reading() as conn:
        return await conn.scalar(sa.select(jobs.c.token).where(jobs.c.kind == "store_recording")) is not None


async def test_what_a_killed_worker_had_recorded_is_stored(deps, until):
    call_id, token = await running_call(deps.db, RECORDED)
    part = local(deps, call_id, ".part")
    write_ogg(part, 3)
    part.write_bytes(part.read_bytes()[:-60])  # cut off inside its last page
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    row = await stored(deps, call_id)
    assert 2500 < row.duration_ms < 3000
    assert not part.exists()
    with av.open(deps.storage.file(row.key)) as playable:
        assert sum(frame.samples for frame in playable.decode(audio=0)) / 48 == pytest.approx(row.duration_ms, abs=300)


@pytest.mark.parametrize("content", [None, b"", b"OggS", b"no sound at all"])
async def test_a_recording_that_is_not_there_or_empty_has_failed_and_the_call_says_so(deps, until, content):
    call_id, token = await running_call(deps.db, RECORDED)
    if content is not None:
        local(deps, call_id).parent.mkdir(parents=True, exist_ok=True)
        local(deps, call_id).write_bytes(content)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    assert (await recording(deps, call_id)).status == "failed"
    assert await events(deps.db, call_id) == ["Recording failed: The worker left no recording on this machine."]


async def test_a_call_without_recording_has_none(deps):
    call_id = await finished_call(deps.db, {})
    async with deps.db.reading() as conn:
        assert not await conn.scalar(sa.select(sa.exists().where(recordings.c.call_id == call_id)))

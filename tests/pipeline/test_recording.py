"""Recordings on their way from the worker's disk to where they are kept."""

import os
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT
from calls.privacy.erasure import erase_call
from calls.recordings.storage import Storage
from calls.tables import jobs, recordings
from calls.workers import leases
from pipeline.deps import Deps, open_deps
from pipeline.recording import NO_SPACE
from tests.pipeline.finished import (
    announced,
    bring,
    events,
    finished_call,
    hang_up,
    listen,
    long_ago,
    queued,
    running_call,
    working,
    written,
)
from tests.pipeline.patient import open_patient
from tests.pipeline.sound import Pcm, cut_off, heard, read_sound, tone, write_ogg
from worker.uploads import Uploads

pytestmark = pytest.mark.restless

RECORDED = {"recording": {"enabled": True}}
RECORDED_AS_OGG = {"recording": {"enabled": True, "format": "ogg"}}
LOW, HIGH = 400, 1100
MISSING = "1 part(s) are not in the recording: their worker is gone or came back too late"


@pytest.fixture
async def deps(settings) -> AsyncIterator[Deps]:
    async with open_patient(settings(lease_s=2)) as opened:
        yield opened


def local(deps: Deps, call_id: str, token: int = 1, starts_at_ms: int = 0, ending: str = "") -> Path:
    """Where the agent of that token writes what it hears from that millisecond of the call on."""
    return deps.settings.recordings_dir / f"{call_id}.{token}.{starts_at_ms}.ogg{ending}"


def left_behind(deps: Deps, call_id: str) -> list[str]:
    """What there is of the call on disks and in the storage besides the recording itself."""
    made = [f"{call_id}.wav", f"{call_id}.ogg"]
    found = deps.settings.state_dir.rglob(f"{call_id}*")
    return sorted(str(file.relative_to(deps.settings.state_dir)) for file in found if file.name not in made)


async def recording(deps: Deps, call_id: str) -> sa.Row[Any]:
    async with deps.db.reading() as conn:
        return (await conn.execute(sa.select(recordings).where(recordings.c.call_id == call_id))).one()


async def job_ended(deps: Deps, call_id: str) -> bool:
    unfinished = (jobs.c.call_id == call_id, jobs.c.kind == "store_recording", jobs.c.finished_at.is_(None))
    async with deps.db.reading() as conn:
        return not await conn.scalar(sa.select(sa.exists().where(*unfinished)))


async def stored(deps: Deps, call_id: str, file_format: str = "wav") -> sa.Row[Any]:
    """The row of a recording that is ready, and in storage as it says."""
    row = await recording(deps, call_id)
    assert (row.status, row.format, row.error) == ("ready", file_format, None)
    assert row.key.endswith(f"/{call_id}.{file_format}")
    kept = deps.storage.file(row.key)
    assert kept is not None
    assert kept.stat().st_size == row.size_bytes
    return row


async def sound_of(deps: Deps, call_id: str) -> Pcm:
    row = await stored(deps, call_id)
    kept = deps.storage.file(row.key)
    assert kept is not None
    pcm = read_sound(kept)
    assert len(pcm) / 48 == pytest.approx(row.duration_ms, abs=30)
    return pcm


async def test_a_recording_is_stored_and_told_once_and_leaves_the_workers_disk(database_url, deps, until):
    await listen(deps.db, deps.keyring)
    call_id, token = await running_call(deps.db, RECORDED)
    write_ogg(local(deps, call_id), tone(LOW, 3))
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    row = await stored(deps, call_id)
    assert row.duration_ms == pytest.approx(3000, abs=50)
    assert len(row.peaks) // 2 * row.peaks_ms == pytest.approx(3000, abs=50)
    assert min(row.peaks[10:200]) > 0
    assert left_behind(deps, call_id) == []
    assert await events(deps.db, call_id) == ["Recording stored"]
    assert (await announced(deps.db, call_id)).count("call.recording.ready") == 1


async def test_a_recording_is_a_wav_file_of_two_channels_and_as_ogg_it_is_what_the_worker_wrote(deps, until):
    for post_call, file_format in ((RECORDED, "wav"), (RECORDED_AS_OGG, "ogg")):
        call_id, token = await running_call(deps.db, post_call)
        write_ogg(local(deps, call_id), tone(LOW, 2))
        written = local(deps, call_id).read_bytes()
        await bring(deps.settings)
        await hang_up(deps.db, call_id, token)
        async with working(deps):
            await until(lambda call_id=call_id: job_ended(deps, call_id))
        row = await stored(deps, call_id, file_format)
        kept = deps.storage.file(row.key)
        if file_format == "ogg":
            assert kept.read_bytes() == written
        else:
            with wave.open(str(kept)) as file:
                assert file.getparams()[:3] == (2, 2, 16_000)
                assert file.getnframes() / 16 == pytest.approx(row.duration_ms, abs=1)
        assert heard(read_sound(kept), 0.1, 1.9) == LOW


async def test_a_recording_is_not_touched_before_the_worker_has_let_go_of_the_call(deps):
    call_id, token = await running_call(deps.db, RECORDED)
    await hang_up(deps.db, call_id, token=None)
    async with deps.db.writing() as conn:
        assert await queued(conn, call_id) == []
        await leases.release(conn, call_id, token)
        assert await queued(conn, call_id) == ["store_recording"]


async def test_what_a_killed_worker_had_recorded_is_stored(deps, until):
    call_id, token = await running_call(deps.db, RECORDED)
    part = local(deps, call_id, ending=".part")
    write_ogg(part, tone(LOW, 3))
    cut_off(part, 1500)
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    row = await stored(deps, call_id)
    assert 2500 < row.duration_ms < 3000
    assert not part.exists()
    assert heard(await sound_of(deps, call_id), 0.1, 2.4) == LOW


async def test_what_several_agents_recorded_becomes_one_file_in_which_each_is_heard_at_its_time(deps, until):
    call_id, token = await running_call(deps.db, RECORDED)
    killed = local(deps, call_id, 1, 0, ".part")
    write_ogg(killed, tone(LOW, 1.5))
    cut_off(killed, 1500)
    local(deps, call_id, 2, 2000, ".part").write_bytes(b"OggS")  # it was killed before it had heard anything
    for starts_at_ms in (3500, 5500):  # its disk was full for a while
        write_ogg(local(deps, call_id, 3, starts_at_ms), tone(HIGH, 1))
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    pcm = await sound_of(deps, call_id)
    assert len(pcm) / 48 == pytest.approx(6500, abs=30)
    stretches = [(0.1, 1), (1.6, 3.4), (3.6, 4.4), (4.6, 5.4), (5.6, 6.4)]
    assert [heard(pcm, *stretch) for stretch in stretches] == [LOW, None, HIGH, None, HIGH]
    assert left_behind(deps, call_id) == []


async def test_a_recording_that_begins_later_than_the_call_is_silent_until_then(deps, until):
    call_id, token = await running_call(deps.db, RECORDED)
    write_ogg(local(deps, call_id, starts_at_ms=800), tone(LOW, 1))
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    pcm = await sound_of(deps, call_id)
    assert len(pcm) / 48 == pytest.approx(1800, abs=30)
    assert [heard(pcm, 0.1, 0.7), heard(pcm, 0.9, 1.7)] == [None, LOW]


@pytest.mark.parametrize("content", [None, b"", b"OggS", b"no sound at all"])
async def test_a_recording_that_is_not_there_or_empty_has_failed_and_the_call_says_so(deps, until, content):
    call_id, token = await running_call(deps.db, RECORDED)
    if content is not None:
        local(deps, call_id).parent.mkdir(parents=True, exist_ok=True)
        local(deps, call_id).write_bytes(content)
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    await long_ago(deps, call_id)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    assert (await recording(deps, call_id)).status == "failed"
    assert await events(deps.db, call_id) == ["Recording failed: Nothing was recorded."]


@pytest.mark.parametrize("lost", [b"OpusHead", b"OpusTags", b"OggS"])
async def test_what_cannot_be_decoded_is_left_out_and_stays_and_the_call_says_so(deps, until, lost):
    call_id, token = await running_call(deps.db, RECORDED)
    for number, starts_at_ms in enumerate((0, 2000, 4000), 1):
        write_ogg(local(deps, call_id, number, starts_at_ms), tone(LOW, 1))
    broken = local(deps, call_id, 2, 2000)
    damage(broken, lost)
    content = broken.read_bytes()
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    pcm = await sound_of(deps, call_id)
    assert len(pcm) / 48 == pytest.approx(5000, abs=30)
    assert [heard(pcm, *stretch) for stretch in [(0.1, 0.9), (1.1, 3.9), (4.1, 4.9)]] == [LOW, None, LOW]
    [kept] = left_behind(deps, call_id)
    assert kept == f"storage/pieces/{broken.name}"
    assert (deps.settings.state_dir / kept).read_bytes() == content
    said = "1 part(s) of the recording could not be decoded, or not to the end"
    assert await events(deps.db, call_id) == ["Recording stored", said]


@pytest.mark.parametrize("pieces", [1, 2])
async def test_what_can_be_decoded_before_a_long_end_of_nothing_is_kept(deps, until, pieces):
    """A host that lost its power may leave a file that ends in zeros."""
    call_id, token = await running_call(deps.db, RECORDED)
    for number in range(pieces):
        write_ogg(local(deps, call_id, number, number * 2000), tone(LOW, 1))
    with local(deps, call_id, 0, 0).open("ab") as cut_off:
        cut_off.write(bytes(200_000))
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    pcm = await sound_of(deps, call_id)
    assert len(pcm) / 48 == pytest.approx([1000, 3000][pieces - 1], abs=30)
    assert heard(pcm, 0.1, 0.9) == LOW


@pytest.mark.parametrize("lost", [b"OpusTags", b"OggS"])
@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_recording_of_which_nothing_can_be_decoded_has_failed_and_stays_and_the_call_says_so(
    deps, until, pieces, lost
):
    call_id, token = await running_call(deps.db, RECORDED)
    for number in range(pieces):
        write_ogg(local(deps, call_id, number, number * 2000), tone(LOW, 1))
        damage(local(deps, call_id, number, number * 2000), lost)
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
    assert (await recording(deps, call_id)).status == "failed"
    kept = [f"pieces/{local(deps, call_id, number, number * 2000).name}" for number in range(pieces)]
    assert left_behind(deps, call_id) == [f"storage/{key}" for key in kept]
    said = f"Recording failed: It could not be decoded: {', '.join(kept)}."
    assert await events(deps.db, call_id) == [said]


def damage(file: Path, lost: bytes) -> None:
    """Write over what says how its sound is to be decoded, or where it is."""
    file.write_bytes(file.read_bytes().replace(lost, b"nonsense"))


async def test_what_a_worker_has_that_is_gone_is_waited_for_and_comes_into_the_recording_when_it_is_back(deps, until):
    await listen(deps.db, deps.keyring)
    call_id, token = await running_call(deps.db, RECORDED)
    write_ogg(local(deps, call_id, 1, 0), tone(LOW, 1))
    write_ogg(local(deps, call_id, 2, 2000), tone(HIGH, 1))
    with written(local(deps, call_id, 2, 2000)):
        await bring(deps.settings)
    async with working(deps):
        await hang_up(deps.db, call_id, token)
        await until(lambda: is_waiting(deps, call_id))
        assert (await recording(deps, call_id)).status == "pending"
        await long_ago(deps, call_id)
        await until(lambda: job_ended(deps, call_id))
        assert (await stored(deps, call_id)).duration_ms == pytest.approx(1000, abs=50)
        assert await events(deps.db, call_id) == ["Recording stored", MISSING]

        await bring(deps.settings)
        await until(lambda: job_ended(deps, call_id))
    pcm = await sound_of(deps, call_id)
    assert [heard(pcm, *stretch) for stretch in [(0.1, 0.9), (1.1, 1.9), (2.1, 2.9)]] == [LOW, None, HIGH]
    assert left_behind(deps, call_id) == []
    assert (await announced(deps.db, call_id)).count("call.recording.ready") == 1


async def test_while_the_pipelines_disk_is_full_a_recording_waits_and_says_so(deps, until, monkeypatch):
    call_id, token = await running_call(deps.db, RECORDED)
    write_ogg(local(deps, call_id), tone(LOW, 1))
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        with monkeypatch.context() as full:
            full.setattr("pipeline.recording.TemporaryFile", on_a_full_disk)
            await until(lambda: is_late_because(deps, call_id, NO_SPACE))
        await until(lambda: job_ended(deps, call_id))
    await stored(deps, call_id)


def on_a_full_disk(**_where: Path) -> BinaryIO:
    return Path("/dev/full").open("w+b", buffering=0)


async def test_a_file_that_cannot_be_brought_keeps_no_other_one_here(deps, until):
    call_id, _token = await running_call(deps.db, RECORDED)
    local(deps, call_id, 1).mkdir(parents=True)  # what the worker cannot read
    in_the_way = deps.settings.state_dir / "storage/pieces" / local(deps, call_id, 2).name
    in_the_way.mkdir(parents=True)  # what the storage does not take
    tokens = range(2, 8)
    for token in tokens:
        write_ogg(local(deps, call_id, token), tone(LOW, 0.1))
    killed, begun = (local(deps, call_id, token).with_suffix(".ogg.part.new") for token in (8, 9))
    killed.touch()
    begun.touch()
    os.utime(killed, (0, 0))
    uploads = Uploads(deps.settings)
    uploads.start()
    await until(lambda: not any(local(deps, call_id, token).exists() for token in tokens[1:]))
    assert (killed.exists(), begun.exists()) == (False, True), "a recorder takes a moment to have the lock"
    assert local(deps, call_id, 2).exists()
    in_the_way.rmdir()
    await until(lambda: not local(deps, call_id, 2).exists())
    await uploads.stop()


async def is_waiting(deps: Deps, call_id: str) -> bool:
    """Whether the job has looked, and is to look again."""
    looked = (jobs.c.call_id == call_id, jobs.c.kind == "store_recording", jobs.c.token.is_not(None))
    async with deps.db.reading() as conn:
        return bool(await conn.scalar(sa.select(sa.exists().where(*looked, jobs.c.state == "waiting"))))


async def test_what_comes_when_all_else_is_joined_changes_nothing_and_stays_to_be_looked_at(deps, until):
    call_id, token = await running_call(deps.db, RECORDED)
    write_ogg(local(deps, call_id), tone(LOW, 1))
    content = local(deps, call_id).read_bytes()
    await bring(deps.settings)
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: job_ended(deps, call_id))
        whole = await stored(deps, call_id)
        local(deps, call_id).write_bytes(content)  # its worker was killed before it had removed what it had brought
        write_ogg(local(deps, call_id, 2, 0), tone(HIGH, 1))  # and of another nobody knew
        await bring(deps.settings)
        await until(lambda: job_ended(deps, call_id))
    assert await stored(deps, call_id) == whole
    assert left_behind(deps, call_id) == [f"storage/pieces/{call_id}.2.0.ogg"]
    assert await events(deps.db, call_id) == ["Recording stored", MISSING]
    assert heard(await sound_of(deps, call_id), 0.1, 0.9) == LOW


async def test_while_a_bucket_is_away_nothing_is_lost_and_it_is_told_why_a_recording_is_late(
    settings, s3, monkeypatch, until
):
    chosen = settings(lease_s=2, storage_url=f"s3://{s3.create('recordings').name}")
    async with open_deps(chosen) as deps:
        call_id, token = await running_call(deps.db, RECORDED)
        write_ogg(local(deps, call_id), tone(LOW, 1))
        s3.stop()
        await bring(chosen)
        assert left_behind(deps, call_id) == [f"recordings/{call_id}.1.0.ogg"]
        s3.start()
        s3.wait_ready()
        await bring(chosen)
        assert left_behind(deps, call_id) == []
        await hang_up(deps.db, call_id, token)

        with monkeypatch.context() as wrong:
            wrong.setenv("AWS_SECRET_ACCESS_KEY", "another")
            refused = replace(deps, storage=Storage(chosen))
        async with working(refused):
            await until(lambda: is_late_because(deps, call_id, "The storage refuses the credentials that it is given."))
        s3.stop()
        async with working(deps):
            await until(lambda: is_late_because(deps, call_id, "The storage does not answer."))
            s3.start()
            await until(lambda: job_ended(deps, call_id))
        row = await recording(deps, call_id)
        assert (row.status, row.error) == ("ready", None)
        kept = [file for file in (s3.folder / "recordings").rglob("*") if file.is_file()]
        assert kept == [s3.folder / "recordings" / row.key]
        assert heard(read_sound(kept[0]), 0.1, 0.9) == LOW

        async with working(deps):
            async with deps.db.writing() as conn:
                await erase_call(conn, DEFAULT_TENANT, call_id)
            await until(lambda: not kept[0].exists())


async def is_late_because(deps: Deps, call_id: str, error: str) -> bool:
    row = await recording(deps, call_id)
    return (row.status, row.error) == ("pending", error)


async def test_a_call_without_recording_has_none(deps):
    call_id = await finished_call(deps.db, {})
    async with deps.db.reading() as conn:
        assert not await conn.scalar(sa.select(sa.exists().where(recordings.c.call_id == call_id)))

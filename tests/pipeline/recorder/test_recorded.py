"""Calls that LiveKit Egress records: one egress each, whoever asks, and what it left is kept.

No webhook arrives here: all that is known is what LiveKit is asked for.
"""

from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from livekit import api

from calls.events import EventKind
from calls.recordings import egress
from calls.store import CallStore
from calls.tables import calls, egresses, recordings
from calls.workers import leases
from pipeline.deps import Deps
from pipeline.egress import output
from tests.conftest import MakeSettings, Until
from tests.egress import EgressStandIn, Status
from tests.pipeline.finished import bring, hang_up, long_ago, written
from tests.pipeline.recorder.egresses import (
    HIGH,
    LOW,
    as_egress_hears,
    began,
    events,
    is_over,
    is_recorded,
    nothing_left,
    recording,
    rows,
    talking,
)
from tests.pipeline.sound import heard, read_sound, tone, write_ogg

pytestmark = pytest.mark.restless


async def test_a_call_is_recorded_once_however_many_ask_and_its_recording_is_as_a_workers(
    database_url: str, deps: Deps, stand_in: EgressStandIn, until: Until
) -> None:
    call_id, token = await talking(deps)
    unrecorded, _token = await talking(deps, {})
    async with recording(deps, pipelines=2):
        info = await until(lambda: is_recorded(stand_in, call_id))
        async with deps.db.writing() as conn:  # the call is taken over by another agent
            await leases.release(conn, call_id, token)
            token = await leases.take(conn, call_id, "another worker", "agent-2") or 0
            await egress.ask_if_due(conn, call_id)
        stand_in.begin(info)
        await until(lambda: began(deps, call_id))
        late_s = await started_s(deps, call_id)
        await hang_up(deps.db, call_id, token)
        stand_in.end(info, as_egress_hears(np.concatenate([tone(LOW, 2), tone(HIGH, 1)])))
        await until(lambda: is_over(deps, call_id))
    [asked] = stand_in.asked_for
    assert (asked.room_name, asked.audio_only) == (f"call_{call_id}", True)
    assert asked.audio_mixing == api.AudioMixing.DUAL_CHANNEL_AGENT
    [file] = asked.file_outputs
    assert (file.file_type, file.disable_manifest) == (api.EncodedFileType.OGG, True)
    assert not stand_in.of(f"call_{unrecorded}")
    [row] = await rows(deps, recordings, call_id)
    assert (row.status, row.format, row.error) == ("ready", "wav", None)
    kept = deps.storage.file(row.key)
    assert kept is not None
    assert kept.suffix == ".wav"
    pcm = read_sound(kept)
    assert row.duration_ms == pytest.approx(late_s * 1000 + 3000, abs=60)
    assert heard(pcm, late_s + 0.2, late_s + 1.8) == LOW
    assert heard(pcm, late_s + 2.2, late_s + 2.8) == HIGH
    assert [one.name for one in kept.parent.iterdir()] == [kept.name]
    assert await rows(deps, egresses, call_id) == []
    assert await events(deps, call_id) == [EventKind.RECORDING_STARTED, EventKind.RECORDING_STORED]


async def test_what_was_recorded_before_the_call_began_is_left_out(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, until: Until
) -> None:
    call_id, token = await talking(deps, {"recording": {"enabled": True, "format": "ogg"}})
    async with recording(deps):
        info = await until(lambda: is_recorded(stand_in, call_id))
        stand_in.begin(info)
        await until(lambda: began(deps, call_id))
        async with deps.db.writing() as conn:
            later = sa.update(calls).where(calls.c.id == call_id)
            [row] = (await conn.execute(sa.select(egresses))).all()
            await conn.execute(later.values(started_at=row.started_at + timedelta(seconds=1)))
        await hang_up(deps.db, call_id, token)
        stand_in.end(info, as_egress_hears(np.concatenate([tone(LOW, 1), tone(HIGH, 2)])))
        await until(lambda: is_over(deps, call_id))
    [row] = await rows(deps, recordings, call_id)
    kept = deps.storage.file(row.key)
    assert kept is not None
    assert row.duration_ms == pytest.approx(2000, abs=60)
    assert heard(read_sound(kept), 0.1, 1.9) == HIGH


async def test_an_egress_that_ends_while_the_call_goes_on_is_followed_by_another(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, until: Until
) -> None:
    call_id, token = await talking(deps)
    async with recording(deps):
        first = await until(lambda: is_recorded(stand_in, call_id))
        stand_in.begin(first)
        stand_in.end(first, as_egress_hears(tone(LOW, 0.5)), Status.EGRESS_LIMIT_REACHED)
        second = await until(lambda: is_recorded(stand_in, call_id, 2))
        stand_in.begin(second)
        late_s = await until(lambda: second_began_s(deps, call_id))
        await hang_up(deps.db, call_id, token)
        stand_in.end(second, as_egress_hears(tone(HIGH, 1)))
        await until(lambda: is_over(deps, call_id))
    [row] = await rows(deps, recordings, call_id)
    kept = deps.storage.file(row.key)
    assert kept is not None
    pcm = read_sound(kept)
    assert len(pcm) / 48_000 == pytest.approx(late_s + 1, abs=0.06)
    assert heard(pcm, late_s + 0.1, late_s + 0.9) == HIGH
    assert await events(deps, call_id) == [
        EventKind.RECORDING_STARTED,
        EventKind.RECORDING_INTERRUPTED,
        EventKind.RECORDING_STARTED,
        EventKind.RECORDING_STORED,
    ]


async def test_a_recording_has_what_a_worker_recorded_and_what_egress_did_whichever_comes_first(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, until: Until
) -> None:
    """The recorder was changed in the middle of a call, and the worker that had recorded until then was gone."""
    call_id, token = await talking(deps)
    piece = deps.settings.recordings_dir / f"{call_id}.1.0.ogg"
    write_ogg(piece, tone(LOW, 1))
    with written(piece):
        await bring(deps.settings)
    async with recording(deps):
        info = await until(lambda: is_recorded(stand_in, call_id))
        stand_in.begin(info)
        await until(lambda: began(deps, call_id))
        async with deps.db.writing() as conn:
            [row] = (await conn.execute(sa.select(egresses))).all()
            earlier = row.started_at - timedelta(seconds=2)
            await conn.execute(sa.update(calls).where(calls.c.id == call_id).values(started_at=earlier))
        stand_in.end(info, as_egress_hears(tone(HIGH, 1)))
        await hang_up(deps.db, call_id, token)
        await long_ago(deps, call_id)
        assert await until(lambda: sounds(deps, call_id, 3)) == [None, HIGH]
        await bring(deps.settings)
        await until(lambda: nothing_left(deps, call_id))
    assert await sounds(deps, call_id, 3) == [LOW, HIGH]
    assert [file.name for file in (deps.settings.state_dir / "storage").rglob("*.*")] == [f"{call_id}.wav"]


async def sounds(deps: Deps, call_id: str, seconds: float) -> list[float | None]:
    """What is heard in the first and in the last second of a recording of that length, once there is one."""
    [row] = await rows(deps, recordings, call_id)
    if row.status != "ready":
        return []
    kept = deps.storage.file(row.key)
    assert kept is not None
    assert row.duration_ms == pytest.approx(seconds * 1000, abs=60)
    return [heard(read_sound(kept), second + 0.1, second + 0.9) for second in (0, seconds - 1)]


async def started_s(deps: Deps, call_id: str, number: int = 0) -> float:
    """The second since the call's start at which its first egress began, or the one of that number."""
    row = sorted(await rows(deps, egresses, call_id), key=lambda one: one.asked_at)[number]
    async with deps.db.reading() as conn:
        call = await CallStore(conn).get(None, call_id)
    return float((row.started_at - call.started_at).total_seconds())


async def second_began_s(deps: Deps, call_id: str) -> float | None:
    both = [row for row in await rows(deps, egresses, call_id) if row.started_at is not None]
    return await started_s(deps, call_id, 1) if len(both) > 1 else None


def test_egress_is_given_the_way_into_the_bucket_that_we_have(
    settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    file = output(settings(storage_url="s3://calls/in/here"), "recordings/a.ogg")
    assert file.filepath == "in/here/recordings/a.ogg"
    way_in = api.S3Upload(access_key="key", secret="secret", region="eu-west-1", bucket="calls")
    here = api.S3Upload(endpoint="http://127.0.0.1:9000", force_path_style=True)
    here.MergeFrom(way_in)
    assert file.s3 == here
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert output(settings(storage_url="s3://calls"), "a.ogg").s3 == way_in

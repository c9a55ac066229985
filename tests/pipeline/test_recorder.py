"""Calls that LiveKit Egress records: one egress each, whoever asks and whatever gets lost, and what it left is kept.

No webhook arrives here: all that is known is what LiveKit is asked for.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from livekit import api

from calls.database.clock import moment
from calls.database.engine import DEFAULT_TENANT
from calls.events import EventKind
from calls.jobs import hurry
from calls.privacy.erasure import erase_call
from calls.recordings import egress
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import call_events, calls, egresses, jobs, recordings
from calls.workers import leases
from pipeline.deps import Deps
from pipeline.egress import output
from pipeline.recorder import keep_recording
from tests.conftest import MakeSettings, Until
from tests.egress import EgressStandIn, Status
from tests.pipeline.finished import bring, hang_up, long_ago, running_call, working, written
from tests.pipeline.patient import open_patient
from tests.pipeline.sound import Pcm, heard, read_sound, silence, tone, write_ogg
from tests.servers import LiveKitServer
from tests.telephony.proxy import Fault

RECORDED = {"recording": {"enabled": True}}
LOW, HIGH = 400, 1100
Recorded = Callable[[], AbstractAsyncContextManager[tuple[str, int, api.EgressInfo]]]
pytestmark = pytest.mark.restless


@pytest.fixture
async def stand_in(livekit: LiveKitServer) -> AsyncIterator[EgressStandIn]:
    async with EgressStandIn(livekit) as opened:
        yield opened


@pytest.fixture
async def deps(settings: MakeSettings, stand_in: EgressStandIn) -> AsyncIterator[Deps]:
    async with open_patient(settings(livekit_url=stand_in.url, recorder="egress", lease_s=2)) as opened:
        yield opened


@asynccontextmanager
async def recording(deps: Deps, pipelines: int = 1) -> AsyncIterator[None]:
    """So many pipelines at work."""
    stop = asyncio.Event()
    async with working(deps), asyncio.TaskGroup() as loops:
        for _ in range(pipelines):
            loops.create_task(keep_recording(deps, stop, every_s=0.2))
        try:
            yield
        finally:
            stop.set()


async def talking(deps: Deps, post_call: dict[str, Any] = RECORDED) -> tuple[str, int]:
    """A call with its room: its id and the token of its agent."""
    call_id, token = await running_call(deps.db, post_call, said=())
    await deps.rooms.create_room(f"call_{call_id}", call_id)
    return call_id, token


async def is_recorded(stand_in: EgressStandIn, call_id: str, number: int = 1) -> api.EgressInfo | None:
    """The call's first egress, or second, …, once it is there."""
    found = stand_in.of(f"call_{call_id}")
    return found[number - 1] if len(found) >= number else None


@pytest.fixture
def recorded(deps: Deps, stand_in: EgressStandIn, until: Until) -> Recorded:
    """`async with recorded() as (call_id, token, info):` a pipeline at work, and a call whose egress has begun."""

    @asynccontextmanager
    async def make() -> AsyncIterator[tuple[str, int, api.EgressInfo]]:
        call_id, token = await talking(deps)
        async with recording(deps):
            info = await until(lambda: is_recorded(stand_in, call_id))
            stand_in.begin(info)
            await until(lambda: began(deps, call_id))
            yield call_id, token, info

    return make


async def rows(deps: Deps, table: sa.Table, call_id: str) -> list[sa.Row[Any]]:
    mine = sa.select(table).where(table.c.call_id == call_id).order_by(*table.primary_key)
    async with deps.db.reading() as conn:
        return list((await conn.execute(mine)).all())


async def is_over(deps: Deps, call_id: str) -> bool:
    """Whether there is nothing more to do for the call."""
    unfinished = (jobs.c.call_id == call_id, jobs.c.finished_at.is_(None))
    async with deps.db.reading() as conn:
        return not await conn.scalar(sa.select(sa.exists().where(*unfinished)))


async def events(deps: Deps, call_id: str) -> list[str]:
    return [row.kind for row in await rows(deps, call_events, call_id) if row.kind.startswith("recording.")]


def as_egress_hears(pcm: Pcm) -> Pcm:
    """The agent on the left."""
    return np.ascontiguousarray(pcm[:, ::-1])


async def started_s(deps: Deps, call_id: str, number: int = 0) -> float:
    """The second since the call's start at which its first egress began, or the one of that number."""
    row = sorted(await rows(deps, egresses, call_id), key=lambda one: one.asked_at)[number]
    async with deps.db.reading() as conn:
        call = await CallStore(conn).get(None, call_id)
    return float((row.started_at - call.started_at).total_seconds())


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


async def began(deps: Deps, call_id: str) -> bool:
    return any(row.started_at for row in await rows(deps, egresses, call_id))


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


async def second_began_s(deps: Deps, call_id: str) -> float | None:
    both = [row for row in await rows(deps, egresses, call_id) if row.started_at is not None]
    return await started_s(deps, call_id, 1) if len(both) > 1 else None


async def test_when_the_answer_to_the_request_is_lost_there_is_no_second_egress(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    call_id, _token = await talking(deps)
    stand_in.answers_get_lost = True
    async with recording(deps):
        info = await until(lambda: is_recorded(stand_in, call_id))
        stand_in.begin(info)
        await until(lambda: began(deps, call_id))
    assert len(stand_in.asked_for) == 1
    assert [one for one in caplog.records if one.exc_info] == []


async def test_a_call_is_recorded_as_soon_as_there_is_an_egress_for_it(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, until: Until
) -> None:
    stand_in.refuses_with = Fault("unavailable", "no response from servers")
    call_id, _token = await talking(deps)
    async with recording(deps):
        await until(lambda: interrupted(deps, call_id))
        stand_in.refuses_with = None
        await until(lambda: is_recorded(stand_in, call_id))
    [event] = [row for row in await rows(deps, call_events, call_id) if row.kind == EventKind.RECORDING_INTERRUPTED]
    assert event.data == {"error": "no response from servers"}


async def interrupted(deps: Deps, call_id: str) -> bool:
    return EventKind.RECORDING_INTERRUPTED in await events(deps, call_id)


async def test_a_call_of_which_no_egress_left_a_file_has_no_recording_and_says_why(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, until: Until
) -> None:
    async def aborted(info: api.EgressInfo, _call_id: str) -> None:
        info.details = "Start signal not received"
        stand_in.end(info, None, Status.EGRESS_ABORTED)

    async def failed(info: api.EgressInfo, _call_id: str) -> None:
        info.error = "could not upload: access denied"
        stand_in.end(info, None, Status.EGRESS_FAILED)

    async def written_elsewhere(info: api.EgressInfo, _call_id: str) -> None:
        stand_in.end(info, None)

    async def died(_info: api.EgressInfo, call_id: str) -> None:
        async with deps.db.writing() as conn:
            ended_at = (await CallStore(conn).get(None, call_id)).ended_at
            an_hour_ago = sa.update(calls).where(calls.c.id == call_id)
            await conn.execute(an_hour_ago.values(ended_at=ended_at - timedelta(hours=1)))

    async def forgotten(info: api.EgressInfo, _call_id: str) -> None:
        del stand_in.known[info.egress_id]

    async def damaged(info: api.EgressInfo, call_id: str) -> None:
        [row] = await rows(deps, egresses, call_id)
        await deps.storage.put_file(row.key, BytesIO(b"no sound" * 100))
        stand_in.end(info, None)

    ends: dict[Callable[[api.EgressInfo, str], Awaitable[None]], str] = {
        aborted: "Start signal not received",
        failed: "could not upload: access denied",
        written_elsewhere: "CALLROOM_STORAGE_URL",
        died: "did not end with its call",
        forgotten: "knows nothing",
        damaged: "could not be decoded",
    }
    ids = {end: await talking(deps) for end in ends}
    async with recording(deps):
        infos = {end: await until(lambda one=one: is_recorded(stand_in, one)) for end, (one, _token) in ids.items()}
        await until(lambda: all_known(deps, len(ids)))
        for end, (call_id, token) in ids.items():
            await hang_up(deps.db, call_id, token)
            await end(infos[end], call_id)
        for call_id, _token in ids.values():
            await until(lambda call_id=call_id: is_over(deps, call_id))
    for end, (call_id, _token) in ids.items():
        [row] = await rows(deps, recordings, call_id)
        assert row.status == "failed", end
        assert ends[end] in row.error
    assert infos[died].status == Status.EGRESS_ENDING  # it was told to stop
    [row] = await rows(deps, egresses, ids[damaged][0])
    assert deps.storage.file(row.key) is not None  # it stays to be looked at


async def test_where_livekit_has_no_egress_recordings_fail_with_its_reason_and_erasures_end(
    sqlite_url: str,
    deps: Deps,
    stand_in: EgressStandIn,
    recorded: Recorded,
    until: Until,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with recorded() as (call_id, token, _info):
        pass
    stand_in.refuses_with = stand_in.knows_nothing = Fault("internal", "egress not connected (redis required)")
    never_recorded, its_token = await talking(deps)
    await hang_up(deps.db, call_id, token)
    async with recording(deps):
        await until(lambda: interrupted(deps, never_recorded))
        await hang_up(deps.db, never_recorded, its_token)
        await until(lambda: is_over(deps, never_recorded))
        row = await until(lambda: said_why(deps, call_id))
        assert row.status == "pending"
        async with deps.db.writing() as conn:
            an_hour_ago = sa.update(calls).where(calls.c.id == call_id)
            await conn.execute(an_hour_ago.values(ended_at=moment(conn) - timedelta(hours=1)))
            await erase_call(conn, DEFAULT_TENANT, never_recorded)
            await hurry(conn, call_id, ["store_recording"])
        for one in (call_id, never_recorded):
            await until(lambda one=one: is_over(deps, one))
    [row] = await rows(deps, recordings, call_id)
    assert row.status == "failed"
    assert "redis required" in row.error
    assert await rows(deps, egresses, never_recorded) == []
    warned = [one for one in caplog.records if "CALLROOM_RECORDER" in one.message]
    assert ["redis required" in vars(one)["error"] for one in warned] == [True]


async def said_why(deps: Deps, call_id: str) -> sa.Row[Any] | None:
    [row] = await rows(deps, recordings, call_id)
    return row if row.error else None


async def all_known(deps: Deps, count: int) -> bool:
    async with deps.db.reading() as conn:
        known = sa.select(sa.func.count()).select_from(egresses).where(egresses.c.status == "running")
        return await conn.scalar(known) == count


async def test_an_egress_that_was_given_up_and_runs_all_the_same_is_stopped_and_counts(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, recorded: Recorded, until: Until
) -> None:
    async with recorded() as (call_id, token, first):
        del stand_in.known[first.egress_id]  # a disturbance of LiveKit's Redis
        second = await until(lambda: is_recorded(stand_in, call_id))
        stand_in.known[first.egress_id] = first
        await hang_up(deps.db, call_id, token)
        for info, sound in ((second, None), (first, as_egress_hears(tone(LOW, 1)))):
            await until(lambda info=info: info.status == Status.EGRESS_ENDING)
            stand_in.end(info, sound)
        await until(lambda: is_over(deps, call_id))
    [row] = await rows(deps, recordings, call_id)
    assert row.status == "ready"
    assert [file.name for file in (deps.settings.state_dir / "storage").rglob("*.*")] == [f"{call_id}.wav"]


async def test_an_egress_whose_process_was_killed_is_followed_by_another(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, recorded: Recorded, until: Until
) -> None:
    async with recorded() as (call_id, _token, first):
        stand_in.killed.add(first.egress_id)
        await until(lambda: is_recorded(stand_in, call_id, 2))
    [event] = [row for row in await rows(deps, call_events, call_id) if row.kind == EventKind.RECORDING_INTERRUPTED]
    assert event.data["status"] == "lost"


async def test_of_a_call_that_never_began_nothing_is_kept(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, until: Until
) -> None:
    call_id, token = await not_begun(deps)
    async with recording(deps):
        info = await until(lambda: is_recorded(stand_in, call_id))
        stand_in.begin(info)
        write_ogg(deps.settings.recordings_dir / f"{call_id}.1.0.ogg", silence(1))  # the recorder was changed meanwhile
        async with deps.db.writing() as conn:
            await CallStore(conn).finish(call_id, EndReason.NOBODY_JOINED)
            await leases.release(conn, call_id, token)
        await bring(deps.settings)
        stand_in.end(info, as_egress_hears(silence(1)))
        await until(lambda: nothing_left(deps, call_id))
        await until(lambda: is_over(deps, call_id))
    [row] = await rows(deps, recordings, call_id)
    assert row.status == "failed"
    assert not stored_files(deps)


async def test_of_a_call_that_never_began_what_was_brought_before_its_end_goes_too(
    sqlite_url: str, deps: Deps, until: Until
) -> None:
    call_id, token = await not_begun(deps)
    write_ogg(deps.settings.recordings_dir / f"{call_id}.{token}.0.ogg", silence(1))
    await bring(deps.settings)
    assert stored_files(deps)
    async with deps.db.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.NOBODY_JOINED)
        await leases.release(conn, call_id, token)
    async with working(deps):
        await until(lambda: not stored_files(deps))


async def test_a_recording_is_kept_though_the_calls_beginning_is_told_after_its_end(
    sqlite_url: str, deps: Deps, until: Until
) -> None:
    call_id, token = await not_begun(deps)
    async with deps.db.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.NOBODY_JOINED)
    write_ogg(deps.settings.recordings_dir / f"{call_id}.{token}.0.ogg", tone(LOW, 2))
    await bring(deps.settings)
    async with working(deps):
        await until(lambda: is_put_off(deps, call_id))
        async with deps.db.writing() as conn:
            assert await CallStore(conn, at=moment(conn) - timedelta(seconds=5)).start(call_id)
            await leases.release(conn, call_id, token)
        await until(lambda: is_over(deps, call_id))
    [row] = await rows(deps, recordings, call_id)
    assert row.status == "ready"


async def test_what_a_lost_egress_uploads_after_all_becomes_the_recording(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, recorded: Recorded, until: Until
) -> None:
    async with recorded() as (call_id, token, lost):
        del stand_in.known[lost.egress_id]
        await hang_up(deps.db, call_id, token)
        await until(lambda: has_recording(deps, call_id, "failed"))
        stand_in.known[lost.egress_id] = lost
        stand_in.end(lost, as_egress_hears(tone(LOW, 1)))
        async with deps.db.writing() as conn:
            await egress.note(conn, lost)
        await until(lambda: has_recording(deps, call_id, "ready"))


async def not_begun(deps: Deps) -> tuple[str, int]:
    """A call whose agent has not written yet that it began."""
    call_id, token = await talking(deps)
    async with deps.db.writing() as conn:
        never = sa.update(calls).where(calls.c.id == call_id)
        await conn.execute(never.values(started_at=None, status="connecting"))
    return call_id, token


async def has_recording(deps: Deps, call_id: str, status: str) -> bool:
    return [row.status for row in await rows(deps, recordings, call_id)] == [status]


async def is_put_off(deps: Deps, call_id: str) -> bool:
    return any(job.run_at > job.created_at for job in await rows(deps, jobs, call_id) if job.kind == "store_recording")


def stored_files(deps: Deps) -> list[Path]:
    return [file for file in (deps.settings.state_dir / "storage").rglob("*") if file.is_file()]


async def nothing_left(deps: Deps, call_id: str) -> bool:
    return not await rows(deps, egresses, call_id)


async def test_the_erasure_of_a_call_waits_for_what_its_egress_still_uploads(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, recorded: Recorded, until: Until
) -> None:
    async with recorded() as (call_id, token, info):
        await hang_up(deps.db, call_id, token)
        async with deps.db.writing() as conn:
            await erase_call(conn, DEFAULT_TENANT, call_id)
        await until(lambda: info.status == Status.EGRESS_ENDING)
        assert await rows(deps, egresses, call_id)
        stand_in.end(info, as_egress_hears(tone(LOW, 1)))
        await until(lambda: nothing_left(deps, call_id))
        await until(lambda: is_over(deps, call_id))
    assert not stored_files(deps)
    assert await rows(deps, recordings, call_id) == []


async def test_what_a_lost_egress_uploads_after_the_erasure_is_removed_too(
    sqlite_url: str, deps: Deps, stand_in: EgressStandIn, recorded: Recorded, until: Until
) -> None:
    async with recorded() as (call_id, token, lost):
        del stand_in.known[lost.egress_id]
        second = await until(lambda: is_recorded(stand_in, call_id))
        stand_in.begin(second)
        await hang_up(deps.db, call_id, token)
        stand_in.end(second, as_egress_hears(tone(LOW, 1)))
        await until(lambda: is_over(deps, call_id))
        [row] = await rows(deps, recordings, call_id)
        assert row.status == "ready"
        for erased in (False, True):
            [kept] = await rows(deps, egresses, call_id)
            stand_in.end(lost, as_egress_hears(tone(HIGH, 1)))
            assert deps.storage.file(kept.key) is not None
            async with deps.db.writing() as conn:
                if erased:
                    await egress.note(conn, lost)
                else:
                    await erase_call(conn, DEFAULT_TENANT, call_id)
            await until(lambda kept=kept: deps.storage.file(kept.key) is None)
            await until(lambda: not_at_work(deps, call_id))
        async with deps.db.writing() as conn:
            a_day_ago = moment(conn) - egress.LATEST
            await conn.execute(sa.update(egresses).values(asked_at=a_day_ago))
            await hurry(conn, call_id, [egress.LATE_JOB])
        await until(lambda: is_over(deps, call_id))
        assert await rows(deps, egresses, call_id) == []
    assert not stored_files(deps)


async def not_at_work(deps: Deps, call_id: str) -> bool:
    """Whether the erasure is done, and nothing else is being done."""
    async with deps.db.reading() as conn:
        soon = moment(conn) + timedelta(minutes=5)
        unfinished = (jobs.c.call_id == call_id, jobs.c.finished_at.is_(None), jobs.c.run_at < soon)
        return not await conn.scalar(sa.select(sa.exists().where(*unfinished)))


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

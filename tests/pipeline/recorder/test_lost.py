"""Answers, egresses and their files that get lost, and what becomes of the recording."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from livekit import api

from calls.database.clock import moment
from calls.database.engine import DEFAULT_TENANT
from calls.events import EventKind
from calls.jobs import hurry
from calls.privacy.erasure import erase_call
from calls.recordings import egress
from calls.store import CallStore
from calls.tables import call_events, calls, egresses, recordings
from pipeline.deps import Deps
from tests.conftest import Until
from tests.egress import EgressStandIn, Status
from tests.pipeline.finished import hang_up
from tests.pipeline.recorder.egresses import (
    LOW,
    Recorded,
    as_egress_hears,
    began,
    interrupted,
    is_over,
    is_recorded,
    recording,
    rows,
    talking,
)
from tests.pipeline.sound import tone
from tests.telephony.proxy import Fault

pytestmark = pytest.mark.restless


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


async def has_recording(deps: Deps, call_id: str, status: str) -> bool:
    return [row.status for row in await rows(deps, recordings, call_id)] == [status]

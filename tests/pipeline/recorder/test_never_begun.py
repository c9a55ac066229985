"""Of a call that never began no recording is kept."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from calls.database.clock import moment
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import calls, jobs, recordings
from calls.workers import leases
from pipeline.deps import Deps
from tests.conftest import Until
from tests.egress import EgressStandIn
from tests.pipeline.finished import bring, working
from tests.pipeline.recorder.egresses import (
    LOW,
    as_egress_hears,
    is_over,
    is_recorded,
    nothing_left,
    recording,
    rows,
    stored_files,
    talking,
)
from tests.pipeline.sound import silence, tone, write_ogg

pytestmark = pytest.mark.restless


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


async def not_begun(deps: Deps) -> tuple[str, int]:
    """A call whose agent has not written yet that it began."""
    call_id, token = await talking(deps)
    async with deps.db.writing() as conn:
        never = sa.update(calls).where(calls.c.id == call_id)
        await conn.execute(never.values(started_at=None, status="connecting"))
    return call_id, token


async def is_put_off(deps: Deps, call_id: str) -> bool:
    return any(job.run_at > job.created_at for job in await rows(deps, jobs, call_id) if job.kind == "store_recording")

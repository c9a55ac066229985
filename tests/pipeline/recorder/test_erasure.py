"""The erasure of a call goes for what its egress uploads, however late."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from calls.database.clock import moment
from calls.database.engine import DEFAULT_TENANT
from calls.jobs import hurry
from calls.privacy.erasure import erase_call
from calls.recordings import egress
from calls.tables import egresses, jobs, recordings
from pipeline.deps import Deps
from tests.conftest import Until
from tests.egress import EgressStandIn, Status
from tests.pipeline.finished import hang_up
from tests.pipeline.recorder.egresses import (
    HIGH,
    LOW,
    Recorded,
    as_egress_hears,
    is_over,
    is_recorded,
    nothing_left,
    rows,
    stored_files,
)
from tests.pipeline.sound import tone

pytestmark = pytest.mark.restless


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

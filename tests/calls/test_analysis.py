"""Asking for a call's post-call work again."""

import pytest
import sqlalchemy as sa

from calls import leases
from calls.analysis import reprocess
from calls.database import DEFAULT_TENANT
from calls.errors import Invalid, NotFound
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents, jobs

SCHEMA = {"type": "object", "properties": {"booked": {"type": "boolean"}}}


async def test_reprocessing_takes_the_agents_sections_of_today_and_keeps_the_calls_own(
    database, agent, running, finish
):
    then = {"summary": {"enabled": True, "prompt": "old"}, "evaluation": {"rubric": "old"}}
    own = {"evaluation": {"rubric": "own"}}
    call, token = await running(agent={**agent, "post_call": then}, post_call={**then, **own})
    await finish(call.id, EndReason.CALLER_HUNG_UP)
    today = {"summary": {"enabled": True, "prompt": "new"}, "structured_extraction": {"json_schema": SCHEMA}}
    async with database.writing() as connection:
        await leases.release(connection, call.id, token)
        await connection.execute(sa.update(agents).values(config={"post_call": today}))
        job_id = await reprocess(connection, DEFAULT_TENANT, call.id)
        assert await reprocess(connection, DEFAULT_TENANT, call.id) == job_id
        row = await CallStore(connection).get(DEFAULT_TENANT, call.id)
        queued = (await connection.execute(sa.select(jobs).where(jobs.c.kind == "post_call"))).all()
    assert row.post_call == {**today, **own}
    assert row.intelligence_status == "pending"
    assert len(queued) == 2
    assert len({job.ordering_key for job in queued}) == 1


async def test_only_a_completed_call_of_the_tenant_can_be_reprocessed(database, running):
    call, _ = await running()
    async with database.writing() as connection:
        with pytest.raises(Invalid, match="in_progress"):
            await reprocess(connection, DEFAULT_TENANT, call.id)
        with pytest.raises(NotFound):
            await reprocess(connection, "another", call.id)

"""What is written down of egresses, on both databases."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from livekit import api

from calls.database.clock import moment
from calls.database.engine import Database
from calls.placing.creation import NewCall
from calls.recordings import egress
from calls.store import CallStore
from calls.tables import calls, egresses

RECORDED = {"recording": {"enabled": True}}


async def begun(database: Database, call: NewCall) -> Any:
    async with database.writing() as connection:
        return await egress.begin(connection, await CallStore(connection).get(None, call.id))


async def test_a_call_that_is_to_be_recorded_has_one_egress_at_a_time(database, running):
    [(recorded, _), (unrecorded, _), (nulled, _)] = [
        await running(post_call=post_call) for post_call in (RECORDED, {}, {"recording": None})
    ]
    async with database.reading() as connection:
        assert [due.id for due in await egress.find_due(connection)] == [recorded.id]
    row = await begun(database, recorded)
    assert row.key == f"recordings/{recorded.tenant_id}/{recorded.id}.{row.id}.ogg"
    for call in (recorded, unrecorded, nulled):
        assert await begun(database, call) is None
    async with database.writing() as connection:
        assert await egress.find_due(connection) == []
        await egress.refuse(connection, row, "no response from servers")
    assert (await begun(database, recorded)).id != row.id


async def test_after_a_few_failures_no_further_egress_is_asked_for(database, running):
    call, _token = await running(post_call=RECORDED)
    failures = 0
    while (row := await begun(database, call)) is not None:
        failures += 1
        info = api.EgressInfo(egress_id=f"EG_{failures}", status=api.EgressStatus.EGRESS_FAILED)
        info.file_results.add(filename=row.key)
        async with database.writing() as connection:
            await egress.note(connection, info)
    assert failures == egress.MOST_FAILED


async def test_what_livekit_never_told_of_is_no_failure(database, running):
    call, _token = await running(post_call=RECORDED)
    for _ in range(egress.MOST_FAILED + 1):
        row = await begun(database, call)
        async with database.writing() as connection:
            await egress.lose(connection, row, "LiveKit knows nothing of it")
    assert await begun(database, call) is not None


async def test_a_lost_egress_of_a_call_that_never_began_is_seen_to_by_one_job(database, running):
    call, _token = await running(post_call=RECORDED)
    row = await begun(database, call)
    async with database.writing() as connection:
        await egress.lose(connection, row, "LiveKit knows nothing of it")
        over = {"started_at": None, "status": "failed", "transcript_closed_at": moment(connection)}
        await connection.execute(sa.update(calls).values(over))
        never_began = await CallStore(connection).get(None, call.id)
        assert [due.id for due in await egress.find_due(connection)] == [call.id]
        assert not await egress.forget(connection, never_began)
        assert await egress.find_due(connection) == []
        assert [one.id for one in await egress.read(connection, call.id)] == [row.id]


async def test_what_is_due_is_found_among_many_calls_by_indexes_alone(database, running):
    """The planner knows how many calls there are that never began, and how many files that a recording was made of."""
    call, _token = await running(post_call=RECORDED)
    asked: list[Any] = []

    def note(_connection, _cursor, statement, parameters, *_context):
        asked.append((statement, parameters))

    async with database.writing() as connection:
        one = (await connection.execute(sa.select(calls).where(calls.c.id == call.id))).mappings().one()
        over = {"started_at": None, "status": "failed", "transcript_closed_at": moment(connection)}
        others = [str(uuid.uuid4()) for _ in range(2000)]
        await connection.execute(sa.insert(calls), [{**one, **over, "id": id_, "room_name": id_} for id_ in others])
        kept = [{"id": id_, "call_id": call.id, "status": "kept", "key": id_} for id_ in others]
        await connection.execute(sa.insert(egresses), kept)
        await connection.execute(sa.text("ANALYZE"))
        sa.event.listen(connection.sync_connection, "before_cursor_execute", note)
        assert [due.id for due in await egress.find_due(connection)] == [call.id]
        sa.event.remove(connection.sync_connection, "before_cursor_execute", note)
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        plans = [(await connection.exec_driver_sql(explain + query, given)).all() for query, given in asked]
    assert len(plans) == len(asked) == 2
    for plan, index in zip(plans, ("ix_calls_unfinished", "ix_egresses_unused"), strict=True):
        assert index in str(plan)
        assert "SCAN calls'" not in str(plan)
        assert "Seq Scan on calls" not in str(plan)


@pytest.mark.parametrize(("ahead_s", "late_s"), [(0, 0), (3600, 1), (-3600, -6)])
async def test_a_wrong_clock_puts_a_file_no_earlier_than_it_was_asked_for_and_no_later_than_it_was_told_of(
    database, running, ahead_s, late_s
):
    call, _token = await running(post_call=RECORDED)
    row = await begun(database, call)
    now_s = time.time()
    async with database.writing() as connection:
        ten_ago = datetime.fromtimestamp(now_s - 10, UTC)
        await connection.execute(sa.update(egresses).values(asked_at=ten_ago))
        # Its first sound came four seconds ago, and this was said a second ago.
        info = api.EgressInfo(egress_id="EG_1", status=api.EgressStatus.EGRESS_ACTIVE)
        info.file_results.add(filename=f"/anywhere/{row.key}", started_at=round((now_s - 4 + ahead_s) * 1e9))
        info.updated_at = round((now_s - 1 + ahead_s) * 1e9)
        await egress.note(connection, info)
        written = await connection.scalar(sa.select(egresses.c.started_at))
    expected = datetime.fromtimestamp(now_s - 4 + late_s, UTC)
    late = written - expected
    assert timedelta(milliseconds=-1) < late if ahead_s > 0 else abs(late) < timedelta(milliseconds=1)

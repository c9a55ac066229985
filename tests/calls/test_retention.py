"""What has been kept for long enough is erased, by the days of the agent, else of its tenant."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import NotFound
from calls.placing.creation import NewCall
from calls.privacy import retention
from calls.privacy.retention import FOREVER, erase_expired, set_retention
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents, call_events, calls, jobs, recordings, segments
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.conftest import now

Running = Callable[..., Awaitable[tuple[NewCall, int]]]


@pytest.fixture
def talked(database: Database, running: Running) -> Callable[..., Awaitable[str]]:
    """`await talked(days)`: a call that ended so many days ago, with a transcript and a recording; its id."""

    async def make(days: int, *, says: bool = True) -> str:
        call, token = await running()
        async with database.writing() as connection:
            if says:
                await write_segments(connection, call.id, token, [Segment(0, "user", "Hello", 0, 900, is_final=True)])
                await connection.execute(
                    sa.insert(recordings).values(id=call.id, call_id=call.id, status="ready", format="wav")
                )
            await CallStore(connection).finish(call.id, EndReason.CALLER_HUNG_UP)
            await leases.release(connection, call.id, token)
            ended = sa.update(calls).where(calls.c.id == call.id)
            await connection.execute(ended.values(ended_at=now() - timedelta(days=days)))
        return call.id

    return make


async def configure(database: Database, agent_days: dict[str, int | None], **tenant_days: int | None) -> None:
    async with database.writing() as connection:
        await connection.execute(sa.update(agents).values(config={"retention_days": agent_days}))
        await set_retention(connection, DEFAULT_TENANT, **{"recordings": None, "transcripts": None} | tenant_days)


async def kept(database: Database, table: sa.Table) -> set[str]:
    async with database.reading() as connection:
        return set(await connection.scalars(sa.select(table.c.call_id)))


async def erased(database: Database) -> dict[str, list[str]]:
    """Call -> what its log says was erased of it."""
    query = sa.select(call_events.c.call_id, call_events.c.data).where(call_events.c.kind == "call.erased")
    async with database.reading() as connection:
        return {call_id: data["parts"] for call_id, data in await connection.execute(query)}


async def test_transcripts_and_recordings_go_each_after_its_own_days(database, talked):
    old, middle, young = await talked(31), await talked(11), await talked(9)
    await configure(database, {"transcripts": 10, "recordings": 30})
    await erase_expired(database)
    assert await kept(database, segments) == {young}
    log = {call_id: data for call_id, data in (await erased(database)).items() if call_id != old}
    assert log == {middle: ["transcript"]}
    async with database.reading() as connection:
        rows = {row.id: row for row in await connection.execute(sa.select(calls))}
        queued = set(await connection.scalars(sa.select(jobs.c.call_id).where(jobs.c.kind == "erase")))
    assert {call_id for call_id, row in rows.items() if row.recording_erased_at is not None} == {old}
    assert queued == {old, middle}
    assert {row.primary_identity for row in rows.values()} == {"ada"}


async def test_the_tenants_days_are_those_of_agents_that_say_nothing(database, talked):
    call_id = await talked(20)
    await configure(database, {"transcripts": None}, transcripts=21)
    await erase_expired(database)
    assert await kept(database, segments) == {call_id}
    await configure(database, {"transcripts": 30}, transcripts=19)
    await erase_expired(database)
    assert await kept(database, segments) == {call_id}
    await configure(database, {}, transcripts=19)
    await erase_expired(database)
    assert await kept(database, segments) == set()


async def test_without_any_days_everything_is_kept_for_ever(database, talked):
    call_id = await talked(20_000)
    await configure(database, {}, transcripts=1, recordings=1)
    await configure(database, {}, transcripts=FOREVER, recordings=FOREVER)
    await erase_expired(database)
    assert await kept(database, segments) == {call_id}
    assert await erased(database) == {}


async def test_calls_that_run_or_had_nothing_are_left_alone_and_however_many_are_due_go(
    database, talked, running, monkeypatch
):
    monkeypatch.setattr(retention, "SLICE", 2)
    due = [await talked(11) for _ in range(5)]
    silent = await talked(11, says=False)
    await running()
    await configure(database, {"transcripts": 10, "recordings": 10})
    await erase_expired(database)
    assert set(await erased(database)) == set(due)
    async with database.reading() as connection:
        marked = set(await connection.scalars(sa.select(calls.c.id).where(calls.c.transcript_erased_at.is_not(None))))
    assert marked == {*due, silent}


async def test_what_is_due_is_found_among_many_erased_calls_by_an_index_alone(database, talked):
    """A planner that knows how many there are has no reason to take another one."""
    call_id = await talked(1)
    async with database.writing() as connection:
        one = (await connection.execute(sa.select(calls).where(calls.c.id == call_id))).mappings().one()
        erased = dict(one) | {"transcript_erased_at": now()}
        others = [erased | {"id": other, "room_name": other} for other in (str(uuid.uuid4()) for _ in range(2000))]
        await connection.execute(sa.insert(calls), others)
        await connection.execute(sa.text("ANALYZE calls"))
    async with database.reading() as connection:
        due = sa.select(calls.c.id).where(
            calls.c.agent_id.in_([one["agent_id"], str(uuid.uuid4())]),
            calls.c.transcript_erased_at.is_(None),
            calls.c.transcript_closed_at.is_not(None),
            calls.c.ended_at < now(),
        )
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        compiled = due.compile(connection.engine.sync_engine, compile_kwargs={"literal_binds": True})
        plan = str((await connection.execute(sa.text(explain + str(compiled).replace(":", r"\:")))).all())
    assert "ix_calls_transcript_kept" in plan


async def test_an_unknown_tenant_has_no_days(database):
    async with database.writing() as connection:
        with pytest.raises(NotFound):
            await set_retention(connection, "nobody", recordings=1, transcripts=None)

"""What is erased is in no table any more, whatever stood where; what a call cost stays."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from calls.analysis.notes import Note, keep_note
from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import Conflict, NotFound
from calls.events import EventKind
from calls.jobs import SHARED_LANE_WIDTHS, JobQueue, enqueue
from calls.latency import Turn, write_turns
from calls.listing import Wanted, list_calls
from calls.placing import batches
from calls.placing.creation import NewCall
from calls.privacy.erasure import Part, erase, erase_call
from calls.search.words import phrases_of
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import (
    agents,
    call_counts,
    call_events,
    calls,
    deliveries,
    egresses,
    generations,
    idempotency_keys,
    jobs,
    metadata,
    notes,
    participants,
    recordings,
    results,
    segments,
    tenants,
    tool_calls,
    turns,
)
from calls.tables import batches as batch_rows
from calls.tenants import webhooks
from calls.transcript import Segment, write_segments
from calls.workers import leases

Running = Callable[..., Awaitable[tuple[NewCall, int]]]

MARK = "marzipan"
# A new table belongs here, or among those of which nothing may be left after an erasure.
NOT_OF_A_CALL = {
    *(
        "tenants",
        "api_keys",
        "sessions",
        "agents",
        "agent_changes",
        "call_counts",
        "numbers",
        "dnc",
        "trunks",
        "telephony",
        "webhooks",
    ),
    "tool_secrets",
    *("share_links", "share_calls", "share_visits"),  # ids, numbers, and for an hour addresses
    *("rate_windows", "leases", "workers", "processes", "stays"),
    *("usage", "answer_times"),  # numbers, of all calls together
    "recording_pieces",  # ids and numbers; their files are the job's to remove
    "unindexed",  # ids: what was said is read when it is their turn
    "batches",  # but for its answer, which has a test of its own
}
OF_A_CALL = (
    *(
        calls,
        participants,
        segments,
        tool_calls,
        turns,
        call_events,
        generations,
        results,
        notes,
        recordings,
        egresses,
        jobs,
        deliveries,
    ),
    idempotency_keys,
)
# Columns of these that say nothing of what was said or who was there: ids, and words of ours.
KEPT = {
    "calls": {"room_name", "status", "end_reason", "intelligence_status", "primary_transport", "batch_id"},
    "participants": {"transport", "status", "end_reason", "from_number"},
    "segments": {"speaker"},
    "tool_calls": {"name", "status"},
    "generations": {"status"},
    "results": {"stage", "status"},
    "notes": {"stage"},
    "recordings": {"status", "format"},
    "egresses": {"status"},
    "deliveries": {"event", "status"},
    "call_events": {"level", "kind", "source"},
    "jobs": {"queue", "kind", "state", "ordering_key", "lane", "dedup", "worker", "token"},
    "idempotency_keys": {"key", "scope", "body_hash"},
}
# The recording's rows go once its files are removed: that is the job's.
BY_THE_JOB = {"recordings", "egresses"}


def marked(table: sa.Table) -> dict[str, Any]:
    """A value that is to be gone for every column that could tell something."""
    texts = [column for column in table.columns if isinstance(column.type, sa.JSON | sa.String)]
    own = [one for one in texts if one.name not in KEPT.get(table.name, ()) and not one.name.endswith("id")]
    return {one.name: {"name": MARK} if isinstance(one.type, sa.JSON) else MARK for one in own}


async def talked(database: Database, running: Running, **fields: Any) -> str:
    """A call that is over, with a row in every table; its id."""
    call, token = await running(**fields)
    async with database.writing() as connection:
        said = Segment(0, "user", f"I would like {MARK}", 0, 900, is_final=True)
        await write_segments(connection, call.id, token, [said])
        await CallStore(connection).finish(call.id, EndReason.CALLER_HUNG_UP)
        await leases.release(connection, call.id, token)
        await write_turns(connection, call.id, [Turn(400, 100, 700, 900)])
        completed = {"call_id": call.id, "status": "completed"}
        asked = {"id": call.id, "name": "look_up", "started_at_ms": 0}
        await connection.execute(sa.insert(tool_calls).values(**completed, **asked))
        at = (await CallStore(connection).get(None, call.id)).created_at
        await connection.execute(sa.insert(generations).values(**completed, number=1, post_call={}, asked_at=at))
        await connection.execute(sa.insert(results).values(**completed, generation=1, stage="summary"))
        of_the_part = {"call_id": call.id, "generation": 1, "stage": "summary"}
        await connection.execute(sa.insert(notes).values(**of_the_part, asked=MARK, room=1000, text=MARK))
        await connection.execute(
            sa.insert(recordings).values(id=call.id, call_id=call.id, status="ready", format="wav", peaks=b"loud")
        )
        asked_for = {"id": call.id, "call_id": call.id, "status": "ended", "key": MARK}
        await connection.execute(sa.insert(egresses).values(asked_for))
        answer = {"body": {"id": call.id, "participants": [{"identity": MARK, "access": {"token": MARK}}]}}
        kept = {"tenant_id": DEFAULT_TENANT, "key": call.id, "scope": "/v1/calls", "body_hash": "h", "answer": answer}
        created_at = (await CallStore(connection).get(None, call.id)).created_at
        await connection.execute(sa.insert(idempotency_keys).values(kept | {"created_at": created_at}))
        await enqueue(connection, "done", {}, queue="done", tenant_id=DEFAULT_TENANT, call_id=call.id)
        done = sa.update(jobs).where(jobs.c.kind == "done", jobs.c.call_id == call.id)
        await connection.execute(done.values(state="completed", finished_at=jobs.c.created_at))
        for table in OF_A_CALL:
            if table is idempotency_keys:
                continue
            values = marked(table)
            if table is calls:
                values["agent"] = {**call.agent, "system_prompt": MARK}
            mine = (table.c.id if table is calls else table.c.call_id) == call.id
            assert (await connection.execute(sa.update(table).where(mine).values(values))).rowcount, table.name
    return call.id


async def found_by_words(database: Database, text: str) -> list[str]:
    """The calls whose transcript has these words."""
    async with database.reading() as connection:
        wanted = Wanted(phrases=tuple(phrases_of(text)))
        return [row.id for row in (await list_calls(connection, DEFAULT_TENANT, wanted, limit=50)).rows]


async def found(database: Database, text: str) -> set[str]:
    """The tables in which the text stands anywhere."""
    tables = set()
    async with database.reading() as connection:
        for table in metadata.sorted_tables:
            rows = (await connection.execute(sa.select(table))).all()
            if any(text in str(row) for row in rows):
                tables.add(table.name)
    return tables


@pytest.fixture(autouse=True)
async def _listened_to(database: Database, keyring: Keyring) -> None:
    """A server of the tenant's is told everything."""
    async with database.writing() as connection:
        told = list(webhooks.WebhookEvent)
        await webhooks.create_webhook(connection, keyring, DEFAULT_TENANT, url="https://a.b", events=told)


async def row(database: Database, call_id: str) -> sa.Row[Any]:
    async with database.reading() as connection:
        return await CallStore(connection).get(None, call_id)


def test_every_table_is_known_to_hold_something_of_calls_or_not():
    assert set(metadata.tables) == NOT_OF_A_CALL | {table.name for table in OF_A_CALL}


async def test_of_an_erased_call_nothing_is_left_in_any_table_but_its_bill(database, running):
    call_id, other_id = await talked(database, running), await talked(database, running)
    before = await row(database, call_id)
    assert await found(database, MARK) == {table.name for table in OF_A_CALL}
    async with database.writing() as connection:
        counts = (await connection.execute(sa.select(call_counts))).all()
        await erase_call(connection, DEFAULT_TENANT, call_id)
    after = await row(database, call_id)
    billed = ("status", "end_reason", "started_at", "ended_at", "bill_duration", "cost_micros", "participant_count")
    assert [getattr(after, name) for name in billed] == [getattr(before, name) for name in billed]
    assert None not in {after.erased_at, after.transcript_erased_at, after.recording_erased_at}
    async with database.reading() as connection:
        assert (await connection.execute(sa.select(call_counts))).all() == counts
        assert set(await connection.scalars(sa.select(recordings.c.peaks))) == {None, b"loud"}
        happened = sa.select(call_events).where(call_events.c.call_id == call_id).order_by(call_events.c.id)
        *log, last = (await connection.execute(happened)).all()
    assert {(event.message, event.data) for event in log} == {(event.kind, None) for event in log}
    assert last.data == {"parts": ["transcript", "recording", "participants"]}
    async with database.writing() as connection:
        await erase_call(connection, DEFAULT_TENANT, other_id)
        await keep_note(connection, other_id, 1, "summary", Note(MARK, 1000, MARK))  # of a model that was at work
    assert await found(database, MARK) == BY_THE_JOB


async def test_what_is_erased_of_one_call_stays_of_the_others(database, running):
    call_id, other_id = await talked(database, running), await talked(database, running)
    async with database.writing() as connection:
        before = {t.name: (await connection.execute(sa.select(t).order_by(*t.primary_key))).all() for t in OF_A_CALL}
        await erase_call(connection, DEFAULT_TENANT, call_id)
        for table in OF_A_CALL:
            rows = (await connection.execute(sa.select(table).order_by(*table.primary_key))).all()
            assert [one for one in rows if other_id in str(one)] == [
                o for o in before[table.name] if other_id in str(o)
            ]


async def test_the_transcript_goes_with_what_was_made_of_it_and_the_people_stay(database, running):
    call_id = await talked(database, running)
    assert await found_by_words(database, MARK) == [call_id]
    async with database.writing() as connection:
        told = {"message": MARK, "data": {"error": MARK}}
        await connection.execute(sa.update(call_events).values(source="post_call", **told))
        pressed = (EventKind.DTMF_RECEIVED, "telephony", "Keys were pressed")
        await CallStore(connection).add_event(call_id, *pressed, data={"digits": MARK})
        for kind, queue in (("store_recording", "recording"), ("post_call", "post_call")):
            await enqueue(connection, kind, {}, queue=queue, tenant_id=DEFAULT_TENANT, call_id=call_id)
        await erase(connection, call_id, {Part.TRANSCRIPT})
        waiting = sa.select(jobs.c.kind).where(jobs.c.state == "waiting")
        assert set(await connection.scalars(waiting)) == {"store_recording", "erase"}
    assert await found(database, MARK) == {"calls", "participants", "idempotency_keys"} | BY_THE_JOB
    assert await found_by_words(database, MARK) == []
    after = await row(database, call_id)
    assert (after.erased_at, after.recording_erased_at) == (None, None)


async def test_an_answer_to_many_loses_only_the_name_of_the_erased_call(database, running):
    async with database.writing() as connection:
        assert await batches.begin(connection, DEFAULT_TENANT, "spring", DEFAULT_TENANT, "a hash") is None
    call_id = await talked(database, running, batch_id="spring")
    async with database.writing() as connection:
        answer = {"calls": [{"id": call_id, "identity": MARK}, {"id": "another", "identity": "bob"}]}
        await connection.execute(sa.update(idempotency_keys).values(answer={"body": answer, "room_of": None}))
        await connection.execute(sa.update(batch_rows).values(answer=answer))
        await erase_call(connection, DEFAULT_TENANT, call_id)
        [kept] = await connection.scalars(sa.select(idempotency_keys.c.answer))
        [kept_of_batch] = await connection.scalars(sa.select(batch_rows.c.answer))
    left = {"calls": [{"id": call_id, "identity": "erased"}, {"id": "another", "identity": "bob"}]}
    assert (kept["body"], kept_of_batch) == (left, left)


async def test_the_erasures_of_one_tenant_leave_a_place_for_those_of_another(database, running, finish):
    few, width = str(uuid.uuid4()), SHARED_LANE_WIDTHS["erasure"]
    async with database.writing() as connection:
        await connection.execute(sa.insert(tenants).values(id=few, name="Few"))
    for tenant_id in [DEFAULT_TENANT] * (width + 2) + [few]:
        call, token = await running(tenant_id=tenant_id)
        await finish(call.id, EndReason.CALLER_HUNG_UP)
        async with database.writing() as connection:
            await leases.release(connection, call.id, token)
            await erase_call(connection, tenant_id, call.id)
    queue = JobQueue(database, "here", 60)
    first = await queue.claim("erasure", width + 1)
    assert [job.tenant_id for job in first] == [DEFAULT_TENANT] * width
    assert [job.tenant_id for job in await queue.claim("erasure", 1)] == [few]


async def test_only_a_call_of_ones_own_that_is_over_and_written_is_erased(database, running, finish):
    call, token = await running()
    for step in (None, finish):
        if step:
            await step(call.id, EndReason.CALLER_HUNG_UP)
        async with database.writing() as connection:
            with pytest.raises(Conflict):
                await erase_call(connection, DEFAULT_TENANT, call.id)
    async with database.writing() as connection:
        await leases.release(connection, call.id, token)
        await connection.execute(sa.insert(tenants).values(id="another", name="Another"))
        with pytest.raises(NotFound):
            await erase_call(connection, "another", call.id)
        await erase_call(connection, DEFAULT_TENANT, call.id)
        await erase_call(connection, DEFAULT_TENANT, call.id)
        assert await connection.scalar(sa.select(sa.func.count()).where(jobs.c.kind == "erase")) == 1
        assert await connection.scalar(sa.select(sa.func.count()).select_from(agents)) == 1

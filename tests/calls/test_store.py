"""The call's transitions, on both databases."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from calls.counts import total
from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import NotFound
from calls.jobs import NEVER, count_jobs
from calls.migrations import alembic_config, upgrade_schema
from calls.placing.creation import NewParticipant
from calls.states import CallStatus, EndReason, outcome
from calls.store import CallStore
from calls.tables import call_events, deliveries, jobs, participants, recordings, stays
from calls.tenants.webhooks import WebhookEvent, create_webhook
from calls.workers import leases

pytestmark = pytest.mark.restless


async def row_of(database: Database, call_id: str) -> sa.Row[Any]:
    async with database.reading() as connection:
        return await CallStore(connection).get(None, call_id)


async def events_of(database: Database, call_id: str) -> list[str]:
    query = sa.select(call_events.c.message).where(call_events.c.call_id == call_id).order_by(call_events.c.id)
    async with database.reading() as connection:
        return list((await connection.execute(query)).scalars())


async def jobs_of(database: Database, call_id: str) -> list[str]:
    async with database.reading() as connection:
        query = sa.select(jobs.c.kind).where(jobs.c.call_id == call_id).order_by(jobs.c.id)
        return list((await connection.execute(query)).scalars())


async def test_a_phone_that_was_given_up_does_not_come_in_beside_its_next_call(database, running):
    call, _token = await running()
    number = "+15551234567"
    async with database.writing() as connection:
        store = CallStore(connection)
        [first] = await store.add_participants(DEFAULT_TENANT, call.id, [NewParticipant("pstn", number)]) or []
        assert await store.dialing(call.id, first.id)
        assert await store.leg_failed(call.id, first.room_identity, EndReason.NETWORK_ERROR)
        [again] = await store.add_participants(DEFAULT_TENANT, call.id, [NewParticipant("pstn", number)]) or []
        assert not await store.participant_joined(call.id, first.room_identity)
        assert await store.participant_joined(call.id, again.room_identity)


async def test_a_browser_call_begins_connecting_and_a_phone_call_queued_with_its_jobs(database, place):
    browser = await place()
    phone = await place(participants=[NewParticipant("pstn", "+15551234567")])
    assert (await row_of(database, browser.id)).status == "connecting"
    assert (await row_of(database, phone.id)).status == "queued"
    assert await jobs_of(database, browser.id) == []
    assert await jobs_of(database, phone.id) == ["dial"]


async def test_no_dial_waits_for_a_phone_that_is_not_to_be_called_any_more(database, place, running, finish):
    for reason in (EndReason.ENDED_BY_API, EndReason.CANCELED):
        await finish((await place(participants=[NewParticipant("pstn", "+15551234567")])).id, reason)
    first, second = (NewParticipant("pstn", number) for number in ("+15551234567", "+15551234568"))
    failed = await place(participants=[first, second])
    goes_on, _token = await running()

    async def counted() -> dict[str, int]:
        async with database.reading() as connection:
            return await count_jobs(connection, DEFAULT_TENANT, "dial")

    async with database.writing() as connection:
        store = CallStore(connection)
        await store.leg_failed(failed.id, first.room_identity, EndReason.TELEPHONY_UNAVAILABLE)
        [added] = await store.add_participants(DEFAULT_TENANT, goes_on.id, [replace(first, id=str(uuid.uuid4()))]) or []
        await store.leg_failed(goes_on.id, added.room_identity, EndReason.DO_NOT_CALL)
    assert await counted() == {"waiting": 1, "active": 0, "completed": 0, "failed": 4}, "one may still be called"
    async with database.writing() as connection:
        await CallStore(connection).leg_failed(failed.id, second.room_identity, EndReason.TELEPHONY_UNAVAILABLE)
    assert (await counted())["waiting"] == 0
    async with database.reading() as connection:
        kept_for_ever = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.finished_at.is_(None))
        assert await connection.scalar(kept_for_ever) == 0


async def test_dials_that_waited_for_calls_of_before_are_called_off(database, place, finish):
    phone = [NewParticipant("pstn", "+15551234567")]
    over, waits = await place(participants=phone), await place(participants=[NewParticipant("pstn", "+15551234568")])
    await finish(over.id, EndReason.CANCELED)
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "0021"))
        await connection.execute(sa.update(jobs).values(state="waiting", run_at=NEVER, finished_at=None, error=None))
        await connection.run_sync(upgrade_schema)
        states = dict((await connection.execute(sa.select(jobs.c.call_id, jobs.c.state))).all())
        ended_at = await connection.scalar(sa.select(jobs.c.finished_at).where(jobs.c.call_id == over.id))
    assert states == {over.id: "failed", waits.id: "waiting"}
    assert ended_at == (await row_of(database, over.id)).ended_at


async def test_another_tenants_call_is_not_there(database, place):
    call = await place()
    async with database.reading() as connection:
        with pytest.raises(NotFound):
            await CallStore(connection).get("another", call.id)


async def test_of_several_ends_at_once_exactly_one_wins_and_queues_the_work_once(database, running, finish):
    call, token = await running(post_call={"summary": {"enabled": True}, "recording": {"enabled": True}})
    reasons = [EndReason.CALLER_HUNG_UP, EndReason.AGENT_HUNG_UP, EndReason.ENDED_BY_API, EndReason.ROOM_DELETED] * 2
    won = await asyncio.gather(*(finish(call.id, reason) for reason in reasons))
    assert sum(won) == 1
    row = await row_of(database, call.id)
    assert row.end_reason == reasons[won.index(True)]
    assert (row.status, row.intelligence_status) == ("completed", "pending")
    assert await jobs_of(database, call.id) == []  # the agent may still be writing
    async with database.writing() as connection:
        assert await leases.release(connection, call.id, token)
    assert sorted(await jobs_of(database, call.id)) == ["post_call", "store_recording"]
    assert sum("completed" in message for message in await events_of(database, call.id)) == 1


async def test_a_call_that_never_started_fails_with_its_reason_and_without_work(database, place, finish):
    call = await place(post_call={"summary": {"enabled": True}, "recording": {"enabled": True}})
    assert await finish(call.id, EndReason.NOBODY_JOINED)
    row = await row_of(database, call.id)
    assert (row.status, row.end_reason, row.intelligence_status) == ("failed", "nobody_joined", "not_started")
    assert (row.bill_duration, row.cost_micros) == (0, 0)
    assert await jobs_of(database, call.id) == []
    async with database.reading() as connection:
        assert (await connection.execute(sa.select(recordings.c.status))).scalars().all() == ["failed"]


async def test_ending_by_the_api_completes_a_call_that_nobody_joined(database, place, finish):
    call = await place()
    assert await finish(call.id, EndReason.ENDED_BY_API)
    assert (await row_of(database, call.id)).status == "completed"


async def test_a_finished_call_moves_no_more(database, running, finish):
    call, _ = await running()
    await finish(call.id, EndReason.CALLER_HUNG_UP)
    async with database.writing() as connection:
        store = CallStore(connection)
        assert not await store.start(call.id)
        assert not await store.ringing(call.id, "nobody")
        assert not await store.participant_joined(call.id, "ada")
        assert await leases.take(connection, call.id, "another", "agent-2") is None


async def test_counts_follow_every_transition(database, place, running, finish):
    await place()
    call, _ = await running()
    await finish(call.id, EndReason.CALLER_HUNG_UP)
    async with database.reading() as connection:
        counted = {status: sa.select(total(DEFAULT_TENANT, status=status)) for status in CallStatus}
        by_status = {status: (await connection.execute(query)).scalar_one() for status, query in counted.items()}
        assert (await connection.execute(sa.select(total(DEFAULT_TENANT)))).scalar_one() == 2
    assert {status: n for status, n in by_status.items() if n} == {"connecting": 1, "completed": 1}


async def test_participants_that_never_came_are_dismissed_with_the_call(database, running, finish):
    call, _ = await running(
        participants=[NewParticipant("webrtc", "ada"), NewParticipant("pstn", "+15551234567")],
    )
    await finish(call.id, EndReason.CALLER_HUNG_UP)
    query = sa.select(participants.c.status, participants.c.end_reason).order_by(participants.c.position)
    async with database.reading() as connection:
        assert [tuple(row) for row in await connection.execute(query)] == [("left", None), ("failed", "canceled")]


async def test_events_come_in_the_order_of_what_happened(database, running, finish):
    call, _ = await running()
    await finish(call.id, EndReason.CALLER_HUNG_UP)
    assert await events_of(database, call.id) == [
        "Call created",
        "Agent joined",
        "Participant joined",
        "Call started",
        "Call completed: caller_hung_up",
    ]


async def test_of_those_who_were_there_all_who_are_not_there_any_more_left(database, running):
    people = [NewParticipant("webrtc", name) for name in ("ada", "bob", "eve", "zoe")]
    call, _ = await running(participants=people)
    async with database.writing() as connection:
        store = CallStore(connection)
        for identity in ("ada", "bob", "eve"):
            await store.participant_joined(call.id, identity)
    for _ in range(2):
        async with database.writing() as connection:
            await CallStore(connection).others_left(call.id, {"bob", "somebody"})
    async with database.reading() as connection:
        query = sa.select(participants.c.status).where(participants.c.call_id == call.id)
        statuses = (await connection.scalars(query.order_by(participants.c.position))).all()
    assert statuses == ["left", "joined", "left", "joining"]
    assert (await events_of(database, call.id)).count("Participant left") == 2


async def test_nobody_was_in_a_call_for_longer_than_it_lasted(database, place):
    call = await place(participants=[NewParticipant("webrtc", name) for name in ("ada", "bob", "eve")])
    now = datetime.now(UTC)
    began, ended = now - timedelta(seconds=30), now - timedelta(seconds=10)
    async with database.writing() as connection:
        await CallStore(connection, began).participant_joined(call.id, "ada")
        await CallStore(connection, began).start(call.id)
        await CallStore(connection, now).participant_left(call.id, "ada")  # as it was seen, when there was no agent
        await CallStore(connection, now).participant_joined(call.id, "bob")
        await CallStore(connection, now).participant_joined(call.id, "eve")
        await CallStore(connection, began).participant_left(call.id, "eve")  # as seen by who was cut off before
        await CallStore(connection, ended).finish(call.id, EndReason.CALLER_HUNG_UP)
        query = sa.select(participants.c.joined_at, participants.c.left_at).where(participants.c.call_id == call.id)
        assert (await connection.execute(query.order_by("position"))).all() == [
            (began, ended),
            (ended, ended),
            (ended, ended),
        ]
        stayed = await connection.execute(sa.select(stays.c.joined_at, stays.c.left_at).order_by(stays.c.joined_at))
        assert stayed.all() == [(began, now), (now, now), (now, now)]
        told = (call_events.c.call_id == call.id, call_events.c.kind.in_(["participant.joined", "participant.left"]))
        assert await connection.scalar(sa.select(sa.func.max(call_events.c.created_at)).where(*told)) == ended


@pytest.mark.parametrize("reason", [EndReason.ENDED_BY_API, EndReason.SHUT_DOWN])
async def test_what_happened_before_an_end_that_was_written_sooner_is_written_all_the_same(
    database, place, keyring, reason
):
    people = [NewParticipant("webrtc", name, price_micros_per_minute=60) for name in ("ada", "bob", "eve", "zoe")]
    wanted = {"summary": {"enabled": True}, "recording": {"enabled": True}}
    call = await place(participants=people, post_call=wanted)
    told = [WebhookEvent.CALL_STARTED, WebhookEvent.CALL_COMPLETED, WebhookEvent.CALL_FAILED]
    async with database.writing() as connection:
        await create_webhook(connection, keyring, DEFAULT_TENANT, url="http://127.0.0.1:9/", events=told)
    ended = datetime.now(UTC)

    def ago(seconds: int) -> datetime:
        return ended - timedelta(seconds=seconds)

    async with database.writing() as connection:
        token = await leases.take(connection, call.id, "worker", "agent-1")
        assert token is not None
        await CallStore(connection, ago(30)).participant_joined(call.id, "ada")
        await CallStore(connection, ended).finish(call.id, reason)
    for wrote in (True, False):  # the second time it is known
        async with database.writing() as connection:
            assert await CallStore(connection, ago(20)).participant_joined(call.id, "bob") is wrote
            assert await CallStore(connection, ago(20)).start(call.id) is wrote
            if wrote:
                assert await CallStore(connection, ago(10)).participant_left(call.id, "bob")
                assert await CallStore(connection, ago(9)).participant_joined(call.id, "bob")
            assert await CallStore(connection, ago(5)).participant_left(call.id, "ada") is wrote
            assert not await CallStore(connection, ago(-1)).participant_left(call.id, "bob")
            assert not await CallStore(connection, ago(-1)).participant_joined(call.id, "eve")
    async with database.writing() as connection:
        assert await leases.release(connection, call.id, token)

    row = await row_of(database, call.id)
    assert (row.status, row.end_reason, row.intelligence_status) == ("completed", reason, "pending")
    assert (row.started_at, row.ended_at, row.bill_duration, row.cost_micros) == (ago(20), ended, 20, 15 + 10 + 9)
    assert sorted(set(await jobs_of(database, call.id))) == ["deliver", "post_call", "store_recording"]
    async with database.reading() as connection:
        query = sa.select(deliveries.c.event, deliveries.c.payload).where(deliveries.c.call_id == call.id)
        announced = [(row.event, row.payload["data"]["bill_duration"]) for row in await connection.execute(query)]
        first = f"call.{outcome(reason, started=False)}"
        assert sorted(announced) == sorted([(first, 0), ("call.started", 20), ("call.completed", 20)])
        assert await connection.scalar(sa.select(total(DEFAULT_TENANT, status="completed"))) == 1
        assert await connection.scalar(sa.select(total(DEFAULT_TENANT))) == 1
        columns = [participants.c[name] for name in ("identity", "status", "joined_at", "left_at", "end_reason")]
        query = sa.select(*columns).where(participants.c.call_id == call.id).order_by(participants.c.position)
        ada, bob, *others = (await connection.execute(query)).all()
    assert ada == ("ada", "left", ago(30), ago(5), None)
    assert bob == ("bob", "left", ago(20), ended, None)
    assert {(one.status, one.joined_at) for one in others} == {("failed", None)}

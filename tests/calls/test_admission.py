"""Whose turn it is: lines and their pace, seats, and who passes whom."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from calls import jobs
from calls.database.clock import moment
from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT, Database
from calls.phones import lines
from calls.phones import trunk as telephony
from calls.phones.lines import Limits
from calls.placing import admission, batches
from calls.placing.admission import Holdup
from calls.placing.creation import NewCall, NewParticipant, create_calls
from calls.states import EndReason, ParticipantStatus
from calls.store import CallStore
from calls.tables import calls, participants, trunks
from calls.tables import jobs as job_rows
from calls.tenants.keys import create_tenant
from calls.workers import leases, seats
from tests.conftest import PATIENCE_S

FEW = Limits(at_once=3, per_second=2)
PLENTY = Limits(at_once=1000, per_second=1000)
WORKER = "worker-1"
DEADLOCK_S = 60


async def open_trunk(database: Database, keyring: Keyring, tenant_id: str = DEFAULT_TENANT) -> None:
    """A trunk that LiveKit has."""
    async with database.writing() as conn:
        await telephony.put_trunk(conn, keyring, tenant_id, address="sip.example.com", transport="udp", username="me")
        await conn.execute(sa.update(trunks).values(livekit_ids={"outbound": "ST_1"}))


@pytest.fixture(autouse=True)
async def _trunk(database: Database, keyring: Keyring) -> None:
    await open_trunk(database, keyring)


@pytest.fixture(autouse=True)
def _workers_live_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker told holds as long as a test takes, however busy the machine is."""
    monkeypatch.setattr(seats, "STALE_AFTER", timedelta(hours=1))


def call_to(agent: dict[str, Any], *numbers: str, **more: Any) -> NewCall:
    phones = [NewParticipant("pstn", number, from_number="+15550000000") for number in numbers]
    return NewCall(**({"tenant_id": DEFAULT_TENANT, "agent": agent, "participants": phones} | more))


async def write(database: Database, new: Sequence[NewCall]) -> list[str]:
    async with database.writing() as conn:
        await create_calls(conn, new)
    return [call.id for call in new]


async def singles(database: Database, agent: dict[str, Any], count: int) -> list[str]:
    return await write(database, [call_to(agent, f"+1555000{n:04d}") for n in range(count)])


async def batch(database: Database, agent: dict[str, Any], name: str, count: int, **more: Any) -> list[str]:
    new = [call_to(agent, f"+1555100{n:04d}", batch_id=name, **more) for n in range(count)]
    async with database.writing() as conn:
        await batches.begin(conn, new[0].tenant_id, name, agent["id"], "hash")
        await create_calls(conn, new)
        answer = {"calls": [call.id for call in new], "rejected": []}
        await batches.keep(conn, new[0].tenant_id, name, answer)
    return [call.id for call in new]


async def worker(database: Database, free: int, taken: int = 0) -> None:
    async with database.writing() as conn:
        await seats.tell(conn, WORKER, free + taken, taken)


async def admit(database: Database, limits: Limits, tenant_id: str = DEFAULT_TENANT) -> list[str]:
    """The calls that are admitted now, in their order; each has a job then that opens its room."""
    async with database.writing() as conn:
        turns = await admission.admit(conn, tenant_id, limits)
        query = sa.select(job_rows.c.call_id).where(job_rows.c.kind == "open_room", job_rows.c.state == "waiting")
        queued = list(await conn.scalars(query.order_by(job_rows.c.id)))
    assert sorted(queued[len(queued) - len(turns.calls) :]) == sorted(turns.calls)
    return turns.calls


async def agent_joins(database: Database, call_id: str) -> int:
    async with database.writing() as conn:
        token = await leases.take(conn, call_id, WORKER, f"agent-{call_id}")
        assert token is not None
        await CallStore(conn).agent_joined(call_id, token)
    return token


async def legs_of(database: Database, call_id: str) -> list[sa.Row[Any]]:
    query = sa.select(participants).where(participants.c.call_id == call_id).order_by(participants.c.position)
    async with database.reading() as conn:
        return list((await conn.execute(query)).all())


async def dial(database: Database, call_id: str, limits: Limits = PLENTY) -> bool:
    """Dial the call's next phone if there is a line, as a pipeline does."""
    leg = next(one for one in await legs_of(database, call_id) if one.status == ParticipantStatus.QUEUED)
    async with database.writing() as conn:
        store = CallStore(conn)
        await store.hold(call_id)
        await lines.hold(conn, DEFAULT_TENANT)
        return await lines.may_dial(conn, DEFAULT_TENANT, limits) and await store.dialing(call_id, leg.id)


async def park_dials(database: Database) -> None:
    """There was no line when the phones were about to be dialled."""
    async with database.writing() as conn:
        await conn.execute(sa.update(job_rows).where(job_rows.c.kind == "dial").values(run_at=jobs.NEVER))


async def fail(database: Database, call_id: str) -> None:
    async with database.writing() as conn:
        for leg in await legs_of(database, call_id):
            await CallStore(conn).leg_failed(call_id, leg.room_identity, EndReason.BUSY)


async def time_passes(database: Database, seconds: float) -> None:
    """What happened to phones was so much earlier; with less than none it is still to come: no time passes then."""
    ago = timedelta(seconds=seconds)
    async with database.writing() as conn:
        for leg in (await conn.execute(sa.select(participants))).all():
            earlier = {name: getattr(leg, name) and getattr(leg, name) - ago for name in ("dialed_at", "left_at")}
            await conn.execute(sa.update(participants).where(participants.c.id == leg.id).values(earlier))


async def test_calls_are_admitted_in_their_order_as_long_as_lines_are_left_for_them(database, agent):
    waiting = await singles(database, agent, 5)
    assert await admit(database, FEW) == waiting[:3], "no worker is needed for that"
    assert await admit(database, FEW) == []
    await agent_joins(database, waiting[0])
    await dial(database, waiting[0])
    assert await admit(database, FEW) == [], "it has a line, and is promised none any more"
    await fail(database, waiting[0])
    await time_passes(database, -600)
    assert await admit(database, FEW) == [], "the carrier hears of it in a moment"
    await time_passes(database, 601)
    assert await admit(database, FEW) == waiting[3:4]


async def test_who_calls_the_tenant_takes_a_line_and_so_does_each_phone_of_one_call(database, agent, place):
    for name in ("one", "two"):
        caller = NewParticipant("pstn", f"+1555200000{len(name)}", called_from=f"sip_{name}")
        await place(participants=[caller], inbound_room=f"inbound_{name}")
    await write(database, [call_to(agent, "+15550000001", "+15550000002"), call_to(agent, "+15550000003")])
    first = await admit(database, FEW)
    assert len(first) == 1
    await agent_joins(database, first[0])
    assert await dial(database, first[0], FEW)
    assert not await dial(database, first[0], FEW), "three lines are taken"


async def test_no_more_phones_are_begun_in_a_second_than_may_be(database, agent):
    waiting = await singles(database, agent, 3)
    assert await admit(database, PLENTY) == waiting
    for call_id in waiting:
        await agent_joins(database, call_id)
    slow = Limits(at_once=1000, per_second=2)
    begun = []
    for call_id in waiting:
        begun.append(await dial(database, call_id, slow))
        await time_passes(database, -600)
    assert begun == [True, True, False]
    await time_passes(database, 1801)
    assert await dial(database, waiting[2], slow)


async def test_many_who_dial_at_once_keep_the_limit_together(database_url, database, agent):
    waiting = await singles(database, agent, 12)
    await admit(database, PLENTY)
    for call_id in waiting:
        await agent_joins(database, call_id)
    others = [Database(database_url, patience_s=PATIENCE_S) for _ in range(4)]
    asked = [dial(others[n % 4], call_id, FEW) for n, call_id in enumerate(waiting)]
    assert sum(await asyncio.gather(*asked)) in {2, 3}
    legs = [leg for call_id in waiting for leg in await legs_of(database, call_id)]
    begun = sorted(leg.dialed_at for leg in legs if leg.dialed_at)
    # On a busy machine a third one only in the next second; the others' clocks differ by some milliseconds.
    assert len(begun) == 2 or begun[2] - begun[0] > timedelta(seconds=0.8)
    for one in others:
        await one.close()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_who_admits_waits_for_nobody_who_holds_a_call_and_waits_for_a_line(database, agent):
    """On SQLite one writes at a time."""
    held, other = await singles(database, agent, 2)
    async with asyncio.timeout(DEADLOCK_S), database.writing() as dialling:
        await CallStore(dialling).hold(held)
        async with database.writing() as admitting:
            await admission.admit(admitting, DEFAULT_TENANT, PLENTY)
        await lines.hold(dialling, DEFAULT_TENANT)
    assert await admitted(database) == {other}
    assert await admit(database, PLENTY) == [held]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_those_who_admit_crosswise_give_no_seat_twice(database_url, database, agent, keyring):
    async with database.writing() as conn:
        another = (await create_tenant(conn, "another")).id
    await open_trunk(database, keyring, another)
    await batch(database, agent, "spring", 6)
    await batch(database, agent, "autumn", 6, tenant_id=another)
    async with database.writing() as conn:
        for name in ("worker-1", "worker-2"):
            await seats.tell(conn, name, 3, 0)
    others = [Database(database_url, patience_s=PATIENCE_S) for _ in range(4)]

    async def admit_both(one: Database, *tenant_ids: str) -> None:
        for tenant_id in tenant_ids:
            async with one.writing() as conn:
                await admission.admit(conn, tenant_id, PLENTY)

    in_turn = (DEFAULT_TENANT, another)
    async with asyncio.timeout(DEADLOCK_S):
        await asyncio.gather(*(admit_both(one, *in_turn[:: (-1) ** n]) for n, one in enumerate(others)))
    assert len(await admitted(database)) == 6
    for one in others:
        await one.close()


async def admitted(database: Database) -> set[str]:
    async with database.reading() as conn:
        return set(await conn.scalars(sa.select(calls.c.id).where(calls.c.admitted_at.is_not(None))))


async def test_a_batch_goes_on_as_fast_as_there_are_seats(database, agent):
    waiting = await batch(database, agent, "spring", 6)
    assert await admit(database, PLENTY) == [], "there is no worker"
    await worker(database, free=2)
    assert await admit(database, PLENTY) == waiting[:2]
    assert await admit(database, PLENTY) == [], "the seats are promised"
    tokens = [await agent_joins(database, call_id) for call_id in waiting[:2]]
    assert await admit(database, PLENTY) == [], "the worker has not told yet, but its leases do"
    await worker(database, free=0, taken=2)
    assert await admit(database, PLENTY) == []
    await fail(database, waiting[0])
    async with database.writing() as conn:
        await leases.release(conn, waiting[0], tokens[0])
    assert await admit(database, PLENTY) == [], "its process has not ended yet"
    await worker(database, free=1, taken=1)
    assert await admit(database, PLENTY) == waiting[2:3]


async def test_a_worker_that_does_not_keep_up_has_no_seats(database, agent):
    waiting = await batch(database, agent, "spring", 2)
    async with database.writing() as conn:
        await seats.tell(conn, WORKER, 8, 2, is_strained=True)
        assert await admission.holdup(conn, DEFAULT_TENANT, PLENTY) is Holdup.SEAT
        assert [await seats.free_beside(conn, one) for one in (WORKER, "another")] == [0, 0]
    assert await admit(database, PLENTY) == []
    await worker(database, free=6, taken=2)
    async with database.reading() as conn:
        assert [await seats.free_beside(conn, one) for one in (WORKER, "another")] == [0, 6]
    assert await admit(database, PLENTY) == waiting


async def test_a_worker_that_shows_no_life_has_no_seats(database, agent):
    await batch(database, agent, "spring", 2)
    await worker(database, free=5)
    async with database.writing() as conn:
        stale = moment(conn) - seats.STALE_AFTER
        await conn.execute(sa.text("UPDATE workers SET told_at = :at").bindparams(sa.bindparam("at", stale)))
        assert await admission.holdup(conn, DEFAULT_TENANT, PLENTY) is Holdup.WORKER
    assert await admit(database, PLENTY) == []
    await worker(database, free=5)
    assert len(await admit(database, PLENTY)) == 2
    async with database.writing() as conn:
        await seats.forget(conn, WORKER)
        assert await seats.free(conn) is None


async def test_single_calls_pass_a_batch_and_the_older_batch_goes_first(database, agent):
    older = await batch(database, agent, "older", 4)
    newer = await batch(database, agent, "newer", 4)
    await worker(database, free=100)
    assert await admit(database, FEW) == older[:3]
    [single] = await singles(database, agent, 1)
    await agent_joins(database, older[0])
    await dial(database, older[0])
    await fail(database, older[0])
    await time_passes(database, 1)
    assert await admit(database, FEW) == [single]
    assert await admit(database, Limits(at_once=7, per_second=100)) == [older[3], *newer[:3]]


async def test_a_batch_has_no_more_rooms_ready_than_can_be_dialled_soon(database, agent):
    await batch(database, agent, "spring", 20)
    await worker(database, free=100)
    assert len(await admit(database, Limits(at_once=100, per_second=2))) == 2 * admission.AHEAD_S


async def test_one_tenants_calls_do_not_wait_for_anothers(database, agent, keyring):
    await batch(database, agent, "spring", 5)
    await worker(database, free=2)
    await admit(database, FEW)
    async with database.writing() as conn:
        other = (await create_tenant(conn, "Acme")).id
    await open_trunk(database, keyring, other)
    mine = await write(database, [call_to(agent, "+15550000001", tenant_id=other)])
    async with database.reading() as conn:
        assert set(await admission.tenants_in_wait(conn)) == {DEFAULT_TENANT, other}
    assert await admit(database, FEW, other) == mine


async def test_without_a_trunk_nobody_waits_to_hear_so(database, agent):
    waiting = [*await singles(database, agent, 5), *await batch(database, agent, "spring", 5)]
    async with database.writing() as conn:
        await telephony.delete_trunk(conn, DEFAULT_TENANT)
    assert await admit(database, FEW) == waiting


async def test_without_a_trunk_a_phone_that_waited_for_a_line_hears_so_too(database, agent):
    for call_id in await singles(database, agent, 3):
        await admit(database, PLENTY)
        await agent_joins(database, call_id)
    await park_dials(database)
    async with database.writing() as conn:
        await telephony.delete_trunk(conn, DEFAULT_TENANT)
        assert await admission.tenants_in_wait(conn) == [DEFAULT_TENANT]
        assert len((await admission.admit(conn, DEFAULT_TENANT, Limits(at_once=1, per_second=1))).dials) == 3
        assert not await admission.admit(conn, DEFAULT_TENANT, FEW), "they are started"


async def test_a_phone_that_waited_for_a_line_is_started_when_there_is_one_those_of_a_batch_last(database, agent):
    await worker(database, free=10)
    of_batch = await batch(database, agent, "spring", 2)
    await admit(database, PLENTY)
    single = (await singles(database, agent, 1))[0]
    await admit(database, PLENTY)
    for call_id in (*of_batch, single):
        await agent_joins(database, call_id)
    await park_dials(database)
    started: list[str] = []
    for _ in range(3):
        async with database.writing() as conn:
            assert DEFAULT_TENANT in await admission.tenants_in_wait(conn)
            [job_id] = (await admission.admit(conn, DEFAULT_TENANT, Limits(at_once=1, per_second=9))).dials
            assert not await admission.admit(conn, DEFAULT_TENANT, Limits(at_once=1, per_second=9)), "the line is gone"
            started.append(str(await conn.scalar(sa.select(job_rows.c.call_id).where(job_rows.c.id == job_id))))
        await dial(database, started[-1])
        await fail(database, started[-1])
        await time_passes(database, 1)
    assert started == [single, *of_batch]


async def test_a_call_that_was_sent_back_waits_at_the_head(database, agent):
    await worker(database, free=1)
    first, second = await batch(database, agent, "spring", 2)
    assert await admit(database, PLENTY) == [first]
    async with database.writing() as conn:
        assert await admission.send_back(conn, first)
    assert await admit(database, PLENTY) == [first]
    await agent_joins(database, first)
    async with database.writing() as conn:
        assert not await admission.send_back(conn, first)
    await worker(database, free=1, taken=1)
    assert await admit(database, PLENTY) == [second]


async def test_who_comes_into_a_waiting_call_by_himself_brings_it_in(database, agent):
    [call_id] = await batch(database, agent, "spring", 1)
    async with database.writing() as conn:
        await CallStore(conn).add_participants(DEFAULT_TENANT, call_id, [NewParticipant("webrtc", "ada")])
        assert await conn.scalar(sa.select(calls.c.admitted_at).where(calls.c.id == call_id)) is not None


async def test_what_is_canceled_is_not_admitted_and_ends_with_its_calls(database, agent):
    ids = await batch(database, agent, "spring", 2)
    await worker(database, free=5)
    async with database.writing() as conn:
        await batches.cancel(conn, DEFAULT_TENANT, "spring")
        assert await batches.is_canceled(conn, DEFAULT_TENANT, "spring")
    assert await admit(database, PLENTY) == []
    async with database.writing() as conn:
        assert sorted(await batches.undialled(conn, DEFAULT_TENANT, "spring", 9)) == sorted(ids)
        for call_id in ids:
            await CallStore(conn).finish(call_id, EndReason.CANCELED)
        over = await batches.get_batch(conn, DEFAULT_TENANT, "spring")
    assert (over.row.status, over.counts["failed"], over.row.completed_at is not None) == ("canceled", 2, True)


async def test_calls_that_end_at_the_same_moment_end_their_batch_once(database, agent):
    ids = await batch(database, agent, str(uuid.uuid4()), 8)
    await asyncio.gather(*(fail_now(database, call_id) for call_id in ids))
    async with database.reading() as conn:
        [over] = (await batches.list_batches(conn, DEFAULT_TENANT, 9, 0))[0]
    assert (over.row.status, over.counts["failed"]) == ("completed", 8)


async def fail_now(database: Database, call_id: str) -> None:
    async with database.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.BUSY)

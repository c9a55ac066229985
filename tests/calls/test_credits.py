"""What calls cost, leg by leg, and what is reserved and charged of credits, on both databases."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import PaymentRequired
from calls.phones.inbound import Incoming, receive
from calls.phones.numbers import add_number
from calls.placing.creation import NewCall, NewParticipant
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import participants, tenants
from calls.tenants.credits import keep_ahead, reserve
from tests.calls.conftest import NewCallInRow

pytestmark = pytest.mark.restless

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
END_S = 90
WEB, PHONE = 60_000, 120_000  # micro-dollars a minute: 1,000 and 2,000 a second


def browser(name: str) -> NewParticipant:
    return NewParticipant("webrtc", name, price_micros_per_minute=WEB)


def phone(name: str) -> NewParticipant:
    return NewParticipant("pstn", name, called_from=name, price_micros_per_minute=PHONE)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


Change = tuple[float, str, str]  # when, what, who


@dataclass(frozen=True)
class Case:
    """What happens to a call of 90 seconds, in the order in which it is written; the seconds that each leg costs."""

    people: list[NewParticipant]
    changes: Sequence[Change]
    seconds: dict[str, int]


CASES = {
    "one browser": Case([browser("ada")], [(-5, "join", "ada"), (0, "start", ""), (90, "end", "")], {"ada": 90}),
    "one phone that hangs up": Case(
        [phone("ada")], [(0, "join", "ada"), (0, "start", ""), (89.2, "leave", "ada"), (90, "end", "")], {"ada": 90}
    ),
    "a started second is a whole one": Case(
        [browser("ada")], [(0, "join", "ada"), (0, "start", ""), (30.001, "leave", "ada"), (90, "end", "")], {"ada": 31}
    ),
    "a fanout of three with different times, and one that nobody answered": Case(
        [phone("ada"), phone("bob"), phone("eve"), phone("zoe")],
        [
            (0, "join", "ada"),
            (0, "start", ""),
            (10, "join", "bob"),
            (20, "leave", "ada"),
            (30, "join", "eve"),
            (40, "fail", "zoe"),
            (50, "leave", "bob"),
            (90, "end", ""),
        ],
        {"ada": 20, "bob": 40, "eve": 60, "zoe": 0},
    ),
    "a phone that is added late costs nothing for the time before": Case(
        [browser("ada")],
        [(0, "join", "ada"), (0, "start", ""), (80, "add", "bob"), (85, "join", "bob"), (90, "end", "")],
        {"ada": 90, "bob": 5},
    ),
    "a browser that comes and goes": Case(
        [browser("ada"), browser("bob")],
        [
            (-30, "join", "ada"),
            (-20, "leave", "ada"),
            (-10, "join", "ada"),
            (-10, "join", "bob"),
            (0, "start", ""),
            (10, "leave", "ada"),
            (30, "join", "ada"),
            (50, "leave", "ada"),
            (88, "join", "ada"),
            (90, "end", ""),
        ],
        {"ada": 10 + 20 + 2, "bob": 90},
    ),
    "one who left before the start": Case(
        [browser("ada"), browser("bob")],
        [(-30, "join", "ada"), (-20, "leave", "ada"), (-9, "join", "bob"), (0, "start", ""), (90, "end", "")],
        {"ada": 0, "bob": 90},
    ),
    "an end that is noted as of before what is known": Case(
        [browser("ada"), browser("bob")],
        [(0, "join", "ada"), (0, "start", ""), (95, "leave", "ada"), (96, "join", "bob"), (90, "end", "")],
        {"ada": 90, "bob": 0},
    ),
    "nobody came": Case([browser("ada")], [(90, "end", "")], {"ada": 0}),
    "nobody who is known started it": Case([browser("ada")], [(0, "start", ""), (90, "end", "")], {"ada": 0}),
    "everything is written after the end": Case(
        [browser("ada"), browser("bob")],
        [
            (90, "end", ""),
            (-5, "join", "ada"),
            (0, "start", ""),
            (10, "join", "bob"),
            (40, "leave", "ada"),
            (50, "join", "ada"),
            (70, "leave", "bob"),
        ],
        {"ada": 40 + 40, "bob": 60},
    ),
    "what came last is written after the end": Case(
        [browser("ada"), phone("bob")],
        [(0, "join", "ada"), (0, "start", ""), (90, "end", ""), (30, "join", "bob"), (60, "leave", "ada")],
        {"ada": 60, "bob": 60},
    ),
}

Meter = Callable[[int], Awaitable[None]]


@pytest.fixture
def meter(database: Database) -> Meter:
    """`await meter(micros)`: from now on the tenant pays from so many credits."""

    async def make(micros: int) -> None:
        async with database.writing() as connection:
            await connection.execute(sa.update(tenants).values(metered=True, credits_micros=micros))

    return make


@dataclass(frozen=True)
class Purse:
    credits: int
    reserved: int


async def purse_of(database: Database) -> Purse:
    async with database.reading() as connection:
        row = (await connection.execute(sa.select(tenants.c.credits_micros, tenants.c.reserved_micros))).one()
    return Purse(*row)


async def happen(database: Database, call: NewCall, change: Change) -> None:
    seconds, what, who = change
    async with database.writing() as connection:
        store = CallStore(connection, at(seconds))
        match what:
            case "join":
                assert await store.participant_joined(call.id, who)
            case "leave":
                assert await store.participant_left(call.id, who)
            case "fail":
                assert await store.leg_failed(call.id, who, EndReason.NO_ANSWER)
            case "add":
                assert await store.add_participants(DEFAULT_TENANT, call.id, [phone(who)])
            case "start":
                assert await store.start(call.id)
            case _:
                assert await store.finish(call.id, EndReason.ENDED_BY_API)
                assert not await store.finish(call.id, EndReason.CALLER_HUNG_UP)


async def place_reserved(database: Database, place: NewCallInRow, *people: NewParticipant) -> NewCall:
    """A call as a metered tenant's, who could pay for a minute of each."""
    async with database.writing() as connection:
        reserved = await reserve(connection, DEFAULT_TENANT, sum(one.price_micros_per_minute for one in people))
    return await place(participants=list(people), reserved_micros=reserved)


@pytest.mark.parametrize("name", CASES)
async def test_a_call_costs_what_its_legs_do_and_is_charged_once(database, place, meter, name):
    case = CASES[name]
    await meter(10_000_000)
    call = await place_reserved(database, place, *case.people)
    for change in case.changes:
        await happen(database, call, change)
    async with database.reading() as connection:
        row = await CallStore(connection).get(None, call.id)
        columns = [participants.c[c] for c in ("identity", "bill_duration", "cost_micros", "price_micros_per_minute")]
        legs = (await connection.execute(sa.select(*columns).where(participants.c.call_id == call.id))).all()
    assert {leg.identity: leg.bill_duration for leg in legs} == case.seconds
    assert [leg.cost_micros for leg in legs] == [leg.bill_duration * leg.price_micros_per_minute // 60 for leg in legs]
    assert row.cost_micros == sum(leg.cost_micros for leg in legs)
    assert row.bill_duration == (END_S if row.started_at else 0)
    assert await purse_of(database) == Purse(10_000_000 - row.cost_micros, 0)


async def test_an_unmetered_tenant_has_a_bill_and_keeps_its_credits(database, place):
    call = await place_reserved(database, place, browser("ada"))
    for change in CASES["one browser"].changes:
        await happen(database, call, change)
    async with database.reading() as connection:
        assert (await CallStore(connection).get(None, call.id)).cost_micros == 90_000
    assert await purse_of(database) == Purse(0, 0)


async def test_of_several_at_once_only_so_many_reserve_as_the_credits_cover(database, meter):
    await meter(3 * WEB + WEB - 1)

    async def ask() -> bool:
        try:
            async with database.writing() as connection:
                return bool(await reserve(connection, DEFAULT_TENANT, WEB))
        except PaymentRequired as error:
            assert "costs 0.06 dollars, 0.059999 are left" in str(error)  # noqa: PT017 - one of several
            return False

    assert sum(await asyncio.gather(*(ask() for _ in range(8)))) == 3
    assert await purse_of(database) == Purse(4 * WEB - 1, 3 * WEB)


@pytest.mark.parametrize("micros", [0, -1])
async def test_without_credits_nothing_is_reserved_not_even_at_no_price(database, meter, micros):
    await meter(micros)
    with pytest.raises(PaymentRequired):
        async with database.writing() as connection:
            await reserve(connection, DEFAULT_TENANT, 0)


async def add_many(database: Database, call: NewCall) -> None:
    async with database.writing() as connection:
        added = [phone(f"{number}") for number in range(10)]
        await CallStore(connection).add_participants(DEFAULT_TENANT, call.id, added)


async def test_what_is_reserved_follows_the_legs_of_a_call(database, place, meter):
    await meter(1_000_000)
    call = await place_reserved(database, place, phone("ada"), phone("bob"), phone("eve"))
    assert (await purse_of(database)).reserved == 3 * PHONE
    await happen(database, call, (0, "fail", "ada"))
    assert (await purse_of(database)).reserved == 2 * PHONE
    await happen(database, call, (0, "add", "zoe"))
    assert (await purse_of(database)).reserved == 3 * PHONE
    with pytest.raises(PaymentRequired):
        await add_many(database, call)
    for gone in ("bob", "eve", "zoe"):
        await happen(database, call, (0, "fail", gone))
    assert await purse_of(database) == Purse(1_000_000, 0)
    async with database.reading() as connection:
        assert (await CallStore(connection).get(None, call.id)).status == "failed"


async def ahead_of(database: Database, call: NewCall, seconds: float) -> float | None:
    """For how long the call's credits last, asked so many seconds after its start."""
    async with database.writing() as connection:
        return await keep_ahead(connection, call.id, at(seconds))


async def begin(database: Database, call: NewCall, *people: str) -> None:
    for who in people:
        await happen(database, call, (0, "join", who))
    await happen(database, call, (0, "start", ""))


async def test_a_running_call_reserves_a_minute_ahead_as_long_as_there_are_credits(database, place, meter):
    await meter(2 * WEB)
    call = await place_reserved(database, place, browser("ada"))
    await begin(database, call, "ada")
    assert [await ahead_of(database, call, asked) for asked in (0, 30, 60)] == [60, 60, 60]
    assert await purse_of(database) == Purse(2 * WEB, 2 * WEB)
    assert [await ahead_of(database, call, asked) for asked in (90, 120, 121)] == [30, 0, -1]
    await meter(10 * WEB)
    assert await ahead_of(database, call, 125) == 60
    await happen(database, call, (130, "leave", "ada"))
    assert await ahead_of(database, call, 150) == math.inf
    assert (await purse_of(database)).reserved == 130 * WEB / 60, "who left needs no more"
    await happen(database, call, (150, "end", ""))
    assert await purse_of(database) == Purse(10 * WEB - 130 * WEB // 60, 0)
    assert await ahead_of(database, call, 151) is None


async def test_running_calls_share_what_there_is_and_do_not_spend_the_minute_of_a_phone_that_rings(
    database, place, meter
):
    await meter(4 * WEB + PHONE)
    first = await place_reserved(database, place, browser("ada"))
    second = await place_reserved(database, place, browser("ada"))
    ringing = await place_reserved(database, place, phone("bob"))
    for call in (first, second):
        await begin(database, call, "ada")
    for asked in range(0, 120, 5):
        for call in (first, second):
            left = await ahead_of(database, call, asked)
            assert left == pytest.approx(min(60, 120 - asked), abs=5), "both end when all is spent"
    with pytest.raises(PaymentRequired):
        await place_reserved(database, place, browser("eve"))
    await happen(database, ringing, (115, "join", "bob"))
    await happen(database, ringing, (115, "start", ""))
    assert await ahead_of(database, ringing, 120) == 55
    for call in (first, second, ringing):
        await happen(database, call, (120, "end", ""))
    assert await purse_of(database) == Purse(PHONE * 55 // 60, 0)


async def test_a_phone_that_rings_beside_a_browser_has_its_minute_too(database, place, meter):
    await meter(2 * WEB + PHONE)
    call = await place_reserved(database, place, browser("ada"), phone("bob"))
    await begin(database, call, "ada")
    assert [await ahead_of(database, call, asked) for asked in (0, 60, 90, 120)] == [60, 60, 30, 0]
    await happen(database, call, (120, "join", "bob"))
    assert await ahead_of(database, call, 120) == pytest.approx(PHONE / (WEB + PHONE) * 60)


async def test_who_is_there_may_spend_the_minute_of_a_browser_that_does_not_come(database, place, meter):
    await meter(2 * WEB)
    call = await place_reserved(database, place, browser("ada"), browser("bob"))
    await begin(database, call, "ada")
    assert [await ahead_of(database, call, asked) for asked in (0, 60, 120)] == [120, 60, 0]


async def test_nobody_asks_for_the_credits_of_who_is_not_metered(database, place):
    call = await place_reserved(database, place, browser("ada"))
    await begin(database, call, "ada")
    assert await ahead_of(database, call, 1) is None


async def test_a_phone_that_calls_in_has_its_minute_reserved_once_or_is_refused(database, agent, meter):
    incoming = Incoming(DEFAULT_TENANT, "inbound_1", "sip_1", dialled="+4930555", caller="+4930666")

    async def come_in() -> str | None:
        async with database.writing() as connection:
            return await receive(connection, incoming, PHONE)

    async with database.writing() as connection:
        await add_number(connection, DEFAULT_TENANT, "+4930555", agent["id"])
    await meter(PHONE - 1)
    assert await come_in() is None
    await meter(PHONE)
    call_id = await come_in()
    assert call_id is not None
    assert await come_in() == call_id
    assert await purse_of(database) == Purse(PHONE, PHONE)
    async with database.writing() as connection:
        assert await CallStore(connection).finish(call_id, EndReason.CALLER_HUNG_UP)
    assert await purse_of(database) == Purse(PHONE, 0)

"""Phone legs while there is no phone network behind the platform."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from calls.creation import NewParticipant
from calls.jobs import JobQueue
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import jobs
from pipeline import dial
from pipeline.deps import Deps, open_deps
from tests.pipeline.finished import working
from tests.pipeline.placed import ended, events_of, legs_of, phone, place

pytestmark = pytest.mark.restless

ONE, TWO = "+15551234567", "+15551234568"
UNAVAILABLE = "telephony_unavailable"


@pytest.fixture
async def deps(settings) -> AsyncIterator[Deps]:
    async with open_deps(settings()) as opened:
        yield opened


async def test_a_call_to_a_phone_fails_and_says_why(database_url, deps, until):
    call = await place(deps.db, phone(ONE))
    async with working(deps):
        assert await until(lambda: ended(deps.db, call)) == ("failed", UNAVAILABLE)
    assert await legs_of(deps.db, call) == [(ONE, "failed", UNAVAILABLE)]
    assert "PSTN leg failed: telephony_unavailable" in await events_of(deps.db, call)
    async with deps.db.reading() as conn:
        assert await conn.scalar(sa.select(jobs.c.state).where(jobs.c.kind == "dial")) == "failed"


async def test_a_call_ends_with_the_last_of_its_legs_also_when_they_fail_at_once(database_url, deps, until):
    calls = [await place(deps.db, phone(ONE), phone(TWO)) for _ in range(3)]
    async with working(deps):
        for call in calls:
            assert await until(lambda call=call: ended(deps.db, call)) == ("failed", UNAVAILABLE)
    for call in calls:
        assert await legs_of(deps.db, call) == [(ONE, "failed", UNAVAILABLE), (TWO, "failed", UNAVAILABLE)]
        assert sum("Call failed" in message for message in await events_of(deps.db, call)) == 1


async def test_a_call_whose_browser_may_still_come_goes_on_without_the_phone(deps, until):
    call = await place(deps.db, phone(ONE), NewParticipant("webrtc", "ada"))

    async def leg_failed() -> bool:
        return await legs_of(deps.db, call) == [(ONE, "failed", UNAVAILABLE), ("ada", "joining", None)]

    async with working(deps):
        await until(leg_failed)
    assert await ended(deps.db, call) is None


async def test_the_leg_of_a_call_that_is_over_is_not_dialled(deps, until):
    call = await place(deps.db, phone(ONE))
    async with deps.db.writing() as conn:
        await CallStore(conn).finish(call.id, EndReason.ENDED_BY_API)

    async def dial_is_done() -> bool:
        async with deps.db.reading() as conn:
            return str(await conn.scalar(sa.select(jobs.c.state).where(jobs.c.kind == "dial"))) == "completed"

    async with working(deps):
        await until(dial_is_done)
    assert await legs_of(deps.db, call) == [(ONE, "failed", "canceled")]


async def test_a_dial_whose_process_died_is_not_repeated(database_url, deps):
    call = await place(deps.db, phone(ONE))
    dead = JobQueue(deps.db, "dead", -1.0, {"dial": dial.give_up})  # its lease has run out at once
    assert len(await dead.claim("dial", 1)) == 1
    await asyncio.gather(*(JobQueue(deps.db, f"{n}", 60, {"dial": dial.give_up}).rescue() for n in range(3)))
    assert await dead.claim("dial", 1) == []
    assert await ended(deps.db, call) == ("failed", "error")
    assert sum("leg failed" in message for message in await events_of(deps.db, call)) == 1

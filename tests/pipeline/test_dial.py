"""Phones that cannot be called: there is no trunk, or the call is over."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from calls.database.engine import Database
from calls.placing.creation import NewCall, NewParticipant
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import jobs
from calls.workers import leases
from pipeline.deps import Deps
from tests.pipeline.finished import working
from tests.pipeline.patient import open_patient
from tests.pipeline.placed import ended, events_of, legs_of, phone, place

pytestmark = pytest.mark.restless

ONE, TWO = "+15551234567", "+15551234568"
UNAVAILABLE = "telephony_unavailable"


@pytest.fixture
async def deps(settings) -> AsyncIterator[Deps]:
    async with open_patient(settings()) as opened:
        yield opened


async def an_agent_joins(db: Database, call: NewCall) -> None:
    async with db.writing() as conn:
        token = await leases.take(conn, call.id, "worker", "agent-1")
        assert token is not None
        await CallStore(conn).agent_joined(call.id, token)


async def dials(db: Database, call: NewCall) -> list[str]:
    """The states of the jobs that were to call the call's phones."""
    async with db.reading() as conn:
        query = sa.select(jobs.c.state).where(jobs.c.kind == "dial", jobs.c.call_id == call.id)
        return list(await conn.scalars(query))


async def test_a_call_to_a_phone_fails_without_a_trunk_and_waits_for_no_agent(database_url, deps, until):
    call = await place(deps.db, phone(ONE))
    async with working(deps):
        assert await until(lambda: ended(deps.db, call)) == ("failed", UNAVAILABLE)
    assert await legs_of(deps.db, call) == [(ONE, "failed", UNAVAILABLE)]
    assert await dials(deps.db, call) == ["failed"]
    assert "PSTN leg failed: telephony_unavailable" in await events_of(deps.db, call)


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
        assert await dials(deps.db, call) == ["waiting"], "nobody is called before there is an agent"
        await an_agent_joins(deps.db, call)
        await until(leg_failed)
    assert await ended(deps.db, call) is None


async def test_the_leg_of_a_call_that_is_over_is_not_dialled(database_url, deps):
    call = await place(deps.db, phone(ONE))
    async with deps.db.writing() as conn:
        await CallStore(conn).finish(call.id, EndReason.ENDED_BY_API)
    assert await dials(deps.db, call) == ["failed"]
    assert await legs_of(deps.db, call) == [(ONE, "failed", "canceled")]

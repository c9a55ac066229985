"""How a phone that is called rings, is answered or is not, and what its call ends as."""

import asyncio
import random

import pytest

from calls.database.engine import DEFAULT_TENANT
from calls.phones import dnc
from calls.states import EndReason
from calls.store import CallStore
from tests.pipeline.mortal_agent import CHANGES, ENDS, EVENTS
from tests.pipeline.placed import changes_of, kinds_of
from tests.telephony import State
from tests.telephony.sound import read, seconds_of_sound
from tests.worker.conftest import Talk
from tests.worker.phones.conftest import HELLO, OURS, SMITH, SPEECH, a_number, legs, place, with_one_pipeline

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]

SHORT_RING_S = 3.0


async def end_over_the_api(call: Talk) -> None:
    async with call.database.writing() as conn:
        await CallStore(conn).finish(call.id, EndReason.ENDED_BY_API)
    await call.rooms.delete_room(call.room)


async def test_an_agent_calls_and_lets_who_picks_up_speak_first(house, network, until):
    number = a_number()
    phone = await network.phone(number, answers_after_s=0.6, says=read(SPEECH)[:16_000])
    call = await place(house, number, price_micros_per_minute=60)
    await until(lambda: call.has_said("agent", HELLO))
    assert phone.rings == [OURS]
    await until(lambda: seconds_of_sound(phone.heard) > 1)
    await phone.hang_up()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert await legs(call) == [(number, "left", None)]
    said = [(line.speaker, line.text, line.participant_identity) for line in await call.transcript()]
    assert said == [("user", SMITH, number), ("agent", HELLO, None)], "the first message is the answer to that"
    kinds = [kind for kind in await kinds_of(call.database, call.id) if kind != "dispatch.repeated"]  # for a late agent
    assert kinds == EVENTS + ENDS[EndReason.CALLER_HUNG_UP]
    assert await changes_of(call.database, call.id) == CHANGES, "each of them is one at which an agent was killed"
    [answered] = [event for event in await call.events() if event.kind == "leg.answered"]
    assert row.started_at >= answered.created_at, "what rang is not billed"


@pytest.mark.parametrize(
    ("code", "reason"),
    [(486, "busy"), (603, "rejected"), (404, "invalid_number"), (480, "no_answer"), (503, "network_error")],
)
async def test_why_nobody_picked_up_is_told_apart(house, network, until, code, reason):
    number = a_number()
    phone = await network.phone(number, answers_after_s=0.3, declines_with=code)
    call = await place(house, number)
    row = await until(call.ended)
    assert (row.status, row.end_reason, row.cost_micros) == ("failed", reason, 0)
    assert await legs(call) == [(number, "failed", reason)]
    [failed] = [event for event in await call.events() if event.kind == "leg.failed"]
    assert failed.data["sip_status"] == code
    assert len(phone.rings) == 1


async def test_a_phone_rings_no_longer_than_it_may(house, network, until):
    number = a_number()
    impatient = await with_one_pipeline(house, ring_timeout_s=SHORT_RING_S)
    phone = await network.phone(number, answers_after_s=None)
    call = await place(house, number)
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("failed", "no_answer")
    await until(lambda: phone.state is State.ENDED)
    assert len(phone.rings) == 1
    impatient.kill_group()


async def test_no_phone_rings_on_when_its_call_was_ended(house, network, until):
    number = a_number()
    phone = await network.phone(number, answers_after_s=None)
    call = await place(house, number)
    await until(lambda: phone.state is State.RINGING)
    await end_over_the_api(call)
    await until(lambda: phone.state is State.ENDED)
    assert await legs(call) == [(number, "failed", "canceled")]


async def test_no_call_that_was_ended_while_it_was_answered_goes_on(house, network, until):
    async def race(after_s: float) -> None:
        number = a_number()
        phone = await network.phone(number, answers_after_s=0.2)
        call = await place(house, number)
        await until(lambda: phone.state is State.RINGING)
        await asyncio.sleep(after_s)
        await end_over_the_api(call)
        await until(lambda: phone.state is State.ENDED)
        row = await until(call.ended)
        assert (row.status, row.end_reason) == ("completed", "ended_by_api")
        assert len(phone.rings) == 1

    await asyncio.gather(*(race(random.uniform(0.15, 0.25)) for _ in range(4)))


async def test_who_does_not_want_to_be_called_any_more_is_not(house, network, until):
    number = a_number()
    phone = await network.phone(number)
    async with house.database.writing() as conn:  # after the API had looked
        await dnc.add(conn, DEFAULT_TENANT, number)
    call = await place(house, number)
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("failed", "do_not_call")
    assert phone.rings == []

"""Phones that call."""

import pytest
import sqlalchemy as sa

from calls.tables import calls
from tests.telephony import State
from tests.telephony.sound import read, seconds_of_sound
from tests.worker.conftest import Talk
from tests.worker.house import House
from tests.worker.phones.conftest import ANSWERED, HELLO, SMITH, SPEECH, UNANSWERED, a_number, legs

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]


async def call_from(house: House, number: str) -> Talk | None:
    """The call of that phone, once it is written."""
    query = sa.select(calls.c.id).where(calls.c.primary_identity == number)
    async with house.database.reading() as conn:
        call_id = await conn.scalar(query)
    return house.stage.talk(call_id) if call_id is not None else None


async def test_who_calls_a_number_is_answered_by_its_agent(house, network, until):
    number = a_number()
    caller = await network.ring(from_=number, to=ANSWERED)
    await until(lambda: caller.state is State.ANSWERED)
    call = await until(lambda: call_from(house, number))
    await until(lambda: call.has_said("agent", HELLO))
    await until(lambda: seconds_of_sound(caller.heard) > 1)
    row = await call.row()
    assert (row.status, row.participant_count) == ("in_progress", 1)
    assert row.variables == {"caller_number": number, "called_number": ANSWERED}
    assert number not in row.room_name
    await caller.say(read(SPEECH))
    await until(lambda: call.has_said_also("user", SMITH))
    assert {line.participant_identity for line in await call.transcript() if line.speaker == "user"} == {number}
    await caller.hang_up()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert await legs(call) == [(number, "left", None)]


async def test_a_number_without_an_agent_is_refused_at_once(house, network, until):
    number = a_number()
    caller = await network.ring(from_=number, to=UNANSWERED)
    await until(lambda: caller.state is State.REJECTED)
    assert await call_from(house, number) is None


async def test_several_call_at_once_also_without_showing_a_number_and_each_has_a_call(house, network, until):
    callers = [await network.ring(from_=number, to=ANSWERED) for number in ("anonymous", "anonymous")]
    await until(lambda: all(caller.state is State.ANSWERED for caller in callers))
    await until(lambda: all(seconds_of_sound(caller.heard) > 1 for caller in callers))
    for caller in callers:
        await caller.hang_up()
    query = sa.select(sa.func.count()).select_from(calls).where(calls.c.primary_identity == "anonymous")

    async def both_are_over() -> bool:
        async with house.database.reading() as conn:
            over: int | None = await conn.scalar(query.where(calls.c.status == "completed"))
        return over == 2

    await until(both_are_over)


async def test_a_phone_that_calls_when_no_worker_is_there_is_answered_when_one_comes_or_was_never_answered(
    house, network, until
):
    for worker in house.alive:
        worker.kill_group()
    patient, impatient = a_number(), a_number()
    callers = [await network.ring(from_=number, to=ANSWERED) for number in (patient, impatient)]
    answered, given_up = [await until(lambda n=number: call_from(house, n)) for number in (patient, impatient)]
    await callers[1].hang_up()
    await house.need_workers(1)
    await until(lambda: callers[0].state is State.ANSWERED)
    await until(lambda: answered.has_said("agent", HELLO))
    await callers[0].hang_up()
    assert (await until(answered.ended)).status == "completed"
    assert (await until(given_up.ended)).status == "failed"

"""A caller whom the agent sends on to somebody else."""

import asyncio
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from livekit import api

from calls.database.clock import moment
from calls.states import EndReason
from calls.tables import call_events
from tests.conftest import Until
from tests.pipeline.mortal_agent import ENDS
from tests.pipeline.placed import kinds_of
from tests.providers import Chat, ToolCall
from tests.providers.script import Answer
from tests.standstill import stand_still
from tests.telephony import PhoneNetwork, State
from tests.telephony.phone import Phone
from tests.telephony.sound import RATE, read
from tests.worker.conftest import Talk
from tests.worker.house import House
from tests.worker.phones.conftest import HELLO, SMITH, SPEECH, a_number, agents_came, agents_of, legs, place

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]

CONNECTING = "One moment please, I'll connect you."


async def test_a_caller_is_sent_on_and_stays_where_the_carrier_refuses(house, network, providers, until):
    def model(chat: Chat) -> Answer | None:
        return "I could not reach them." if "was not accepted" in chat.system else ToolCall("transfer_call")

    providers.answer_with(model)
    number, desk = a_number(), a_number()
    phone = await network.phone(number, transfers_with=603)
    target = await network.phone(desk)
    call = await place(house, number, features={"transfer_to": desk})
    await until(lambda: call.has_said("agent", HELLO))
    await phone.say(read(SPEECH)[:16_000])
    await until(lambda: call.has_said("agent", "I could not reach them."))
    assert await call.has_said("agent", CONNECTING), "before it was tried"
    phone.transfers_with = 202
    await phone.press("0#")
    await until(lambda: target.state is State.ANSWERED)
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "transferred")
    assert await legs(call) == [(number, "left", "transferred")]
    assert phone.state is State.ANSWERED, "with the other one"
    events = {event.kind: event.data for event in await call.events() if event.kind.startswith("transfer")}
    assert list(events) == ["transfer.started", "transfer.failed", "transfer.completed"]
    assert events["transfer.failed"]["sip_status"] == 603
    assert (await kinds_of(call.database, call.id))[-4:] == ENDS[EndReason.TRANSFERRED]
    await phone.hang_up()


async def on_its_way(house: House, network: PhoneNetwork, until: Until) -> tuple[str, Phone, Phone, Talk]:
    """A phone's number, itself, the one that it is being sent to, which rings, and its call."""
    number, desk = a_number(), a_number()
    phone = await network.phone(number)
    target = await network.phone(desk, answers_after_s=None)
    call = await place(house, number, features={"transfer_to": desk})
    await until(lambda: call.has_said("agent", HELLO))
    await phone.press("0#")
    await until(lambda: target.state is State.RINGING)
    await until(lambda: call.has_happened("transfer.started"))  # on a busy machine it is written later
    return number, phone, target, call


async def test_who_speaks_while_it_fails_is_told_with_the_answer(house, network, providers, until):
    told = "Their line is busy."
    providers.answer_with(lambda chat: told if "the line is busy" in chat.system else ToolCall("transfer_call"))
    number, phone, target, call = await on_its_way(house, network, until)
    begun = providers.begun
    speaking = asyncio.create_task(phone.say(np.resize(read(SPEECH), 4 * RATE)))
    await until(lambda: providers.begun > begun)
    await target.decline(486)
    await until(lambda: call.has_happened("transfer.failed"))
    await speaking
    await until(lambda: call.has_said_also("agent", told))
    await phone.hang_up()
    await until(call.ended)
    assert [line.text for line in await call.transcript()][-2:] == [SMITH, told]
    assert target.rings == [number], "it was not tried again"


async def test_who_hangs_up_before_the_other_one_answers_was_not_transferred(house, network, providers, until):
    providers.answer_with(lambda _chat: ToolCall("transfer_call"))
    number = a_number()
    phone = await network.phone(number, transfers_with=None)
    call = await place(house, number, features={"transfer_to": a_number()})
    await until(lambda: call.has_said("agent", HELLO))
    await phone.press("0#")
    await until(lambda: call.has_happened("transfer.started"))
    await asyncio.sleep(0.3)  # it was asked for by then; before, it fails the same
    await phone.hang_up()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert await legs(call) == [(number, "left", None)]
    told = [event.kind for event in await call.events() if event.kind.startswith("transfer")]
    assert told == ["transfer.started", "transfer.failed"]


async def test_an_agent_that_stood_still_while_its_caller_was_sent_on_takes_that_for_no_hang_up(
    house, network, providers, until
):
    providers.answer_with(lambda _chat: ToolCall("transfer_call"))
    number, phone, target, call = await on_its_way(house, network, until)
    job = await house.job_of(call)
    await stand_still(call.database, job.suspend)
    await target.answer()
    await until(lambda: is_without_phone(call))
    job.resume()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "transferred")
    assert await legs(call) == [(number, "left", "transferred")]
    told = [event.kind for event in await call.events() if event.kind.startswith("transfer")]
    assert told == ["transfer.started", "transfer.completed"]
    await phone.hang_up()


async def test_a_transfer_outlives_its_agent_and_who_is_not_gone_when_it_may_have_rung_out_is_told(
    house, network, providers, until
):
    told = "I could not reach them."
    providers.answer_with(lambda chat: told if "nobody answers" in chat.system else ToolCall("transfer_call"))
    number, phone, target, call = await on_its_way(house, network, until)
    async with call.database.writing() as conn:
        begun = (call_events.c.call_id == call.id, call_events.c.kind == "transfer.started")
        long_ago = moment(conn) - timedelta(minutes=2)
        await conn.execute(sa.update(call_events).where(*begun).values(created_at=long_ago))
    (await house.job_of(call)).kill()
    await until(lambda: call.has_said_also("agent", told))
    await target.decline(486)
    await until(lambda: target.state is not State.RINGING)
    await phone.press("0#")
    await until(lambda: target.state is State.RINGING)
    await until(lambda: has_begun_again(call))
    before = await agents_of(call)
    (await house.job_of(call)).kill()
    await until(lambda: agents_came(call, before + 1))
    await target.answer()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "transferred")
    assert await legs(call) == [(number, "left", "transferred")]
    told_of = [event.kind for event in await call.events() if event.kind.startswith("transfer")]
    assert told_of == ["transfer.started", "transfer.failed", "transfer.started", "transfer.completed"]
    await phone.hang_up()


async def has_begun_again(call: Talk) -> bool:
    """Whether it is written that the caller is being sent on for the second time."""
    return [event.kind for event in await call.events()].count("transfer.started") == 2


async def is_without_phone(call: Talk) -> bool:
    return all(one.kind != api.ParticipantInfo.SIP for one in await call.rooms.list_participants(call.room))

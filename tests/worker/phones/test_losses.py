"""Calls of phones outlive what dies, is replaced or is restarted beneath them."""

import asyncio
import math
import signal
from datetime import timedelta

import pytest
import sqlalchemy as sa

from calls.tables import participants, stays
from tests.api.conftest import phone as a_phone
from tests.api.conftest import run_api
from tests.servers import free_port
from tests.telephony import State
from tests.telephony.sound import read
from tests.worker.conftest import Talk
from tests.worker.phones.conftest import HELLO, OURS, SMITH, SPEECH, a_number, agents_came, agents_of, legs, place

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]

PAUSE_S = 2.0  # by which it is known that somebody has finished


async def test_a_call_outlives_the_pipeline_that_placed_it(house, network, until):
    number, busy = a_number(), a_number()
    phone = await network.phone(number, answers_after_s=None)
    other = await network.phone(busy, answers_after_s=None)
    calls = [await place(house, number), await place(house, busy)]
    await until(lambda: phone.state is State.RINGING and other.state is State.RINGING)
    for pipeline in house.pipelines:
        pipeline.kill_group()
    await other.decline(486)
    await phone.answer()
    await until(lambda: calls[0].has_said("agent", HELLO))
    await house.add_pipeline()
    row = await until(calls[1].ended)
    assert (row.status, row.end_reason) == ("failed", "rejected"), "the code went with who asked for it"
    await phone.hang_up()
    row = await until(calls[0].ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert [len(one.rings) for one in (phone, other)] == [1, 1]


async def test_another_agent_waits_with_a_phone_that_rings_and_speaks_after_a_moment_to_who_says_nothing(
    house, network, until
):
    number = a_number()
    phone = await network.phone(number, answers_after_s=None)
    call = await place(house, number)
    await until(lambda: phone.state is State.RINGING)
    before = await agents_of(call)  # more than one, if a busy machine was late with the first
    (await house.job_of(call)).kill()
    await until(lambda: call.has_happened("agent.lost"))
    await until(lambda: agents_came(call, before + 1))
    assert phone.state is State.RINGING
    await phone.answer()
    await until(lambda: call.has_said("agent", HELLO))
    [line] = await call.transcript()
    assert line.started_at_ms > 1000
    await phone.hang_up()
    row = await until(call.ended)
    assert row.end_reason == "caller_hung_up"
    assert len(phone.rings) == 1


async def test_a_deploy_fails_no_phone_that_rings_and_a_busy_one_is_told_to_be_busy(house, network, until):
    """The pipeline is told to go, then the worker, then the API."""
    answered, busy = [await network.phone(a_number(), answers_after_s=None) for _ in range(2)]
    settings = house.settings.model_copy(update={"api_port": free_port()})
    before = run_api(settings)
    api = await anext(before)
    agent = (await api.post("/v1/agents", {"name": "Ada", "first_message": HELLO})).body["id"]
    placed = []
    for phone in (answered, busy):
        people = [a_phone(phone.number, from_number=OURS)]
        placed.append((await api.post("/v1/calls", {"agent_id": agent, "participants": people})).body["id"])
    await until(lambda: answered.state is State.RINGING and busy.state is State.RINGING)
    leaving = [program for program in [*house.pipelines, *house.workers] if program.returncode is None]
    for program in leaving:
        program.send(signal.SIGTERM)
    await before.aclose()
    await busy.decline(486)
    await answered.answer()
    after = run_api(settings)
    api = await anext(after)
    talk, failed = [house.stage.talk(call_id) for call_id in placed]
    await until(lambda: talk.has_said("agent", HELLO))
    row = await until(failed.ended)
    assert (row.status, row.end_reason) == ("failed", "busy")
    await answered.hang_up()
    assert (await until(talk.ended)).end_reason == "caller_hung_up"
    [leg] = (await api.get(f"/v1/calls/{talk.id}")).body["participants"]
    assert leg["status"] == "left"
    await until(lambda: [program.returncode for program in leaving] == [0] * len(leaving))
    await after.aclose()
    assert [len(phone.rings) for phone in (answered, busy)] == [1, 1]


@pytest.mark.timeout(300)
async def test_no_call_hangs_when_livekit_is_restarted_and_what_it_was_away_costs_nothing(
    house, network, livekit_with_sip, until
):
    """It goes on, unless LiveKit throws the phone out: of who came back it may still have an older attempt to come.

    Or it does not pass on what the phone says any more: then the agent says that it hears nothing, and hangs up.
    """

    async def is_heard_or_over() -> bool:
        await phone.say(read(SPEECH)[:16_000])
        await asyncio.sleep(PAUSE_S)
        return await call.has_said("user", SMITH) or await call.ended() is not None

    number = a_number()
    phone = await network.phone(number)
    call = await place(house, number, price_micros_per_minute=60, silence_reminder_s=15, silence_timeout_s=25)
    await until(lambda: call.has_said("agent", HELLO))
    livekit_with_sip.kill_group()
    await until(lambda: call.has_happened("leg.ended"))
    livekit_with_sip.start()
    await asyncio.to_thread(livekit_with_sip.wait_ready)
    await until(is_heard_or_over, timeout=200)
    went_on = await call.status() == "in_progress"
    await phone.hang_up()
    row = await until(call.ended)
    assert row.status == "completed"
    assert row.end_reason in {"caller_hung_up", "connection_lost", "silence"}
    assert await legs(call) in ([(number, "left", None)], [(number, "left", "connection_lost")])
    there_s = await seconds_there(call)
    assert row.cost_micros == math.ceil(there_s)
    assert not went_on or there_s < (row.ended_at - row.started_at).total_seconds()
    await until(lambda: phone.state is State.ENDED)
    assert len(phone.rings) == 1


async def seconds_there(call: Talk) -> float:
    """How long the phones of a call that is over were in it, each by itself."""
    row = await call.row()
    mine = sa.select(stays.c.joined_at, stays.c.left_at).join(participants).where(participants.c.call_id == call.id)
    async with call.database.reading() as conn:
        there = (await conn.execute(mine)).all()
    times: list[timedelta] = [min(left, row.ended_at) - max(joined, row.started_at) for joined, left in there]
    return sum(max(time.total_seconds(), 0) for time in times)

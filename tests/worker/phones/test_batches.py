"""A batch of calls to phones, by real agents."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from calls.agents import create_agent, snapshot
from calls.database.engine import DEFAULT_TENANT
from calls.placing import batches
from calls.placing.creation import NewCall, create_calls
from calls.tables import calls, participants
from tests.telephony import State
from tests.telephony.sound import seconds_of_sound
from tests.worker.house import House
from tests.worker.phones.conftest import HELLO, OURS, a_number, phone_of, with_one_pipeline

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]


async def test_a_batch_is_called_by_real_agents_within_its_lines_and_ends(house, network, until):
    """Those who pick up hang up again, others are busy; the limits are small, and kept."""
    few = await with_one_pipeline(house, phone_calls_at_once=2, phone_calls_per_second=2)
    called = [await network.phone(a_number(), answers_after_s=0.2, declines_with=486) for _ in range(4)]
    called.append(await network.phone(a_number(), answers_after_s=0.2))
    most = 0

    async def is_over() -> bool:
        nonlocal most
        most = max(most, sum(phone.state in {State.RINGING, State.ANSWERED} for phone in called))
        if called[-1].state is State.ANSWERED and seconds_of_sound(called[-1].heard) > 1:
            await called[-1].hang_up()
        async with house.database.reading() as conn:
            return (await batches.get_batch(conn, DEFAULT_TENANT, "spring")).row.completed_at is not None

    await place_batch(house, [phone.number for phone in called])
    await until(is_over)
    few.kill_group()
    async with house.database.reading() as conn:
        over = await batches.get_batch(conn, DEFAULT_TENANT, "spring")
        at = list(
            await conn.scalars(sa.select(participants.c.dialed_at).join(calls).where(calls.c.batch_id == "spring"))
        )
    assert (over.row.status, over.counts["completed"], over.counts["failed"]) == ("completed", 1, 4)
    assert [phone.rings for phone in called] == [[OURS]] * 5
    assert most <= 2
    assert all(sum(one <= other < one + timedelta(seconds=1) for other in at) <= 2 for one in at)


async def place_batch(house: House, numbers: list[str]) -> None:
    config = {"first_message": HELLO, "silence_reminder_s": 60, "silence_timeout_s": 90}
    async with house.database.writing() as conn:
        agent = snapshot(await create_agent(conn, DEFAULT_TENANT, "Ada", config))
        await batches.begin(conn, DEFAULT_TENANT, "spring", agent["id"], "hash")
        new = [NewCall(DEFAULT_TENANT, agent, [phone_of(number)], batch_id="spring") for number in numbers]
        await create_calls(conn, new)
        await batches.keep(conn, DEFAULT_TENANT, "spring", {"calls": [call.id for call in new], "rejected": []})

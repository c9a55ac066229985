"""An agent that cannot enter the room gives the call back, and the next one is asked for elsewhere."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import Until
from tests.providers import Providers
from tests.servers import LiveKitServer
from tests.worker.conftest import Talk, make_settings
from tests.worker.door import Door, door_to
from tests.worker.house import House, open_house

pytestmark = pytest.mark.restless

HELLO = "Hello, this is the Blue Door."


async def kinds_of(call: Talk) -> list[str]:
    """What happened to its agents."""
    kinds = [event.kind for event in await call.events()]
    return [kind for kind in kinds if kind.startswith(("agent.", "dispatch."))]


async def one_who_waits_for_its_first_agent(house: House, until: Until) -> None:
    call = await house.stage.call(first_message=HELLO)
    async with call.caller():
        row = await until(lambda: over(call), timeout=90)
    assert (row.status, row.end_reason) == ("failed", "no_agent")
    again = ["dispatch.repeated", "agent.entering_failed"]
    assert await kinds_of(call) == ["agent.entering_failed", *again, *again]


async def one_whose_agent_dies(call: Talk, house: House, until: Until) -> None:
    (await house.job_of(call)).kill()
    killed_at = datetime.now(UTC)
    in_vain = {"dispatch.repeated", "agent.entering_failed"}
    await until(lambda: has_since_its_loss(call, in_vain))
    await house.add_pipeline(agent_return_timeout_s=1)  # that of the house is patient
    row = await until(lambda: over(call))
    assert (row.status, row.end_reason) == ("completed", "agent_lost")
    assert row.ended_at < killed_at + timedelta(seconds=0.5)
    assert await has_since_its_loss(call, in_vain)


async def one_whom_somebody_leaves_while_the_next_agent_enters(
    house: House, wants_in: threading.Event, opened: threading.Event, until: Until
) -> None:
    call = await house.stage.call(people=("alice", "bob"), first_message=HELLO)
    async with call.caller("alice") as alice, call.caller("bob") as bob:
        await until(lambda: call.has_joined("alice", "bob"))
        await until(lambda: call.has_said_also("agent", HELLO))
        wants_in.clear()
        opened.clear()
        (await house.job_of(call)).kill()
        await until(wants_in.is_set)
        await bob.hang_up()
        opened.set()
        await until(lambda: call.has_happened("agent.returned"))
        assert [event.data["identity"] for event in await call.events() if event.kind == "participant.left"] == ["bob"]
        assert alice.room.isconnected()


async def has_since_its_loss(call: Talk, wanted: set[str]) -> bool:
    """Whether exactly this has happened since the call lost its agent."""
    kinds = await kinds_of(call)
    return "agent.lost" in kinds and set(kinds[kinds.index("agent.lost") + 1 :]) == wanted


async def over(call: Talk):
    row = await call.row()
    return row if row.ended_at is not None else None


@pytest.mark.timeout(400)
async def test_a_call_that_a_worker_cannot_enter_is_offered_to_others_and_fails_when_none_can(
    livekit: LiveKitServer, providers: Providers, migrated_sqlite: Path, tmp_path: Path, until: Until
) -> None:
    tried: list[Door] = []
    shut: set[Door] = set()

    wants_in, opened = threading.Event(), threading.Event()
    opened.set()

    def is_shut(door: Door) -> bool:
        """The first one that is tried, and then those that the test shuts."""
        tried.append(door)
        wants_in.set()
        opened.wait(5)
        return door is tried[0] or door in shut

    patient = {"agent_return_timeout_s": 90, "agent_join_timeout_s": 20}  # on a busy machine agents come late
    settings = make_settings(livekit, providers, migrated_sqlite, tmp_path, **patient)
    with door_to(livekit.url, is_shut) as one, door_to(livekit.url, is_shut) as other:
        async with open_house(settings, workers=0) as house:
            await asyncio.gather(*(house.add_worker(livekit_url=door.url) for door in (one, other)))
            call = await house.stage.call(first_message=HELLO)
            async with call.caller():
                await until(lambda: call.has_said_also("agent", HELLO))
                assert set(tried) == {one, other}
                kinds = await kinds_of(call)
                assert (kinds[0], kinds[-1]) == ("agent.entering_failed", "agent.joined")

                await one_whom_somebody_leaves_while_the_next_agent_enters(house, wants_in, opened, until)

                shut |= {one, other}
                waiting = one_who_waits_for_its_first_agent(house, until)
                await asyncio.gather(waiting, one_whose_agent_dies(call, house, until))

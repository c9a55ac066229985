"""A call is taken as soon as it is placed, and its agent is in the room before it may speak."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from livekit import api
from livekit.protocol.agent import JobStatus
from livekit.protocol.models import ParticipantInfo

from calls.database.engine import Database
from calls.rooms import Rooms, server_api
from calls.store import CallStore
from calls.workers import leases, waiting
from tests.conftest import PATIENCE_S, Until
from tests.providers import Providers
from tests.servers import LiveKitServer, process
from tests.worker.conftest import Running, Stage, Talk, make_settings
from tests.worker.door import door_to
from worker.entrances import Entrances

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180)]

HELLO = "Hello, this is the Blue Door."


async def agents(call: Talk) -> list[str]:
    """The names of those that are in the room."""
    return [one.identity for one in await call.rooms.list_participants(call.room) if one.kind == ParticipantInfo.AGENT]


async def a_call_that_is_told_to_the_workers_needs_no_offer_and_one_that_comes_is_declined(
    stage: Stage, until: Until
) -> None:
    call = await tell(stage)
    async with server_api(call.settings) as livekit, call.caller():
        await until(lambda: call.has_said_also("agent", HELLO))
        there = await agents(call)
        await call.rooms.dispatch_agent(call.room, call.id)
        [offer] = await until(lambda: given_out(livekit, call))
        assert (offer.state.status, offer.state.participant_identity) == (JobStatus.JS_SUCCESS, "")
        assert await agents(call) == there
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert [event.kind for event in await call.events()].count("agent.joined") == 1


async def given_out(livekit: api.LiveKitAPI, call: Talk):
    """The jobs that LiveKit has made of dispatches, once there are some."""
    dispatches = await livekit.agent_dispatch.list_dispatch(call.room)
    return [job for dispatch in dispatches for job in dispatch.state.jobs]


async def an_agent_of_an_offered_call_enters_only_with_its_lease(stage: Stage, until: Until) -> None:
    taken, lost = [await stage.place(first_message=HELLO) for _ in range(2)]
    other = Database(stage.database.url, patience_s=PATIENCE_S)
    async with server_api(taken.settings) as livekit, other.writing() as connection:
        assert await leases.take(connection, lost.id, "another", "agent-2")
        await asyncio.gather(taken.open_room(), lost.open_room())
        for call in (taken, lost):
            await until(lambda call=call: is_begun(livekit, call))
            assert await agents(call) == []
    async with taken.caller() as caller:
        await until(lambda: taken.has_said_also("agent", HELLO))
        await until(lambda: caller.seconds_heard() > 0)
        assert await agents(lost) == []
    assert await until(taken.ended)
    assert not await lost.has_happened("agent.joined")
    await other.close()


async def is_begun(livekit: api.LiveKitAPI, call: Talk) -> bool:
    """Whether a worker has taken the call that it was offered."""
    return any(job.state.status == JobStatus.JS_RUNNING for job in await given_out(livekit, call))


FAILED = "failed to connect to livekit"


async def a_worker_takes_no_call_ahead_of_livekit_while_it_cannot_enter_a_room(
    livekit: LiveKitServer, providers: Providers, migrated_sqlite: Path, tmp_path: Path, until: Until
) -> None:
    settings = make_settings(livekit, providers, migrated_sqlite, tmp_path)
    database = Database(settings.database, patience_s=PATIENCE_S)
    with door_to(livekit.url, lambda _door: False) as door:
        worker = process("worker", settings.model_copy(update={"livekit_url": door.url}), tmp_path / "worker.log")
        async with worker, Rooms.connect(settings, PATIENCE_S) as rooms:
            stage = Stage(settings, database, rooms)

            tries = worker.output.count(FAILED)  # on a busy machine the first one may have been in vain
            door.go_away()
            await until(lambda: worker.output.count(FAILED) > tries)
            refused = await told_in_vain(stage)
            door.come_back()
            await until(lambda: refused.has_happened("agent.joined"))

            door.fall_silent()
            await tell(stage)
            await until(lambda: "an agent could not enter its room" in worker.output)
            spared = await told_in_vain(stage)
            door.come_back()
            await rooms.dispatch_agent(spared.room, spared.id)
            await until(lambda: spared.has_happened("agent.joined"))
            await until(lambda: is_taken_when_told(stage))

            for call in (refused, spared):
                assert not await call.has_happened("agent.entering_failed")
    await database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_of_an_agent_whose_database_is_locked_it_is_not_said_that_it_cannot_enter(
    running: Running, database_url: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.entrances.ENTERED_S", 0.1)
    entrances = Entrances(running.database, lambda: None)
    other = Database(database_url, patience_s=PATIENCE_S)
    async with other.writing() as connection:
        await connection.execute(sa.select(1))
        entrances.claimed(running.call.id, "worker")
        await asyncio.sleep(1)
    async with running.database.writing() as connection:
        await CallStore(connection).agent_joined(running.call.id, running.token)
    await until(lambda: all(task.get_name() != "entrance" for task in asyncio.all_tasks()))
    assert entrances.are_open
    await other.close()


async def tell(stage: Stage) -> Talk:
    """A call that workers may take and that LiveKit offers to nobody."""
    call = await stage.place(first_message=HELLO)
    async with server_api(call.settings) as livekit:
        await livekit.room.create_room(api.CreateRoomRequest(name=call.room))
    async with call.database.writing() as connection:
        await waiting.tell(connection, [call.id])
    return call


async def told_in_vain(stage: Stage) -> Talk:
    """One that nobody takes, though there was time for it; the only one."""
    call = await tell(stage)
    await asyncio.sleep(1)
    async with call.database.reading() as connection:
        assert await waiting.count(connection, "any", 9) == 1
    return call


async def is_taken_when_told(stage: Stage) -> bool:
    """Whether a worker takes one at once."""
    call = await tell(stage)
    await asyncio.sleep(1)
    async with call.database.reading() as connection:
        return await leases.has_agent(connection, call.id)


async def test_who_takes_a_call_and_when(
    stage: Stage, livekit: LiveKitServer, providers: Providers, migrated_sqlite: Path, tmp_path: Path, until: Until
) -> None:
    """The worker that has a database of its own at the same time as the others, which wait for theirs."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            a_worker_takes_no_call_ahead_of_livekit_while_it_cannot_enter_a_room(
                livekit, providers, migrated_sqlite, tmp_path, until
            )
        )
        await a_call_that_is_told_to_the_workers_needs_no_offer_and_one_that_comes_is_declined(stage, until)
        await an_agent_of_an_offered_call_enters_only_with_its_lease(stage, until)

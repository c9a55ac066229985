"""Who is in the room, as an agent sees it that loses its connection and makes it anew: all go, and come again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import pytest
import sqlalchemy as sa
from livekit import api, rtc
from livekit.rtc import SimulateScenarioKind

from calls.rooms import Rooms
from calls.settings import Settings
from calls.tables import participants
from calls.workers import leases
from tests.conftest import Until
from tests.worker.conftest import Running
from worker.room.journal import Journal
from worker.room.lease import take
from worker.room.presence import TOLD_S, Presence

pytestmark = [pytest.mark.restless, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

PHONE = "ada"  # the one participant of the call


@dataclass
class Seen:
    """An agent's room, whom it has welcomed, and the call."""

    room: rtc.Room
    welcomed: list[str]
    call: Running

    async def leg(self) -> tuple[str, str | None]:
        """The phone's status, and why it is over."""
        mine = sa.select(participants).where(participants.c.call_id == self.call.call.id)
        async with self.call.database.reading() as connection:
            row = (await connection.execute(mine)).one()
        return row.status, row.end_reason

    async def is_joined(self) -> bool:
        return (await self.leg())[0] == "joined"

    async def is_over(self) -> bool:
        return (await self.leg())[0] in {"left", "failed"}


Ring = Callable[[str], Awaitable[rtc.Room]]


@pytest.fixture
async def ring(worker_settings: Settings, running: Running) -> AsyncIterator[Ring]:
    """`await ring(status)`: the phone as the bridge brings it into the room, in this state of its call."""
    async with AsyncExitStack() as phones:

        async def ring(status: str) -> rtc.Room:
            return await phones.enter_async_context(
                joined(worker_settings, running, PHONE, "sip", {"sip.callStatus": status})
            )

        yield ring


@pytest.fixture
async def seen(worker_settings: Settings, running: Running) -> AsyncIterator[Seen]:
    call_id, database = running.call.id, running.database
    async with database.writing() as connection:
        rings = {"transport": "pstn", "status": "ringing"}
        await connection.execute(sa.update(participants).where(participants.c.call_id == call_id).values(rings))
        assert await leases.release(connection, call_id, running.token)
    taken = await take(database, call_id, "worker", "agent-2", 600)
    assert taken is not None
    journal = Journal(database, call_id, taken.lease.token, taken.clock, running.persistence())
    running.tasks.append(asyncio.create_task(journal.run()))
    welcomed: list[str] = []
    async with Rooms.connect(worker_settings) as rooms:
        await rooms.create_room(f"call_{call_id}", call_id)
    async with joined(worker_settings, running, "agent-2", "agent", {}) as room:
        Presence(
            room,
            call_id,
            journal,
            answered=taken.answered,
            on_human=lambda human: welcomed.append(human.identity),
            on_microphone=lambda _track, _owner: None,
            on_silent=lambda _track: None,
            on_end=lambda _reason, _at: None,
            on_cut_off=lambda: None,
        )
        yield Seen(room, welcomed, running)
        await journal.settle()
        await taken.lease.release(running.persistence())


@asynccontextmanager
async def joined(
    settings: Settings, running: Running, identity: str, kind: Literal["agent", "sip"], attributes: dict[str, str]
) -> AsyncIterator[rtc.Room]:
    grants = api.VideoGrants(room_join=True, room=f"call_{running.call.id}")
    token = (
        api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret.get_secret_value())
        .with_identity(identity)
        .with_kind(kind)
        .with_grants(grants)
        .with_attributes(attributes)
    )
    room = rtc.Room()
    await room.connect(settings.livekit_url, token.to_jwt())
    try:
        yield room
    finally:
        await room.disconnect()


async def test_a_phone_that_was_picked_up_is_heard_again_though_it_says_that_it_is_being_called(
    seen: Seen, ring: Ring, until: Until
) -> None:
    phone = await ring("active")
    await until(lambda: seen.welcomed == [PHONE])
    await phone.disconnect()
    await until(lambda: not seen.room.remote_participants)
    await ring("dialing")  # as the bridge brings it back after a restart of LiveKit
    await until(lambda: seen.welcomed == [PHONE, PHONE])
    await until(seen.is_joined)


async def test_a_phone_rings_on_while_the_agent_makes_its_connection_anew(seen: Seen, ring: Ring, until: Until) -> None:
    gone, back = asyncio.Event(), asyncio.Event()
    phone = await ring("ringing")
    await until(lambda: PHONE in seen.room.remote_participants)
    seen.room.on("participant_disconnected", lambda _phone: gone.set())
    seen.room.on("reconnected", back.set)
    await seen.room.simulate_scenario(SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
    await asyncio.wait_for(gone.wait(), 60)
    await asyncio.wait_for(back.wait(), 60)
    await until(lambda: PHONE in seen.room.remote_participants)
    await asyncio.sleep(TOLD_S + 0.5)  # so long whoever called it might have told why it went
    await phone.disconnect(reason=rtc.DisconnectReason.USER_REJECTED)
    await until(seen.is_over)
    assert await seen.leg() == ("failed", "rejected")

"""Who is in the room, as an agent sees it that loses its connection and makes it anew: all go, and come again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pytest
import sqlalchemy as sa
from livekit import api, rtc
from livekit.rtc import SimulateScenarioKind

from calls.database.engine import DEFAULT_TENANT
from calls.placing.creation import NewParticipant
from calls.rooms import Rooms
from calls.settings import Settings
from calls.store import CallStore
from calls.tables import call_events, participants
from calls.workers import leases
from tests.conftest import PATIENCE_S, Until
from tests.worker.conftest import Running, running_call
from worker.room import presence
from worker.room.journal import Journal
from worker.room.lease import take
from worker.room.presence import Presence

pytestmark = pytest.mark.restless

PHONE, WITNESS = "ada", "bob"  # the participants of the call


@dataclass
class Seen:
    """An agent's room, what it has written of it, whom it has welcomed, and since when it was cut off."""

    room: rtc.Room
    journal: Journal
    call: Running
    welcomed: list[str] = field(default_factory=list)
    cut_off: list[datetime | None] = field(default_factory=list)

    def follow(self, answered: Collection[str]) -> Presence:
        return Presence(
            self.room,
            self.call.call.id,
            self.journal,
            answered=answered,
            on_human=lambda human: self.welcomed.append(human.identity),
            on_microphone=lambda _track, _owner: None,
            on_silent=lambda _track: None,
            on_end=lambda _reason, _at: None,
            on_cut_off=self.cut_off.append,
        )

    async def leg(self, phone: str = PHONE) -> tuple[str, str | None]:
        """The phone's status, and why it is over."""
        mine = (participants.c.call_id == self.call.call.id, participants.c.room_identity == phone)
        async with self.call.database.reading() as connection:
            row = (await connection.execute(sa.select(participants).where(*mine))).one()
        return row.status, row.end_reason

    async def is_joined(self) -> bool:
        return (await self.leg())[0] == "joined"

    async def is_over(self, phone: str = PHONE) -> bool:
        return (await self.leg(phone))[0] in {"left", "failed"}

    async def sees(self, *phones: str) -> bool:
        return self.room.remote_participants.keys() == set(phones)

    async def reconnect(self, scenario: SimulateScenarioKind.ValueType) -> None:
        back = asyncio.Event()
        self.room.on("reconnected", back.set)
        await self.room.simulate_scenario(scenario)
        await asyncio.wait_for(back.wait(), PATIENCE_S)


Ring = Callable[..., Awaitable[rtc.Room]]


@asynccontextmanager
async def phones_of(settings: Settings, running: Running) -> AsyncIterator[Ring]:
    """`await ring(status)`: a phone as the bridge brings it into the room, in this state of its call."""
    async with AsyncExitStack() as phones:

        async def ring(status: str, phone: str = PHONE) -> rtc.Room:
            return await phones.enter_async_context(joined(settings, running, phone, "sip", {"sip.callStatus": status}))

        yield ring


@asynccontextmanager
async def agent_of(settings: Settings, running: Running) -> AsyncIterator[Seen]:
    call_id, database = running.call.id, running.database
    async with database.writing() as connection:
        await CallStore(connection).add_participants(DEFAULT_TENANT, call_id, [NewParticipant("webrtc", WITNESS)])
        rings = {"transport": "pstn", "status": "ringing"}
        await connection.execute(sa.update(participants).where(participants.c.call_id == call_id).values(rings))
        assert await leases.release(connection, call_id, running.token)
    taken = await take(database, call_id, "worker", "agent-2", 600)
    assert taken is not None
    journal = Journal(database, call_id, taken.lease.token, taken.clock, running.persistence())
    running.tasks.append(asyncio.create_task(journal.run()))
    async with Rooms.connect(settings, PATIENCE_S) as rooms:
        await rooms.create_room(f"call_{call_id}", call_id)
    async with joined(settings, running, "agent-2", "agent", {}) as room:
        followed = Seen(room, journal, running)
        followed.follow(taken.answered)
        yield followed
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


async def a_phone_that_was_picked_up_is_heard_again_though_it_says_that_it_is_being_called(
    seen: Seen, ring: Ring, until: Until
) -> None:
    phone = await ring("active")
    await until(lambda: seen.welcomed == [PHONE])
    await phone.disconnect()
    await until(lambda: not seen.room.remote_participants)
    await ring("dialing")  # as the bridge brings it back after a restart of LiveKit
    await until(lambda: seen.welcomed == [PHONE, PHONE])
    await until(seen.is_joined)


async def an_agent_that_is_cut_off_for_good_has_lost_who_was_there_and_knows_when(
    seen: Seen, ring: Ring, until: Until
) -> None:
    await ring("active")
    await until(lambda: seen.welcomed == [PHONE])
    await until(seen.is_joined)
    happened: list[str] = []

    def lose(event: str) -> None:
        happened.append(event)
        if len(happened) == 2:  # the last attempt has failed, as after half a minute without LiveKit
            seen.room.emit("disconnected", rtc.DisconnectReason.UNKNOWN_REASON)

    seen.room.on("participant_disconnected", lambda _phone: lose("gone"))
    seen.room.on("reconnecting", lambda: lose("lost"))
    before = seen.journal.moment()
    await seen.reconnect(SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
    await until(lambda: seen.sees(PHONE))
    await seen.journal.settle()
    async with seen.call.database.reading() as connection:
        mine = (call_events.c.call_id == seen.call.call.id, call_events.c.kind == "leg.ended")
        ended = sa.select(call_events).where(*mine)
        [left] = await connection.execute(ended)
    assert left.data["reason"] == "connection_lost"
    assert sorted(happened) == ["gone", "lost"]
    [since] = seen.cut_off
    assert since is not None
    assert before <= since == left.created_at
    await seen.room.disconnect()
    seen.follow([]).look_around(None)
    assert seen.cut_off == [since, None], "also one that was out before it could see that"


async def a_phone_rings_on_while_the_agent_makes_its_connection_anew(seen: Seen, ring: Ring, until: Until) -> None:
    gone = asyncio.Event()
    phone, witness = await ring("ringing"), await ring("ringing", WITNESS)
    await until(lambda: seen.sees(PHONE, WITNESS))
    seen.room.on("participant_disconnected", lambda _phone: gone.set())
    await seen.reconnect(SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
    await asyncio.wait_for(gone.wait(), PATIENCE_S)
    await until(lambda: seen.sees(PHONE, WITNESS))
    await rings_on(seen, witness, until)
    await phone.disconnect(reason=rtc.DisconnectReason.USER_REJECTED)
    await until(seen.is_over)
    assert await seen.leg() == ("failed", "rejected")


async def a_phone_rings_on_whose_bridge_makes_its_connection_anew(seen: Seen, ring: Ring, until: Until) -> None:
    went: list[str] = []
    _, witness = await ring("ringing"), await ring("ringing", WITNESS)
    await until(lambda: seen.sees(PHONE, WITNESS))
    seen.room.on("participant_disconnected", lambda phone: went.append(phone.identity))
    again = await ring("dialing")  # which throws the first one out
    await again.local_participant.set_attributes({"sip.callStatus": "ringing"})  # of that the others hear at once
    await until(lambda: went == [PHONE])
    await until(lambda: seen.sees(PHONE, WITNESS))
    await rings_on(seen, witness, until)


async def rings_on(seen: Seen, witness: rtc.Room, until: Until) -> None:
    """The phone does, when so much time has passed since it was seen to go that a later one is known to be gone."""
    await witness.disconnect(reason=rtc.DisconnectReason.USER_REJECTED)
    await until(lambda: seen.is_over(WITNESS))
    assert await seen.leg() == ("ringing", None)


async def who_rejects_a_call_just_before_the_agents_connection_goes_on_has_rejected_it(
    seen: Seen, ring: Ring, until: Until
) -> None:
    phone = await ring("ringing")
    await until(lambda: seen.sees(PHONE))
    await phone.disconnect(reason=rtc.DisconnectReason.USER_REJECTED)
    await until(seen.sees)
    await seen.reconnect(SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT)
    await until(seen.is_over)
    assert await seen.leg() == ("failed", "rejected")


@pytest.mark.timeout(180)
async def test_who_is_in_the_room_as_an_agent_sees_it_whose_connection_comes_and_goes(
    worker_settings: Settings, sqlite_url: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a room of its own, all at the same time: they wait much longer than they work."""
    monkeypatch.setattr(presence, "TOLD_S", 10.0)  # a busy machine may take some seconds to bring a phone back

    async def go(way: Callable[[Seen, Ring, Until], Awaitable[None]]) -> None:
        async with (
            running_call(sqlite_url) as running,
            agent_of(worker_settings, running) as seen,
            phones_of(worker_settings, running) as ring,
        ):
            await way(seen, ring, until)

    async with asyncio.TaskGroup() as tasks:
        for way in (
            a_phone_that_was_picked_up_is_heard_again_though_it_says_that_it_is_being_called,
            an_agent_that_is_cut_off_for_good_has_lost_who_was_there_and_knows_when,
            a_phone_rings_on_while_the_agent_makes_its_connection_anew,
            a_phone_rings_on_whose_bridge_makes_its_connection_anew,
            who_rejects_a_call_just_before_the_agents_connection_goes_on_has_rejected_it,
        ):
            tasks.create_task(go(way))

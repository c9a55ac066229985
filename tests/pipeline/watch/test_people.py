"""The watcher on a real LiveKit server: people who come and go, and phones."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT
from calls.phones import inbound
from calls.phones.numbers import add_number
from calls.placing.creation import NewParticipant
from calls.rooms import REJOIN_S
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents, calls
from calls.workers import waiting
from pipeline.deps import Deps
from pipeline.patience import Patience
from pipeline.watch import Watcher
from tests.pipeline.placed import BROWSER, ended, events_of, legs_of, phone, place
from tests.pipeline.sip_phone import as_a_phone
from tests.pipeline.watch.watched import (
    begin,
    is_open,
    joined,
    look_until_ended,
    place_with_room,
    release,
    take,
)

pytestmark = pytest.mark.restless


async def test_people_who_come_and_go_are_noted_where_no_webhook_told_of_them(open_with, until):
    deps = await open_with()
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)

    def is_now(status: str) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            await watcher.look()
            return await legs_of(deps.db, call) == [("ada", status, None)]

        return look

    async with joined(deps, call):
        await until(is_now("joined"))
    await until(is_now("left"))
    assert await ended(deps.db, call) is None
    told = [message for message in await events_of(deps.db, call) if message.startswith("Participant")]
    assert told == ["Participant joined", "Participant left"]


async def test_a_call_that_nobody_joins_fails_and_its_room_is_closed(open_with, until):
    deps = await open_with(join_timeout_s=0.2)
    call = await place_with_room(deps)
    assert await look_until_ended(deps, call, until) == ("failed", "nobody_joined")
    assert await legs_of(deps.db, call) == [("ada", "failed", "nobody_joined")]
    assert not await is_open(deps, call)


async def test_a_call_whose_phone_is_still_queued_waits_for_it(open_with):
    deps = await open_with(join_timeout_s=0.01)
    call = await place(deps.db, phone())
    await deps.rooms.create_room(call.room_name, call.id)
    await Watcher(deps.db, deps.rooms, deps.settings).look()
    assert await ended(deps.db, call) is None
    await deps.rooms.delete_room(call.room_name)


async def test_a_call_whose_phone_is_not_dialled_yet_needs_no_room(open_with):
    deps = await open_with(join_timeout_s=0.01, lease_s=0.01)
    call = await place(deps.db, phone())
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    for _ in range(2):
        await watcher.look()
        await asyncio.sleep(0.02)
    assert await ended(deps.db, call) is None


async def test_a_caller_who_leaves_while_there_is_no_agent_has_hung_up_once_he_would_be_back(
    open_with, until, monkeypatch
):
    """By a clock that the test turns."""
    seconds = [1000.0]
    monkeypatch.setattr("pipeline.watch.Patience", lambda gap_s: Patience(gap_s, lambda: seconds[0]))
    deps = await open_with()
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call):
        await release(deps, call, await begin(deps, call))
        await watcher.look()
        seconds[0] += REJOIN_S
        await watcher.look()

    async def is_left() -> bool:
        return not await deps.rooms.list_participants(call.room_name)

    await until(is_left)
    await watcher.look()
    assert await ended(deps.db, call) is None
    seconds[0] += REJOIN_S
    await watcher.look()
    assert await ended(deps.db, call) == ("completed", "caller_hung_up")


async def test_a_phone_that_was_picked_up_is_there_whatever_it_says_of_itself_later(open_with, until):
    """After a restart of LiveKit it is what it was in the beginning."""
    deps = await open_with(agent_return_timeout_s=1)
    call = await place(deps.db, phone())
    [leg] = call.participants
    await deps.rooms.create_room(call.room_name, call.id)
    token = await take(deps, call)
    async with deps.db.writing() as conn:
        await conn.execute(sa.update(calls).where(calls.c.id == call.id).values(dispatches=1))
        store = CallStore(conn)
        assert await store.dialing(call.id, leg.id)
        assert await store.participant_joined(call.id, leg.room_identity)
        await store.start(call.id)
    await release(deps, call, token)
    async with as_a_phone(deps, call.room_name, leg.room_identity, {"sip.callStatus": "dialing"}):
        assert await look_until_ended(deps, call, until) == ("completed", "agent_lost")
    assert "No agent is in the room; dispatch 2" in await events_of(deps.db, call)


async def test_a_caller_whose_call_cannot_be_written_keeps_no_other_waiting(open_with):
    deps = await open_with()
    broken, well = "+4930301", "+4930302"
    async with deps.db.writing() as conn:
        for number, config in ((broken, "no configuration"), (well, {})):
            agent_id = str(uuid.uuid4())
            row: dict[str, Any] = {"id": agent_id, "tenant_id": DEFAULT_TENANT, "name": "Aria", "config": config}
            await conn.execute(sa.insert(agents).values(row))
            await add_number(conn, DEFAULT_TENANT, number, agent_id)
    async with in_a_room_of_its_own(deps, broken), in_a_room_of_its_own(deps, well):
        await Watcher(deps.db, deps.rooms, deps.settings).look()
        async with deps.db.reading() as conn:
            called = list(await conn.scalars(sa.select(calls.c.variables["called_number"].as_string())))
            assert await waiting.count(conn, "any", 9) == 1, "LiveKit's offer may be one that nobody hears"
    assert called == [well]


@asynccontextmanager
async def in_a_room_of_its_own(deps: Deps, dialled: str) -> AsyncIterator[None]:
    """With somebody on a phone who calls this number."""
    name = f"{inbound.PREFIX}{dialled}_{uuid.uuid4().hex}"
    await deps.rooms.create_room(name, "nobody's")
    shown = {
        inbound.TENANT_ATTRIBUTE: DEFAULT_TENANT,
        "sip.trunkPhoneNumber": dialled,
        "sip.phoneNumber": "+4930666666",
    }
    async with as_a_phone(deps, name, "sip_1", shown):
        yield


async def test_a_call_is_lost_whose_last_was_lost_and_not_one_whose_last_left(open_with, until):
    deps = await open_with(lease_s=0.2)
    lost, left = [await place(deps.db, BROWSER, NewParticipant("webrtc", "bob")) for _ in range(2)]
    for call, why in ((lost, {"bob": EndReason.CONNECTION_LOST}), (left, {"ada": EndReason.CONNECTION_LOST})):
        token = await begin(deps, call)
        for identity in ("ada", "bob"):
            async with deps.db.writing() as conn:
                await CallStore(conn).participant_joined(call.id, identity)
                await CallStore(conn).participant_left(call.id, identity, reason=why.get(identity))
        await release(deps, call, token)
    assert await look_until_ended(deps, lost, until) == ("completed", "connection_lost")
    assert await look_until_ended(deps, left, until) == ("completed", "caller_hung_up")

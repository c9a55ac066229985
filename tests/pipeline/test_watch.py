"""The watcher on a real LiveKit server, with people who really join."""

import asyncio
import json
import math
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from livekit import api, rtc

from calls.database.engine import DEFAULT_TENANT
from calls.phones import inbound
from calls.phones.numbers import add_number
from calls.placing.creation import NewCall, NewParticipant
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents, call_events, calls
from calls.tables import leases as lease_table
from calls.workers import leases
from pipeline.deps import Deps
from pipeline.patience import Patience
from pipeline.verdict import MOST_AGENTS
from pipeline.watch import FORGOTTEN_AFTER, Watcher
from tests.conftest import now
from tests.pipeline.finished import watching
from tests.pipeline.held import held
from tests.pipeline.patient import open_patient
from tests.pipeline.placed import BROWSER, ended, events_of, legs_of, phone, place, row_of
from tests.pipeline.sip_phone import as_a_phone
from tests.servers import free_port
from tests.standstill import stand_still

pytestmark = pytest.mark.restless

Open = Callable[..., Awaitable[Deps]]


@pytest.fixture
async def open_with(settings) -> AsyncIterator[Open]:
    """`await open_with(**settings)`: the pipeline's outside world, with times that a test can wait for."""
    async with AsyncExitStack() as stack:

        async def opened(**changes: Any) -> Deps:
            # No worker of another test serves this name.
            calm = {"join_timeout_s": 60, "agent_join_timeout_s": 60, "lease_s": 60, "agent_name": "nobody"}
            return await stack.enter_async_context(open_patient(settings(**(calm | changes))))

        yield opened


async def place_with_room(deps: Deps) -> NewCall:
    call = await place(deps.db)
    await deps.rooms.create_room(call.room_name, call.id)
    return call


@asynccontextmanager
async def joined(deps: Deps, call: NewCall, identity: str = "ada") -> AsyncIterator[rtc.Room]:
    room = rtc.Room()
    await room.connect(deps.settings.livekit_url, deps.rooms.caller_token(call.room_name, identity, {}))
    try:
        yield room
    finally:
        await room.disconnect()


async def take(deps: Deps, call: NewCall, *, enters: bool = True) -> int:
    """What a worker writes that was given the call; the lease's token."""
    async with deps.db.writing() as conn:
        token = await leases.take(conn, call.id, "worker-1", "agent-1")
        assert token is not None
        if enters:
            await CallStore(conn).agent_joined(call.id, token)
        return token


async def begin(deps: Deps, call: NewCall) -> int:
    """What a worker writes when caller and agent are there; the lease's token."""
    token = await take(deps, call)
    async with deps.db.writing() as conn:
        await CallStore(conn).participant_joined(call.id, "ada")
        await CallStore(conn).start(call.id)
    return token


async def release(deps: Deps, call: NewCall, token: int) -> None:
    async with deps.db.writing() as conn:
        assert await leases.release(conn, call.id, token)


async def last_sign(deps: Deps, call: NewCall) -> datetime:
    async with deps.db.reading() as conn:
        moment: datetime | None = await conn.scalar(
            sa.select(lease_table.c.renewed_at).where(lease_table.c.call_id == call.id)
        )
    assert moment is not None
    return moment


async def is_open(deps: Deps, call: NewCall) -> bool:
    return bool(await deps.rooms.list_rooms([call.room_name]))


async def look_until_ended(deps: Deps, call: NewCall, until: Any) -> tuple[str, str]:
    """Let a watcher look until the call is over; its status and end reason."""
    watcher = Watcher(deps.db, deps.rooms, deps.settings)

    async def look() -> tuple[str, str] | None:
        await watcher.look()
        return await ended(deps.db, call)

    outcome: tuple[str, str] = await until(look)
    return outcome


async def dispatches(deps: Deps, call: NewCall) -> list[dict[str, str]]:
    """What the dispatches say that LiveKit has for the call's room, oldest first."""
    settings = deps.settings
    secret = settings.livekit_api_secret.get_secret_value()
    async with api.LiveKitAPI(settings.livekit_url, settings.livekit_api_key, secret) as livekit:
        listed = await livekit.agent_dispatch.list_dispatch(call.room_name)
    return [json.loads(one.metadata) for one in sorted(listed, key=lambda one: one.state.created_at)]


async def test_a_caller_whom_no_agent_joins_gets_more_dispatches_and_then_a_failed_call(open_with, until):
    deps = await open_with(agent_join_timeout_s=0.2, dispatch_attempts=3)
    call = await place_with_room(deps)
    async with joined(deps, call) as caller:
        watcher = Watcher(deps.db, deps.rooms, deps.settings)

        async def all_dispatched() -> bool:
            await watcher.look()
            return int((await row_of(deps.db, call)).dispatches) == 3

        await until(all_dispatched)
        assert len(await dispatches(deps, call)) == 3
        assert await look_until_ended(deps, call, until) == ("failed", "no_agent")
        await until(lambda: not caller.isconnected())
    again = [message for message in await events_of(deps.db, call) if "dispatch" in message]
    assert again == [f"No agent is in the room; dispatch {n}" for n in (2, 3)]
    assert not await is_open(deps, call)


async def test_an_agent_that_holds_the_lease_is_an_agent(open_with, until):
    deps = await open_with(agent_join_timeout_s=0.01)
    call = await place_with_room(deps)
    await take(deps, call, enters=False)
    async with joined(deps, call):
        watcher = Watcher(deps.db, deps.rooms, deps.settings)
        await until(lambda: deps.rooms.list_participants(call.room_name))
        for _ in range(3):
            await watcher.look()
        assert (await row_of(deps.db, call)).dispatches == 1
        assert await legs_of(deps.db, call) == [("ada", "joining", None)], "that is the agent's to note"


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


async def test_the_call_of_a_killed_agent_is_offered_at_once_and_was_over_with_its_last_sign_of_life(
    database_url, open_with, until, tmp_path
):
    deps = await open_with(agent_return_timeout_s=6, lease_s=4)
    call = await place_with_room(deps)
    async with joined(deps, call) as caller, watching(deps), held(deps.settings, call.id, tmp_path / "log") as agent:
        agent.kill_group()
        await until(lambda: is_dispatched(deps, call, 2))
        seen = await last_sign(deps, call)
        assert await until(lambda: ended(deps.db, call)) == ("completed", "agent_lost")
        await until(lambda: not caller.isconnected())
    row = await row_of(deps.db, call)
    assert row.ended_at == seen
    assert row.bill_duration == math.ceil((seen - row.started_at).total_seconds())
    assert now() - seen > timedelta(seconds=2)
    assert {"The agent's process died", "The agent's process is gone"} & set(await events_of(deps.db, call))
    assert not await is_open(deps, call)


async def is_dispatched(deps: Deps, call: NewCall, number: int) -> bool:
    return int((await row_of(deps.db, call)).dispatches) >= number


async def test_the_call_of_an_agent_that_stands_still_is_anothers_and_it_has_no_say_any_more(
    database_url, open_with, until, tmp_path
):
    deps = await open_with(lease_s=4)
    call = await place_with_room(deps)
    async with joined(deps, call), watching(deps), held(deps.settings, call.id, tmp_path / "log") as agent:
        await asyncio.sleep(5)  # as long as it gives signs of life, nothing happens
        assert "The agent shows no life" not in await events_of(deps.db, call)
        await stand_still(deps.db, partial(agent.send, signal.SIGSTOP))
        await until(lambda: is_dispatched(deps, call, 2))
        assert "The agent shows no life" in await events_of(deps.db, call)
        assert await take(deps, call) == 2
        agent.send(signal.SIGCONT)
        await until(lambda: "over" in agent.output)
        assert await ended(deps.db, call) is None


async def test_a_conversation_without_an_agent_is_offered_every_few_moments(open_with, until):
    deps = await open_with(dispatch_attempts=1)
    call = await place_with_room(deps)
    async with joined(deps, call), watching(deps):
        await release(deps, call, await begin(deps, call))
        await until(lambda: is_dispatched(deps, call, 4))
        assert await times_asked(deps, call) == 1, "that it is asked again is no news"
        token = await take(deps, call)
        count = (await row_of(deps.db, call)).dispatches
        await asyncio.sleep(2)
        assert (await row_of(deps.db, call)).dispatches == count
        await release(deps, call, token)
        await until(lambda: is_dispatched(deps, call, count + 1))
        assert await times_asked(deps, call) == 2
    assert await ended(deps.db, call) is None


async def test_what_nobody_took_while_the_database_was_away_is_offered_at_once_when_it_is_back(open_with, until):
    deps = await open_with(agent_join_timeout_s=8, dispatch_attempts=2)
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call) as caller:
        await until(lambda: is_seen(deps, call, watcher))
        for number in (1, 2, 3):
            await watcher.look()
            assert (await row_of(deps.db, call)).dispatches == number
            watcher.forget()
        assert await times_asked(deps, call) == 0, "it says nothing of those who might have come"
        assert await look_until_ended(deps, call, until) == ("failed", "no_agent")
        await until(lambda: not caller.isconnected())
    assert await times_asked(deps, call) == 1


async def test_a_loss_is_told_also_if_the_database_was_away_before_it(open_with):
    deps = await open_with()
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call):
        await release(deps, call, await begin(deps, call))
        for _ in range(3):  # the second and third are reminders
            await watcher.look()
            watcher.forget()
        assert await times_asked(deps, call) == 1
        token = await take(deps, call)
        await watcher.look()
        await release(deps, call, token)
        watcher.forget()
        await watcher.look()
        assert await times_asked(deps, call) == 2
    assert await ended(deps.db, call) is None


async def times_asked(deps: Deps, call: NewCall) -> int:
    return sum("; dispatch" in message for message in await events_of(deps.db, call))


async def test_a_conversation_that_every_agent_dies_of_is_given_up(database_url, open_with, until):
    deps = await open_with()
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call) as caller:
        await release(deps, call, await begin(deps, call))
        # Those that could not enter, and that were lost long ago, say nothing of the next one.
        chances = [False] * MOST_AGENTS + [True] * (MOST_AGENTS - 1)
        for number, enters in enumerate(chances, 2):
            await watcher.look()
            assert await is_dispatched(deps, call, number)
            assert await take(deps, call, enters=enters) == number
            await release(deps, call, number)
        await let_it_be_long_ago(deps, call)
        await watcher.look()
        assert await ended(deps.db, call) is None
        for number in range(len(chances) + 2, len(chances) + 2 + MOST_AGENTS):
            assert await take(deps, call) == number
            await release(deps, call, number)
            await watcher.look()
        assert await ended(deps.db, call) == ("completed", "agent_lost")
        await until(lambda: not caller.isconnected())
    said = f"{MOST_AGENTS} agents were lost in a short time; no other one is asked for"
    assert said in await events_of(deps.db, call)


async def let_it_be_long_ago(deps: Deps, call: NewCall) -> None:
    """All that happened to the call so far."""
    async with deps.db.writing() as conn:
        long_ago = call_events.update().where(call_events.c.call_id == call.id)
        await conn.execute(long_ago.values(created_at=now() - timedelta(hours=1)))


async def test_an_agent_that_comes_back_in_time_saves_the_call(open_with, monkeypatch):
    """By a clock that the test turns."""
    seconds = [1000.0]
    monkeypatch.setattr("pipeline.watch.Patience", lambda gap_s: Patience(gap_s, lambda: seconds[0]))
    deps = await open_with(agent_return_timeout_s=3)
    call = await place_with_room(deps)
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    async with joined(deps, call):
        await watcher.look()
        token = await begin(deps, call)
        for _ in range(3):  # each time it waits anew
            await watcher.look()
            await release(deps, call, token)
            await watcher.look()
            seconds[0] += 1.1
            await watcher.look()
            token = await take(deps, call)
        await watcher.look()
        assert await ended(deps.db, call) is None


async def is_seen(deps: Deps, call: NewCall, watcher: Watcher) -> bool:
    """Whether a watcher that looks finds the caller there."""
    await watcher.look()
    return await legs_of(deps.db, call) == [("ada", "joined", None)]


@pytest.mark.parametrize("enters", [True, False])
async def test_a_call_that_an_agent_gave_back_is_offered_at_once_and_elsewhere_if_that_could_not_enter(
    open_with, until, enters
):
    deps = await open_with()
    call = await place_with_room(deps)
    async with joined(deps, call):
        watcher = Watcher(deps.db, deps.rooms, deps.settings)
        await until(lambda: is_seen(deps, call, watcher))
        await release(deps, call, await take(deps, call, enters=enters))
        await watcher.look()
        first, again = await dispatches(deps, call)
        assert first == {"call_id": call.id}
        assert again == {"call_id": call.id, "again": True} | ({} if enters else {"avoid": "worker-1"})
        await watcher.look()
        assert len(await dispatches(deps, call)) == 2


async def test_a_caller_who_leaves_while_there_is_no_agent_has_hung_up(open_with, until):
    deps = await open_with(agent_return_timeout_s=0.5)
    call = await place_with_room(deps)
    async with joined(deps, call):
        await release(deps, call, await begin(deps, call))

    async def is_left() -> bool:
        return not await deps.rooms.list_participants(call.room_name)

    await until(is_left)
    assert await look_until_ended(deps, call, until) == ("completed", "caller_hung_up")


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


async def test_a_call_never_ends_before_it_began(open_with, until):
    """Its agent died before it had renewed the lease after the beginning."""
    deps = await open_with(agent_return_timeout_s=0.2)
    call = await place_with_room(deps)
    async with joined(deps, call):
        await release(deps, call, await begin(deps, call))
        await look_until_ended(deps, call, until)
    row = await row_of(deps.db, call)
    assert row.ended_at == row.started_at
    assert row.bill_duration == 0


async def test_a_call_whose_room_went_without_a_word_is_ended(open_with, until):
    deps = await open_with(lease_s=0.2)
    call = await place_with_room(deps)
    await begin(deps, call)
    await deps.rooms.delete_room(call.room_name)
    assert await look_until_ended(deps, call, until) == ("completed", "connection_lost"), "nobody was seen to go"


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


async def test_the_forgotten_room_of_a_finished_call_is_closed_and_no_other(open_with):
    deps = await open_with()
    over, running = await place_with_room(deps), await place_with_room(deps)
    await deps.rooms.create_room("call_of_somebody_else", "x")
    async with deps.db.writing() as conn:
        long_ago = now() - FORGOTTEN_AFTER - timedelta(seconds=1)
        await CallStore(conn, long_ago).finish(over.id, EndReason.ENDED_BY_API)
    await Watcher(deps.db, deps.rooms, deps.settings).look()
    assert not await is_open(deps, over)
    assert await is_open(deps, running)
    assert await deps.rooms.list_rooms(["call_of_somebody_else"])
    for name in (running.room_name, "call_of_somebody_else"):
        await deps.rooms.delete_room(name)


async def test_while_livekit_is_away_lost_agents_are_noticed_and_nobody_else_is_given_up(open_with):
    away = f"ws://127.0.0.1:{free_port()}"
    deps = await open_with(livekit_url=away, join_timeout_s=0.01, agent_return_timeout_s=0.01)
    waiting, talking, lost = [await place(deps.db) for _ in range(3)]
    await begin(deps, talking)
    await release(deps, lost, await begin(deps, lost))
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    await watcher.look()
    await asyncio.sleep(0.02)
    await watcher.look()
    assert await ended(deps.db, waiting) is None
    assert await ended(deps.db, talking) is None
    assert await ended(deps.db, lost) == ("completed", "agent_lost")


async def test_several_watchers_end_a_call_once(database_url, open_with):
    deps = await open_with(join_timeout_s=0.01)
    calls = [await place_with_room(deps) for _ in range(3)]
    watchers = [Watcher(deps.db, deps.rooms, deps.settings) for _ in range(4)]
    for _ in range(2):
        await asyncio.gather(*(watcher.look() for watcher in watchers))
        await asyncio.sleep(0.02)
    for call in calls:
        assert await ended(deps.db, call) == ("failed", "nobody_joined")
        assert sum("failed" in message for message in await events_of(deps.db, call)) == 1


async def test_several_watchers_offer_a_call_once(database_url, open_with):
    deps = await open_with()
    call = await place_with_room(deps)
    watchers = [Watcher(deps.db, deps.rooms, deps.settings) for _ in range(4)]
    async with joined(deps, call):
        for token in (1, 2):
            await asyncio.gather(*(watcher.look() for watcher in watchers))
            assert await take(deps, call) == token
            await release(deps, call, token)
            await asyncio.gather(*(watcher.look() for watcher in watchers))
    assert (await row_of(deps.db, call)).dispatches == 3
    assert len(await dispatches(deps, call)) == 3


async def test_the_watcher_looks_by_itself_until_it_is_stopped(open_with, until):
    deps = await open_with(join_timeout_s=0.2)
    call = await place_with_room(deps)
    async with watching(deps):
        assert await until(lambda: ended(deps.db, call)) == ("failed", "nobody_joined")

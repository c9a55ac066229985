"""The watcher on a real LiveKit server, with people who really join."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from livekit import api, rtc

from calls.creation import NewCall
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import now
from pipeline.deps import Deps, open_deps
from pipeline.watch import FORGOTTEN_AFTER, Watcher, watch
from tests.pipeline.placed import ended, events_of, legs_of, phone, place, row_of
from tests.servers import free_port

Open = Callable[..., Awaitable[Deps]]


@pytest.fixture
async def open_with(settings) -> AsyncIterator[Open]:
    """`await open_with(**settings)`: the pipeline's outside world, with times that a test can wait for."""
    async with AsyncExitStack() as stack:

        async def opened(**changes: Any) -> Deps:
            # No worker of another test serves this name.
            calm = {"join_timeout_s": 60, "agent_join_timeout_s": 60, "lease_s": 60, "agent_name": "nobody"}
            return await stack.enter_async_context(open_deps(settings(**(calm | changes))))

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


async def begin(deps: Deps, call: NewCall, lease_s: float) -> None:
    """What a worker writes when caller and agent are there."""
    async with deps.db.writing() as conn:
        store = CallStore(conn)
        assert await store.take_lease(call.id, "worker", lease_s)
        await store.participant_joined(call.id, "ada")
        await store.start(call.id)


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


async def dispatches(deps: Deps, call: NewCall) -> int:
    """How many dispatches LiveKit has for the call's room."""
    settings = deps.settings
    secret = settings.livekit_api_secret.get_secret_value()
    async with api.LiveKitAPI(settings.livekit_url, settings.livekit_api_key, secret) as livekit:
        return len(await livekit.agent_dispatch.list_dispatch(call.room_name))


async def test_a_caller_whom_no_agent_joins_gets_more_dispatches_and_then_a_failed_call(open_with, until):
    deps = await open_with(agent_join_timeout_s=0.2, dispatch_attempts=3)
    call = await place_with_room(deps)
    async with joined(deps, call) as caller:
        watcher = Watcher(deps.db, deps.rooms, deps.settings)

        async def all_dispatched() -> bool:
            await watcher.look()
            return int((await row_of(deps.db, call)).dispatches) == 3

        await until(all_dispatched)
        assert await dispatches(deps, call) == 3
        assert await look_until_ended(deps, call, until) == ("failed", "no_agent")
        await until(lambda: not caller.isconnected())
    again = [message for message in await events_of(deps.db, call) if "dispatch" in message]
    assert again == [f"No agent joined in time; dispatch {n} of 3" for n in (2, 3)]
    assert not await is_open(deps, call)


async def test_an_agent_that_holds_the_lease_is_an_agent(open_with, until):
    deps = await open_with(agent_join_timeout_s=0.01)
    call = await place_with_room(deps)
    async with deps.db.writing() as conn:
        await CallStore(conn).take_lease(call.id, "worker", 60)
    async with joined(deps, call):
        watcher = Watcher(deps.db, deps.rooms, deps.settings)

        async def seen() -> bool:
            await watcher.look()
            return await legs_of(deps.db, call) == [("ada", "joined", None)]

        await until(seen)
        await watcher.look()
        assert (await row_of(deps.db, call)).dispatches == 1


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


async def test_a_call_whose_agent_died_is_completed_and_the_caller_let_go(open_with, until):
    deps = await open_with()
    call = await place_with_room(deps)
    async with joined(deps, call) as caller:
        await begin(deps, call, lease_s=0.2)
        assert await look_until_ended(deps, call, until) == ("completed", "agent_lost")
        await until(lambda: not caller.isconnected())
    assert not await is_open(deps, call)


async def test_a_call_whose_room_went_without_a_word_is_ended(open_with, until):
    deps = await open_with(lease_s=0.2)
    call = await place_with_room(deps)
    await begin(deps, call, lease_s=60)
    await deps.rooms.delete_room(call.room_name)
    assert await look_until_ended(deps, call, until) == ("completed", "caller_hung_up")


async def test_the_forgotten_room_of_a_finished_call_is_closed_and_no_other(open_with):
    deps = await open_with()
    over, running = await place_with_room(deps), await place_with_room(deps)
    await deps.rooms.create_room("call_of_somebody_else", "x")
    async with deps.db.writing() as conn:
        long_ago = now() - FORGOTTEN_AFTER - timedelta(seconds=1)
        await CallStore(conn).finish(over.id, EndReason.ENDED_BY_API, long_ago)
    await Watcher(deps.db, deps.rooms, deps.settings).look()
    assert not await is_open(deps, over)
    assert await is_open(deps, running)
    assert await deps.rooms.list_rooms(["call_of_somebody_else"])
    for name in (running.room_name, "call_of_somebody_else"):
        await deps.rooms.delete_room(name)


async def test_while_livekit_is_away_lost_agents_are_noticed_and_nobody_else_is_given_up(open_with):
    deps = await open_with(livekit_url=f"ws://127.0.0.1:{free_port()}", join_timeout_s=0.01)
    waiting, lost = await place(deps.db), await place(deps.db)
    await begin(deps, lost, lease_s=-1)
    await Watcher(deps.db, deps.rooms, deps.settings).look()
    assert await ended(deps.db, waiting) is None
    assert await ended(deps.db, lost) == ("completed", "agent_lost")


async def test_several_watchers_end_a_call_once(database_url, open_with):
    deps = await open_with(join_timeout_s=0.01)
    calls = [await place_with_room(deps) for _ in range(3)]
    watchers = [Watcher(deps.db, deps.rooms, deps.settings) for _ in range(4)]
    await asyncio.gather(*(watcher.look() for watcher in watchers))
    for call in calls:
        assert await ended(deps.db, call) == ("failed", "nobody_joined")
        assert sum("failed" in message for message in await events_of(deps.db, call)) == 1


async def test_the_watcher_looks_by_itself_until_it_is_stopped(open_with, until):
    deps = await open_with(join_timeout_s=0.2)
    call, stop = await place_with_room(deps), asyncio.Event()
    watching = asyncio.create_task(watch(deps, stop))
    assert await until(lambda: ended(deps.db, call)) == ("failed", "nobody_joined")
    stop.set()
    await watching

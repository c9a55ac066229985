"""The watcher on a real LiveKit server: rooms that are gone or forgotten, and several watchers."""

import asyncio
from datetime import timedelta

import pytest

from calls.states import EndReason
from calls.store import CallStore
from pipeline.watch import FORGOTTEN_AFTER, Watcher
from tests.conftest import now
from tests.pipeline.finished import watching
from tests.pipeline.placed import ended, events_of, place, row_of
from tests.pipeline.watch.watched import (
    begin,
    dispatches,
    is_open,
    joined,
    look_until_ended,
    place_with_room,
    release,
    take,
)
from tests.servers import free_port

pytestmark = pytest.mark.restless


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

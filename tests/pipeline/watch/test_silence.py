"""The watcher where LiveKit runs and does not answer: connections broke, or it is silent about some rooms or all."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest
from livekit import api
from typing_extensions import override

import pipeline.watch
from calls.errors import Unavailable
from calls.health import serve_health
from calls.rooms import REQUEST_TIMEOUT_S, Rooms
from pipeline.watch import Watcher, watch
from tests.broken_wire import Wire
from tests.pipeline.finished import watching
from tests.pipeline.placed import ended
from tests.pipeline.watch.watched import begin, joined, place_with_room, release
from tests.servers import LiveKitServer, free_port

pytestmark = pytest.mark.restless

MANY = 40


class SilentRooms(Rooms):
    """LiveKit says nothing of the rooms in `silent`."""

    silent: frozenset[str] = frozenset()

    @override
    async def list_participants(self, name: str) -> list[api.ParticipantInfo]:
        if name in self.silent:
            await asyncio.sleep(REQUEST_TIMEOUT_S)
            raise Unavailable("LiveKit does not answer")
        return await super().list_participants(name)


class HangingRooms(Rooms):
    """Who asks for the rooms waits until LiveKit `answers`, whatever limit there is."""

    answers: asyncio.Event

    @override
    async def list_rooms(self, names: object = ()) -> list[api.Room]:
        await self.answers.wait()
        return []


async def test_calls_end_although_the_connections_to_livekit_broke_without_a_word(
    open_with, livekit: LiveKitServer, until
):
    async with Wire(livekit.port).laid() as wire:
        way = f"ws://127.0.0.1:{wire.port}"
        deps = await open_with(livekit_url=way, join_timeout_s=2, agent_return_timeout_s=2)
        unwanted, lost = await place_with_room(deps), await place_with_room(deps)
        direct = replace(deps, settings=deps.settings.model_copy(update={"livekit_url": livekit.url}))
        async with joined(direct, lost), watching(deps):
            token = await begin(deps, lost)
            wire.break_connections()
            await release(deps, lost, token)
            assert await until(lambda: ended(deps.db, unwanted)) == ("failed", "nobody_joined")
            assert await until(lambda: ended(deps.db, lost)) == ("completed", "agent_lost")


async def test_rooms_of_which_livekit_says_nothing_keep_no_other_call_from_its_end(open_with, until):
    deps = await open_with(join_timeout_s=2)
    async with SilentRooms.connect(deps.settings) as rooms:
        silent = [await place_with_room(deps) for _ in range(MANY)]
        rooms.silent = frozenset(call.room_name for call in silent)
        other = await place_with_room(deps)
        async with watching(replace(deps, rooms=rooms)):
            assert await until(lambda: ended(deps.db, other)) == ("failed", "nobody_joined")
        assert [await ended(deps.db, call) for call in silent] == [None] * MANY
        for call in silent:
            await deps.rooms.delete_room(call.room_name)


async def test_who_does_not_get_to_watch_is_not_ready(open_with, until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline.watch, "GAP_S", 3.0)
    deps = await open_with()
    async with HangingRooms.connect(deps.settings) as rooms, aiohttp.ClientSession() as http:
        rooms.answers = asyncio.Event()
        watcher, stop, port = Watcher(deps.db, rooms, deps.settings), asyncio.Event(), free_port()

        async def says(status: int, *, watches: bool) -> bool:
            async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                return (answer.status, (await answer.json())["watcher"]) == (status, watches)

        async with serve_health("127.0.0.1", port, {"watcher": watcher.check}), asyncio.TaskGroup() as loops:
            loops.create_task(watch(deps, watcher, stop))
            await until(lambda: says(503, watches=False))
            rooms.answers.set()
            await until(lambda: says(200, watches=True))
            stop.set()

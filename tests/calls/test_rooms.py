"""Rooms of a real LiveKit server that is killed."""

import asyncio
from pathlib import Path

from calls.errors import Unavailable
from calls.rooms import Rooms
from calls.settings import Settings
from tests.conftest import Until
from tests.servers import LiveKitServer, Redis


async def test_rooms_of_a_server_that_was_killed_can_be_closed_by_the_next_one(tmp_path: Path, until: Until) -> None:
    """Redis remembers them."""

    async def closed() -> bool:
        try:
            await rooms.delete_room("left")
        except Unavailable:
            return False
        return True

    with Redis(tmp_path) as redis, LiveKitServer(tmp_path, redis=redis) as livekit:
        settings = Settings(
            _env_file=None, livekit_url=livekit.url, livekit_api_key=livekit.key, livekit_api_secret=livekit.secret
        )
        async with Rooms.connect(settings) as rooms:
            await rooms.create_room("left", "a call")
            await rooms.create_room("other", "another call")
            livekit.kill_group()
            livekit.start()
            await asyncio.to_thread(livekit.wait_ready)
            assert {room.name for room in await rooms.list_rooms()} == {"left", "other"}
            await until(closed)
            assert [room.name for room in await rooms.list_rooms()] == ["other"]

"""An API, `mortal_api KEY AGENT NUMBER`: a life is a client's call to a number, and its end while the phone rings.

The moment before a room is closed is a step too.
"""

import asyncio
import sys
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web
from typing_extensions import override

from api import app as application
from calls.rooms import Rooms
from calls.settings import Settings
from tests.pipeline.mortal import MortalDatabase, Steps, serve

LOOK_S = 0.05


class MortalRooms(Rooms):
    steps: Steps

    @override
    async def delete_room(self, name: str) -> None:
        self.steps.take()
        await super().delete_room(name)


async def live(number: str, steps: Steps) -> None:
    settings = Settings()
    # What the application opens for itself counts its steps.
    MortalRooms.steps = steps
    vars(application).update(Database=partial(MortalDatabase, steps=steps), Rooms=MortalRooms)
    runner = web.AppRunner(application.create_app(settings), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings.api_host, settings.api_port).start()
    async with aiohttp.ClientSession(f"http://{settings.api_host}:{settings.api_port}") as client:
        await call_and_hang_up(client, number)
    await runner.cleanup()


async def call_and_hang_up(client: aiohttp.ClientSession, number: str) -> None:
    """What a client does which does not know how far it came the time before."""
    key, agent_id = sys.argv[1:3]
    allowed = {"Authorization": f"Bearer {key}"}
    wanted = {"agent_id": agent_id, "participants": [{"transport": "pstn", "identity": number}]}
    headers = {**allowed, "Idempotency-Key": number}
    async with client.post("/v1/calls", json=wanted, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        path = f"/v1/calls/{(await answer.json())['id']}"

    async def leg() -> dict[str, Any]:
        async with client.get(path, headers=allowed) as answer:
            return dict((await answer.json())["participants"][0])

    while (await leg())["status"] == "queued":  # noqa: ASYNC110 - as a client asks
        await asyncio.sleep(LOOK_S)
    async with client.post(f"{path}/end", json={}, headers=allowed) as answer:
        assert answer.status in {200, 409}, await answer.text()


if __name__ == "__main__":
    serve(live, sys.argv[3])

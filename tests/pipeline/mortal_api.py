"""An API, `mortal_api KEY AGENT NUMBER`: a life is a client's call to a number, another that is added, and the end.

Both phones ring until then.

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

    async def post(path: str, body: dict[str, Any], *statuses: int) -> dict[str, Any]:
        async with client.post(path, json=body, headers={**allowed, "Idempotency-Key": number}) as answer:
            assert answer.status in statuses, await answer.text()
            return dict(await answer.json())

    async def one_waits() -> bool:
        async with client.get(path, headers=allowed) as answer:
            return any(leg["status"] == "queued" for leg in (await answer.json())["participants"])

    placed = await post("/v1/calls", {"agent_id": agent_id, "participants": [phone(number)]}, 202)
    path = f"/v1/calls/{placed['id']}"
    while await one_waits():  # noqa: ASYNC110 - as a client asks
        await asyncio.sleep(LOOK_S)
    await post(f"{path}/participants", {"participants": [phone(another(number))]}, 202)
    while await one_waits():  # noqa: ASYNC110 - the same
        await asyncio.sleep(LOOK_S)
    await post(f"{path}/end", {}, 200, 409)


def phone(number: str) -> dict[str, str]:
    return {"transport": "pstn", "identity": number}


def another(number: str) -> str:
    """Whom who calls this number adds to the call."""
    return f"{number}0"


if __name__ == "__main__":
    serve(live, sys.argv[3])

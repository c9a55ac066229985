"""A drill of providers that comes to nothing is a row of the table, and the others are carried out all the same."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from demo.client import Client
from drills.providers import part
from drills.providers.drill import Place
from drills.providers.front import front
from drills.providers.plan import failures
from tests.servers import free_port

DRILL = next(failures())


@pytest.fixture
async def strange() -> AsyncIterator[str]:
    """An api that says nothing of what it made."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def came_to_nothing(url: str, folder: Path) -> tuple[str, ...]:
    """What the row says of a drill with that api."""
    async with front(url, url) as providers, aiohttp.ClientSession() as http:
        made = await part._carry_out(DRILL, Place(Client(http, url, "a key"), providers, http, url, folder))
    assert (made.failed, made.second) == (DRILL.name, DRILL.second)
    return made.faults


async def test_an_api_that_is_gone(tmp_path: Path):
    [fault] = await came_to_nothing(f"http://127.0.0.1:{free_port()}", tmp_path)
    assert "Cannot connect" in fault


async def test_an_answer_that_lacks_what_is_needed(strange: str, tmp_path: Path):
    assert await came_to_nothing(strange, tmp_path) == ("'id'",)

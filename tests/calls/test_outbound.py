"""The guard on connections to addresses that users gave."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from calls.outbound import PrivateAddress, guarded_session


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest.fixture
async def server():
    app = web.Application()
    app.router.add_get("/", hello)
    async with TestServer(app) as running:
        yield running


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_private_server_is_reached_only_where_that_is_allowed(server, host):
    url = f"http://{host}:{server.port}/"
    async with guarded_session(private_addresses=True) as session, session.get(url) as response:
        assert await response.text() == "hello"
    async with guarded_session(private_addresses=False) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await session.get(url)
    assert isinstance(refused.value.os_error, PrivateAddress)

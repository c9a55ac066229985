"""What is known of a phone whose call was asked for, when the answer to that does not come."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pipeline.bridge import AnswerLost, Bridge, Invitation, Unanswered
from tests.servers import free_port

WHOM = Invitation("ST_1", "+15551234567", "+15557654321", "call_1", "phone_1", "Phone 4567", ring_s=5)


async def hang_up(request: web.Request) -> web.Response:
    """As a proxy does that is restarted after it has passed the request on."""
    await request.read()
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def test_whether_a_phone_was_called_is_not_known_once_it_was_asked_for(settings):
    app = web.Application()
    app.router.add_post("/{path:.*}", hang_up)
    async with TestServer(app) as server, Bridge.connect(settings(livekit_url=str(server.make_url("/")))) as bridge:
        with pytest.raises(AnswerLost):
            await bridge.call(WHOM)
    async with Bridge.connect(settings(livekit_url=f"http://127.0.0.1:{free_port()}")) as bridge:
        with pytest.raises(Unanswered):
            await bridge.call(WHOM)

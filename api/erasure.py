"""Erasing a call: all of it but what it cost."""

from aiohttp import web

from api.routing import DATABASE, named, reply
from calls.privacy.erasure import erase_call


async def erase(request: web.Request) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        await erase_call(conn, *named(request))
    return reply(None, 204)

"""`POST /v1/join`: whoever was sent a link exchanges its code, once, for the way into the call."""

from aiohttp import web

from api import rendering
from api.routing import DATABASE, PASSES, ROOMS, SETTINGS, reply
from api.schema.join import Join, Joined
from api.schema.participants import Access
from calls.errors import NotFound
from calls.placing.joining import use_code


async def exchange(request: web.Request, body: Join) -> web.Response:
    passes = request.app[PASSES]
    code = passes.read_join_code(body.code.strip())
    if code is None:
        raise NotFound("Code not found.")
    async with request.app[DATABASE].writing() as conn:
        row = await use_code(conn, code)
    token = request.app[ROOMS].caller_token(row.room_name, row.identity, row.metadata)
    joined = Joined(
        call_id=row.call_id,
        participant_id=row.id,
        agent=rendering.agent_name(row.agent),
        access=Access(url=request.app[SETTINGS].livekit_for_browsers, token=token),
        call_token=passes.call_token(row.call_id, code.key_id),
    )
    return reply(joined)

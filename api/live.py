"""`GET /v1/calls/stream`: all calls of a tenant as they begin, change and end, as server-sent events.

A connection begins with what there is, so that nothing has to be resumed: the calls that ring or run, and how many wait
for their turn, which may be thousands. Of a call that changes while its client takes nothing only the latest state is
kept.
"""

from contextlib import suppress

from aiohttp import web

from api import sse
from api.live_feed import LIVE_FEED, Follower, queue_message, read_live, read_queues
from api.live_transcripts import is_one_of, read_last_said
from api.routing import CREDENTIAL, DATABASE, KEY, KEYS
from api.schema.stream import CallSegment, LiveCall, LiveQuery, StreamReady
from calls.errors import DatabaseAway
from calls.states import LIVE, CallStatus

HEARTBEAT_S = 15
_SENT_FIRST = LIVE - {CallStatus.QUEUED}


async def stream(request: web.Request, query: LiveQuery) -> web.StreamResponse:
    tenant_id = request[KEY].tenant_id
    async with request.app[LIVE_FEED].follow(tenant_id, request[CREDENTIAL], query.include) as follower:
        async with request.app[DATABASE].reading() as conn:
            there = await read_live(conn, is_one_of(tenant_id, _SENT_FIRST))
            queued = (await read_queues(conn, [tenant_id]))[tenant_id]
            said = await read_last_said(conn, tenant_id) if "segments" in query.include else []
        follower.begin(queued)
        response = web.StreamResponse(headers=sse.HEADERS)
        await response.prepare(request)
        with suppress(ConnectionResetError, TimeoutError):  # the client is gone, or takes nothing
            await _begin(response, there, said, queued)
            await _send(request, response, follower)
    return response


async def _begin(response: web.StreamResponse, there: list[LiveCall], said: list[CallSegment], queued: int) -> None:
    await sse.write(response, [sse.RETRY, *(sse.message("call", call) for call in there)])
    await sse.write(response, [sse.message("segment", segment) for segment in said])
    await sse.write(response, [queue_message(queued), sse.message("ready", StreamReady(calls=len(there)))])


async def _send(request: web.Request, response: web.StreamResponse, follower: Follower) -> None:
    while not follower.is_over:
        if not await follower.wait(HEARTBEAT_S):
            if await _is_revoked(request):
                break
            await sse.write(response, [sse.STILL_HERE])
        await sse.write(response, follower.take())


async def _is_revoked(request: web.Request) -> bool:
    """Whether the client's key is, or its session is over: the feed asks only when something happens in a call."""
    try:
        return await request.app[KEYS].ask(request[CREDENTIAL]) is None
    except DatabaseAway:  # the stream goes on when that is back
        return False

"""Ending a call, and having its post-call work done again."""

import logging

from aiohttp import web

from api.rendering import job_id
from api.routing import DATABASE, ROOMS, named, reply
from api.schema.calls import EndedCall, Reprocessing
from api.schema.common import Nothing
from calls.analysis import generations
from calls.errors import Conflict, Unavailable
from calls.states import EndReason
from calls.store import CallStore

log = logging.getLogger(__name__)


async def end_call(request: web.Request, _body: Nothing) -> web.Response:
    """End the call and close its room; of several at once one ends it, for the others it is over."""
    tenant_id, call_id = named(request)
    async with request.app[DATABASE].writing() as conn:
        store = CallStore(conn)
        call = await store.get(tenant_id, call_id)
        if not await store.finish(call_id, EndReason.ENDED_BY_API):
            raise Conflict(f"This call is over: it is {call.status}.", code="call_over")
    try:
        await request.app[ROOMS].delete_room(call.room_name)
    except Unavailable:
        # The call is over all the same: the watcher closes rooms of calls that have ended.
        log.warning("a room could not be closed", extra={"call_id": call_id})
    return reply(EndedCall(id=call_id))


async def reprocess(request: web.Request, _body: Nothing) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        number = await generations.reprocess(conn, *named(request))
    return reply(Reprocessing(job_id=job_id(number)), 202)

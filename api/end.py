"""Ending a call, and having its post-call work done again."""

import logging

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api.once import Outcome, answer_once
from api.rendering import job_id
from api.routing import ROOMS, named
from api.schema.calls import EndedCall, Reprocessing
from api.schema.common import Nothing
from calls.analysis import generations
from calls.errors import Conflict, Unavailable
from calls.states import EndReason
from calls.store import CallStore

log = logging.getLogger(__name__)


async def end_call(request: web.Request, body: Nothing) -> web.Response:
    """End the call and close its room; of several at once one ends it, for the others it is over."""
    tenant_id, call_id = named(request)
    rooms: list[str] = []  # none if the answer was given before

    async def work(conn: AsyncConnection) -> Outcome:
        store = CallStore(conn)
        call = await store.get(tenant_id, call_id)
        if not await store.finish(call_id, EndReason.ENDED_BY_API):
            raise Conflict("Call is already completed or failed.", code="call_over")
        rooms.append(call.room_name)
        return Outcome(200, EndedCall(id=call_id))

    response = await answer_once(request, body, work)
    try:
        for room in rooms:
            await request.app[ROOMS].delete_room(room)
    except Unavailable:
        # The call is over all the same: the watcher closes rooms of calls that have ended.
        log.warning("a room could not be closed", extra={"call_id": call_id})
    return response


async def reprocess(request: web.Request, body: Nothing) -> web.Response:
    async def work(conn: AsyncConnection) -> Outcome:
        return Outcome(202, Reprocessing(job_id=job_id(await generations.reprocess(conn, *named(request)))))

    return await answer_once(request, body, work)

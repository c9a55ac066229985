"""`POST /v1/calls/:id/listen`: an ear in a running call, which nobody there sees or hears."""

import uuid

from aiohttp import web

from api.routing import DATABASE, KEY, ROOMS, SETTINGS, named, reply
from api.schema.calls import Listening
from api.schema.common import Nothing
from calls.errors import Conflict
from calls.events import EventKind
from calls.states import TERMINAL, CallStatus
from calls.store import CallStore


async def listen(request: web.Request, _body: Nothing) -> web.Response:
    """Give whoever asks a way into the room, and note in the call that they did, before anything is heard."""
    identity = f"listener-{uuid.uuid4()}"
    async with request.app[DATABASE].writing() as conn:
        store = CallStore(conn)
        await store.get(*named(request))
        call = await store.hold(named(request)[1])
        if call.status in TERMINAL:
            raise Conflict("This call is over.", code="call_over")
        if call.status != CallStatus.IN_PROGRESS:
            # LiveKit would make a room for who comes before there is one, and then there is no agent in it.
            raise Conflict("This call has not begun: there is nothing to be heard yet.", code="call_not_begun")
        data = {"key_id": request[KEY].id, "identity": identity}
        await store.add_event(call.id, EventKind.CALL_LISTENED, "lifecycle", "Somebody listens in", data=data)
    token = request.app[ROOMS].listener_token(call.room_name, identity)
    return reply(Listening(url=request.app[SETTINGS].livekit_for_browsers, token=token), 201)

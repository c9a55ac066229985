"""LiveKit's webhooks. They get lost and reordered, so each is only a hint to look at the room it names."""

from aiohttp import web
from livekit import api

from api.routing import DATABASE, ROOMS, SETTINGS
from calls.errors import NotFound, Unauthorized
from calls.reading import read_participants
from calls.recordings import egress
from calls.states import CallStatus, EndReason
from calls.store import CallStore
from calls.workers.leases import has_agent

PREFIX = "call_"
_PRESENCE = {"participant_joined", "participant_left", "participant_connection_aborted"}


async def receive(request: web.Request) -> web.Response:
    """Check that LiveKit signed it, look at the room, and write down what is found there."""
    event = _genuine(await request.read(), request)
    room = event.room.name
    if event.event.startswith("egress_"):
        # No hint, but all that there is to be known of it, and it is settled only once.
        async with request.app[DATABASE].writing() as conn:
            await egress.note(conn, event.egress_info)
    elif room.startswith(PREFIX):
        if event.event == "room_started" and request.app[SETTINGS].recorder == "egress":
            async with request.app[DATABASE].writing() as conn:
                await egress.ask_if_due(conn, room.removeprefix(PREFIX))
        elif event.event in _PRESENCE and event.participant.kind == api.ParticipantInfo.Kind.STANDARD:
            await _look_for(request, room, event.participant.identity)
        elif event.event == "room_finished":
            await _look_at_end(request, room)
    return web.Response()


def _genuine(raw: bytes, request: web.Request) -> api.WebhookEvent:
    settings = request.app[SETTINGS]
    verifier = api.TokenVerifier(settings.livekit_api_key, settings.livekit_api_secret.get_secret_value())
    try:
        return api.WebhookReceiver(verifier).receive(raw.decode(), request.headers.get("Authorization", ""))
    except Exception as error:  # the receiver raises a bare Exception for a wrong hash
        raise Unauthorized("LiveKit's signature is missing or wrong.") from error


async def _look_for(request: web.Request, room: str, identity: str) -> None:
    """Note who came or went while no agent is there; one that is notes it with the time at which it happened."""
    call_id = room.removeprefix(PREFIX)
    there = {one.identity for one in await request.app[ROOMS].list_participants(room)}
    async with request.app[DATABASE].writing() as conn:
        store = CallStore(conn)
        if await has_agent(conn, call_id):
            return
        if identity in there:
            await store.participant_joined(call_id, identity)
        else:
            await store.participant_left(call_id, identity)


async def _look_at_end(request: web.Request, room: str) -> None:
    """A browser's call whose room is gone before it began is over; of any other the worker or the watcher decides."""
    if await request.app[ROOMS].list_rooms([room]):
        return
    async with request.app[DATABASE].writing() as conn:
        store = CallStore(conn)
        try:
            call = await store.get(None, room.removeprefix(PREFIX))
        except NotFound:
            return
        if call.status == CallStatus.CONNECTING and not await has_agent(conn, call.id):
            came = any(row.joined_at for row in await read_participants(conn, call.id))
            await store.finish(call.id, EndReason.CALLER_HUNG_UP if came else EndReason.ROOM_DELETED)

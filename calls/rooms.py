"""LiveKit's server API in our words: rooms, dispatches, participants and the tokens of callers."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Self

import aiohttp
from livekit import api
from livekit.protocol import agent
from livekit.protocol.room import PerformRpcRequest, PerformRpcResponse

from calls.errors import Unavailable
from calls.settings import Settings

REQUEST_TIMEOUT_S = 5.0  # LiveKit itself waits three seconds for another of its nodes, and then says that it is away
EMPTY_TIMEOUT_S = 300  # LiveKit's own end of a room that nobody joins; ours comes first
DEPARTURE_TIMEOUT_S = 20  # how long a room outlives its last person, who may be reconnecting
REJOIN_S = 5.0  # how long a caller whose connection broke may take to come back
TOKEN_HOURS = 24
LISTENER_S = 60  # to come in; who is in may stay
ALIVE = "callroom.alive"  # what an agent is asked by `responds`, and answers for as long as its process runs
RESPONSE_S = 1.0
AGENT_TOKEN_HOURS = 1  # a connection outlives it: LiveKit gives new ones
_AGENT_NAME = "lk.agent.name"  # where LiveKit's own clients look for what an agent is called
_NOBODYS = "nobody"  # asking for one room that is not there costs LiveKit nothing
_UNFINISHED = {agent.JobStatus.JS_PENDING, agent.JobStatus.JS_RUNNING}


def server_api(
    settings: Settings, *, session: aiohttp.ClientSession | None = None, failover: bool = True
) -> api.LiveKitAPI:
    """The API of the LiveKit server that the settings name, to be closed by whoever asked for it.

    Its requests wait for ever, but for those that ring a phone: livekit-api lets no limit of a session count. Whoever
    asks for something limits that, for a server that stands still or a connection that broke says nothing.
    """
    secret = settings.livekit_api_secret.get_secret_value()
    key = settings.livekit_api_key
    return api.LiveKitAPI(settings.livekit_url, key, secret, session=session, failover=failover)


def agent_token(settings: Settings, room: str, identity: str, name: str) -> str:
    """An agent's token for one room, as LiveKit makes them for the jobs that it gives out."""
    token = api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret.get_secret_value())
    grants = api.VideoGrants(room_join=True, agent=True, room=room, can_update_own_metadata=True)
    attributes = {_AGENT_NAME: settings.agent_name}
    named = token.with_identity(identity).with_name(name).with_kind("agent").with_attributes(attributes)
    return named.with_ttl(timedelta(hours=AGENT_TOKEN_HOURS)).with_grants(grants).to_jwt()


class Rooms:
    """The rooms of one LiveKit server; every method raises Unavailable if it does not answer within `limit_s`."""

    def __init__(self, livekit: api.LiveKitAPI, settings: Settings, limit_s: float) -> None:
        self._livekit = livekit
        self._settings = settings
        self._limit_s = limit_s

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings, limit_s: float = REQUEST_TIMEOUT_S) -> AsyncIterator[Self]:
        """One HTTP session to LiveKit for the length of the block."""
        async with server_api(settings) as livekit:
            yield cls(livekit, settings, limit_s)

    async def ping(self) -> None:
        """Raise Unavailable if LiveKit does not answer."""
        await self.list_rooms([_NOBODYS])

    async def create_room(self, name: str, call_id: str, departure_s: int = DEPARTURE_TIMEOUT_S) -> None:
        """Create the call's room, which outlives its last person for `departure_s`; its agent is dispatched with it."""
        async with self._answering():
            await self._livekit.room.create_room(
                api.CreateRoomRequest(
                    name=name,
                    empty_timeout=EMPTY_TIMEOUT_S,
                    departure_timeout=departure_s,
                    # Agents, listeners and who records do not count; who comes again under his name replaces himself.
                    max_participants=self._settings.max_participants,
                    agents=[
                        api.RoomAgentDispatch(
                            agent_name=self._settings.agent_name,
                            metadata=json.dumps({"call_id": call_id}),
                        ),
                    ],
                ),
            )

    async def dispatch_agent(self, name: str, call_id: str, avoid: str | None = None) -> None:
        """Ask for an agent once more: LiveKit neither queues nor repeats a dispatch that no worker took.

        The worker of the id `avoid` leaves it to others; all know that it is not the first time.
        """
        asked = {"call_id": call_id, "again": True} | ({"avoid": avoid} if avoid else {})
        async with self._answering():
            await self._livekit.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(
                    agent_name=self._settings.agent_name,
                    room=name,
                    metadata=json.dumps(asked),
                ),
            )

    async def awaits_agent(self, name: str) -> bool:
        """Whether a worker has taken the last dispatch to the room, and its job has not ended."""
        async with self._answering():
            try:
                dispatches = await self._livekit.agent_dispatch.list_dispatch(name)
            except api.TwirpError as error:
                if error.code != api.TwirpErrorCode.NOT_FOUND:
                    raise
                return False
        last = max(dispatches, key=lambda dispatch: dispatch.state.created_at, default=None)
        return last is not None and any(job.state.status in _UNFINISHED for job in last.state.jobs)

    async def remove_participant(self, name: str, identity: str) -> None:
        """Put somebody out of a room; who is gone already is fine."""
        async with self._answering():
            try:
                await self._livekit.room.remove_participant(api.RoomParticipantIdentity(room=name, identity=identity))
            except api.TwirpError as error:
                if error.code != api.TwirpErrorCode.NOT_FOUND:
                    raise

    async def tell_participant(self, name: str, identity: str, topic: str) -> None:
        """Send somebody in a room a message without content, which comes from nobody there; who is gone is fine."""
        message = api.SendDataRequest(room=name, topic=topic, destination_identities=[identity])
        async with self._answering():
            try:
                await self._livekit.room.send_data(message)
            except api.TwirpError as error:
                if error.code != api.TwirpErrorCode.NOT_FOUND:
                    raise

    async def responds(self, name: str, identity: str) -> bool:
        """Whether an agent in a room says at once that it runs: one that died is listed for a while."""
        asked = PerformRpcRequest(room=name, destination_identity=identity, method=ALIVE)
        asked.response_timeout_ms = round(RESPONSE_S * 1000)
        service = self._livekit.room  # which has no name for this yet; it is pinned
        grants = service._auth_header(api.VideoGrants(room_admin=True, room=name))  # noqa: SLF001 - see above
        with suppress(Unavailable):
            async with self._answering(), asyncio.timeout(RESPONSE_S):
                await service._client.request("RoomService", "PerformRpc", asked, grants, PerformRpcResponse)  # noqa: SLF001 - see above
                return True
        return False

    async def delete_room(self, name: str) -> None:
        """Close a room and disconnect everybody; a room that is gone already is fine."""
        async with self._answering():
            try:
                await self._delete_room(name)
            except api.TwirpError as error:
                if error.code != api.TwirpErrorCode.UNAVAILABLE:
                    raise
                # A LiveKit server that was killed leaves its rooms in Redis, for ever: no other one can close them.
                # What is made once more is that of one that runs, as soon as LiveKit holds the other for dead.
                await self._livekit.room.create_room(api.CreateRoomRequest(name=name))
                await self._delete_room(name)

    async def _delete_room(self, name: str) -> None:
        try:
            await self._livekit.room.delete_room(api.DeleteRoomRequest(room=name))
        except api.TwirpError as error:
            if error.code != api.TwirpErrorCode.NOT_FOUND:
                raise

    async def list_rooms(self, names: Sequence[str] = ()) -> list[api.Room]:
        """The open rooms, all or those of `names`."""
        async with self._answering():
            return list((await self._livekit.room.list_rooms(api.ListRoomsRequest(names=names))).rooms)

    async def list_participants(self, name: str) -> list[api.ParticipantInfo]:
        """Who is in a room, agents included; nobody if there is no such room."""
        async with self._answering():
            try:
                listed = await self._livekit.room.list_participants(api.ListParticipantsRequest(room=name))
            except api.TwirpError as error:
                if error.code != api.TwirpErrorCode.NOT_FOUND:
                    raise
                return []
            return list(listed.participants)

    def listener_token(self, room: str, identity: str) -> str:
        """A token of who hears this room and is not there for anybody in it.

        It is of an agent's kind: LiveKit keeps no room open for it, and nobody takes it for a person. For one that
        records, which is no person either, LiveKit would tell everybody that the room is recorded.
        """
        return (
            self._token(identity)
            .with_kind("agent")
            .with_ttl(timedelta(seconds=LISTENER_S))
            .with_grants(
                api.VideoGrants(
                    room_join=True,
                    room=room,
                    hidden=True,
                    can_publish=False,
                    can_subscribe=True,
                    can_publish_data=False,
                    can_update_own_metadata=False,
                ),
            )
            .to_jwt()
        )

    def caller_token(self, room: str, identity: str, metadata: dict[str, object]) -> str:
        """A browser's token: this room and identity only, a microphone out, everything in, no data."""
        return (
            self._token(identity)
            .with_metadata(json.dumps(metadata, ensure_ascii=False))
            .with_ttl(timedelta(hours=TOKEN_HOURS))
            .with_grants(
                api.VideoGrants(
                    room_join=True,
                    room=room,
                    can_publish=True,
                    can_publish_sources=["microphone"],
                    can_subscribe=True,
                    can_publish_data=False,
                    can_update_own_metadata=False,
                ),
            )
            .to_jwt()
        )

    def _token(self, identity: str) -> api.AccessToken:
        secret = self._settings.livekit_api_secret.get_secret_value()
        return api.AccessToken(self._settings.livekit_api_key, secret).with_identity(identity)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._limit_s):
                yield
        except (api.TwirpError, aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable("LiveKit does not answer as it should; try again.", code="livekit_unavailable") from error

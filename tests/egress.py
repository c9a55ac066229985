"""A stand-in for LiveKit Egress before the real LiveKit server, which has the rooms: it keeps what Redis keeps.

It records nothing by itself. What an egress has recorded, and when it ends with what status, is the test's to say;
LiveKit's webhooks too are sent by who wants them to arrive.
"""

import itertools
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from google.protobuf.message import Message
from livekit import api
from livekit.api.access_token import Claims

from tests.pipeline.sound import Pcm, write_ogg
from tests.servers import LiveKitServer
from tests.telephony.proxy import Fault, LostAnswer, Method, Proxy

Status = api.EgressStatus


def may_record(token: Claims) -> bool:
    return token.video is not None and bool(token.video.room_record or token.video.room_list)


class EgressStandIn:
    """Egresses by their ids in `known`, the requests for them in `asked_for`; `url` is the address of this LiveKit.

    `refuses_with` is the error with which the next requests are refused, `knows_nothing` the one with which questions
    for egresses are; with `answers_get_lost` nobody is told of what is done. Those in `killed` are in no room any more,
    and LiveKit does not know.
    """

    def __init__(self, livekit: LiveKitServer) -> None:
        self.known: dict[str, api.EgressInfo] = {}
        self.asked_for: list[api.RoomCompositeEgressRequest] = []
        self.refuses_with: Fault | None = None
        self.knows_nothing: Fault | None = None
        self.answers_get_lost = False
        self.killed: set[str] = set()
        self._numbers = itertools.count(1)
        own: dict[str, tuple[type[Message], Method]] = {
            "livekit.Egress/StartRoomCompositeEgress": (api.RoomCompositeEgressRequest, self._start),
            "livekit.Egress/ListEgress": (api.ListEgressRequest, self._list),
            "livekit.Egress/StopEgress": (api.StopEgressRequest, self._stop),
            "livekit.RoomService/ListRooms": (api.ListRoomsRequest, self._rooms),
        }
        self._livekit = livekit
        self._proxy = Proxy(livekit, own, may_record)
        self.url = self._proxy.url

    async def __aenter__(self) -> Self:
        await self._proxy.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._proxy.__aexit__(*exc)

    def of(self, room_name: str) -> list[api.EgressInfo]:
        """The room's egresses, the first one first."""
        return [info for info in self.known.values() if info.room_name == room_name]

    def begin(self, info: api.EgressInfo) -> None:
        """The first sound has come."""
        info.status = Status.EGRESS_ACTIVE
        info.file_results[0].started_at = info.updated_at = time.time_ns()

    def end(self, info: api.EgressInfo, recorded: Pcm | None, status: int = Status.EGRESS_COMPLETE) -> None:
        """It is over, and has written what it recorded, if that was anything."""
        if recorded is not None:
            write_ogg(Path(info.file_results[0].filename), recorded)
        info.status = status  # type: ignore[assignment] # one of `Status`
        info.ended_at = info.updated_at = time.time_ns()

    async def _start(self, asked: api.RoomCompositeEgressRequest) -> api.EgressInfo:
        self.asked_for.append(asked)
        if self.refuses_with is not None:
            raise self.refuses_with
        if not (await self._rooms(api.ListRoomsRequest(names=[asked.room_name]))).rooms:
            raise Fault("not_found", "requested room does not exist")
        [file] = asked.file_outputs
        info = api.EgressInfo(
            egress_id=f"EG_{next(self._numbers)}",
            room_name=asked.room_name,
            status=Status.EGRESS_STARTING,
            room_composite=asked,
            file_results=[api.FileInfo(filename=file.filepath)],
            updated_at=time.time_ns(),
        )
        self.known[info.egress_id] = info
        if self.answers_get_lost:
            raise LostAnswer
        return info

    async def _list(self, asked: api.ListEgressRequest) -> api.ListEgressResponse:
        if self.knows_nothing is not None:
            raise self.knows_nothing
        found: Iterable[api.EgressInfo] = self.known.values()
        if asked.room_name:
            found = self.of(asked.room_name)
        return api.ListEgressResponse(
            items=[info for info in found if not asked.active or info.status < Status.EGRESS_COMPLETE]
        )

    async def _stop(self, asked: api.StopEgressRequest) -> api.EgressInfo:
        info = self.known[asked.egress_id]
        if info.egress_id in self.killed:
            raise Fault("deadline_exceeded", "request timed out")
        if info.status not in {Status.EGRESS_STARTING, Status.EGRESS_ACTIVE}:
            raise Fault("failed_precondition", "egress cannot be stopped")
        info.status = Status.EGRESS_ENDING
        return info

    async def _rooms(self, asked: api.ListRoomsRequest) -> api.ListRoomsResponse:
        """The real ones, as LiveKit shows them while an egress is in them."""
        async with api.LiveKitAPI(self._livekit.url, self._livekit.key, self._livekit.secret) as livekit:
            found = await livekit.room.list_rooms(asked)
        recorded = {info.room_name for info in self.known.values() if info.status < Status.EGRESS_COMPLETE}
        recorded -= {self.known[one].room_name for one in self.killed}
        for room in found.rooms:
            room.active_recording = room.name in recorded
        return found

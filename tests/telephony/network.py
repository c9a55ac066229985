"""The phone network that a LiveKit server calls through, in whichever form it is there."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

from livekit import api

from tests.servers import LiveKitServer
from tests.telephony.phone import Phone

# What LiveKit says of a room that ends by itself in that moment, or whose server was killed: nobody can close it.
CLOSED = {api.ServerErrorCode.NOT_FOUND, api.ServerErrorCode.UNAVAILABLE}


@dataclass(frozen=True)
class Trunk:
    """What is to be saved as a tenant's trunk, so that its calls go to the phones and theirs come in."""

    address: str
    username: str
    password: str
    transport: str = "udp"
    allowed_addresses: tuple[str, ...] = ("127.0.0.1",)


class PhoneNetwork(ABC):
    """`async with` one: the phones, and the LiveKit server as it is to be reached: `livekit_url`, `key`, `secret`.

    When it is left, its calls, trunks and dispatch rules are gone from the LiveKit server, for the next one.
    """

    trunk: Trunk
    livekit_url: str

    def __init__(self, livekit: LiveKitServer) -> None:
        self.key, self.secret = livekit.key, livekit.secret

    @abstractmethod
    async def phone(self, number: str, **manners: Any) -> Phone:
        """A new phone with this number; the manners are those of `Phone`."""

    @abstractmethod
    async def ring(self, *, from_: str, to: str) -> Phone:
        """A new phone with the number `from_` ("anonymous": none) that now calls `to`, and is ringing."""

    def livekit(self) -> api.LiveKitAPI:
        """The LiveKit server, to be closed by whoever asked for it."""
        return api.LiveKitAPI(self.livekit_url, self.key, self.secret)

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None:
        async with self.livekit() as livekit:
            for room in (await livekit.room.list_rooms(api.ListRoomsRequest())).rooms:
                try:
                    await livekit.room.delete_room(api.DeleteRoomRequest(room=room.name))
                except api.ServerError as error:
                    if error.code not in CLOSED:
                        raise
            for rule in (await livekit.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())).items:
                gone = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule.sip_dispatch_rule_id)
                await livekit.sip.delete_dispatch_rule(gone)
            inbound = (await livekit.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())).items
            outbound = (await livekit.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())).items
            for identifier in [*(one.sip_trunk_id for one in inbound), *(one.sip_trunk_id for one in outbound)]:
                await livekit.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=identifier))

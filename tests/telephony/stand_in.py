"""A stand-in for livekit-sip and the phones behind it, before a real LiveKit server.

The server keeps the trunks and dispatch rules. The two requests that need a bridge are answered here as the bridge
answers them, and each call is a real participant of kind SIP.
"""

import asyncio
import re
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from livekit import api
from typing_extensions import override

from tests.servers import LiveKitServer, free_port
from tests.telephony.dispatch import Conflict, InboundCall, join
from tests.telephony.handset import Handset
from tests.telephony.leg import Leg, first
from tests.telephony.network import PhoneNetwork, Trunk
from tests.telephony.proxy import Fault, Proxy
from tests.telephony.sip import ACCEPTED, BUSY, LATE, OK, TIMED_OUT, TRY_LATER, NotAnswered, Reason, Refused

RINGING_TIMEOUT_S = 180
LONGEST_CALL_S = 24 * 3600
SIP_TIMER_S = 32  # so long an INVITE is repeated that nobody answers
TRANSFER_TIMEOUT_S = 30
SETUP_S = 0.02  # from the INVITE to the first that is heard of the other end
BYE_AFTER_S = 1  # a phone that was sent away has so long to hang up itself
DIGIT_S = 0.5  # for each of `dtmf`, also a "w", which is a pause
TRANSFER = "call transfer failed: "


class StandIn(PhoneNetwork):
    """The bridge's part, and the carrier's."""

    def __init__(self, livekit: LiveKitServer, _folder: Path) -> None:
        super().__init__(livekit)
        self.trunk = Trunk(f"127.0.0.1:{free_port()}", "carrier-login", secrets.token_hex(8))
        self._phones: list[Handset] = []
        self._legs: dict[str, tuple[Leg, Handset]] = {}  # of answered calls, by the id that the bridge gave them
        self._calls: set[asyncio.Task[None]] = set()
        self._proxy = Proxy(
            livekit,
            {
                "livekit.SIP/CreateSIPParticipant": (api.CreateSIPParticipantRequest, self._create),
                "livekit.SIP/TransferSIPParticipant": (api.TransferSIPParticipantRequest, self._transfer),
            },
        )
        self.livekit_url = self._proxy.url

    @override
    async def __aenter__(self) -> Self:
        await self._proxy.__aenter__()
        self._api = self.livekit()
        return self

    @override
    async def __aexit__(self, *exc: object) -> None:
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await super().__aexit__(*exc)
        await self._api.aclose()
        await self._proxy.__aexit__()

    @override
    async def phone(self, number: str, **manners: Any) -> Handset:
        phone = Handset(number, **manners)
        self._phones.append(phone)
        return phone

    @override
    async def ring(self, *, from_: str, to: str) -> Handset:
        phone = await self.phone(from_)
        phone.dials()
        self._begin(self._come_in(phone, to))
        return phone

    def _begin(self, call: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    # From LiveKit to a phone.

    async def _create(self, asked: api.CreateSIPParticipantRequest) -> api.SIPParticipantInfo:
        trunk = await self._trunk_of(asked)
        call_id = f"SCL_{secrets.token_hex(6)}"
        number = asked.sip_number or (trunk.numbers[0] if trunk.numbers else "")
        shown = {
            "sip.phoneNumber": asked.sip_call_to,
            "sip.trunkPhoneNumber": number,
            "sip.hostname": trunk.address,
        }
        attributes = {"sip.callID": call_id, "sip.callStatus": "dialing"}
        if asked.sip_trunk_id:
            attributes["sip.trunkID"] = asked.sip_trunk_id
        identity = asked.participant_identity or f"sip_{asked.sip_call_to}"
        token = (
            self._token()
            .with_grants(join(asked.room_name))
            .with_identity(identity)
            .with_name(asked.participant_name)
            .with_metadata(asked.participant_metadata)
            .with_attributes(
                dict(asked.participant_attributes) | ({} if asked.hide_phone_number else shown) | attributes
            )
        )
        leg = await self._enter(token)
        if leg is None:
            raise Fault("internal", "twirp error unknown: update room failed: not found")
        info = api.SIPParticipantInfo(
            participant_id=leg.room.local_participant.sid,
            participant_identity=identity,
            room_name=asked.room_name,
            sip_call_id=call_id,
        )
        invite = _Invite.of(asked, trunk, number, call_id)
        answered: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()
        self._begin(self._go_out(invite, leg, answered))
        if asked.wait_until_answered and (fault := await answered) is not None:
            raise fault
        return info

    async def _trunk_of(self, asked: api.CreateSIPParticipantRequest) -> api.SIPOutboundTrunkInfo:
        if not asked.sip_trunk_id and not asked.HasField("trunk"):
            raise Fault("invalid_argument", "missing sip trunk id and sip number")
        if not asked.sip_call_to:
            raise Fault("invalid_argument", "missing sip callee number")
        if "@" in asked.sip_call_to:
            text = "SipCallTo should be a phone number or SIP user, not a full SIP URI"
            raise Fault("invalid_argument", text)
        if not asked.room_name:
            raise Fault("invalid_argument", "missing room name")
        if not asked.sip_trunk_id:
            _, _, port = asked.trunk.hostname.partition(":")
            if port and not port.isdigit():
                raise Fault("invalid_argument", "invalid trunk hostname")
            return api.SIPOutboundTrunkInfo(
                address=asked.trunk.hostname,
                auth_username=asked.trunk.auth_username,
                auth_password=asked.trunk.auth_password,
            )
        wanted = api.ListSIPOutboundTrunkRequest(trunk_ids=[asked.sip_trunk_id])
        found = (await self._api.sip.list_outbound_trunk(wanted)).items
        if not found:
            raise Fault("not_found", "requested sip trunk does not exist")
        return found[0]

    async def _go_out(self, invite: "_Invite", leg: Leg, answered: asyncio.Future[Fault | None]) -> None:
        """The call from its INVITE to its end."""
        async with leg:
            try:
                phone = await self._reach(invite, leg)
            except NotAnswered as failed:
                await leg.leave(failed.reason)
                answered.set_result(failed.fault)
                return
            await leg.show(callTag=secrets.token_hex(8), callIDFull=secrets.token_hex(8))
            if invite.dtmf:
                await leg.show(callStatus="automation")
                await _send(invite.dtmf, leg)
            await leg.show(callStatus="active")
            await phone.is_connected(leg)
            answered.set_result(None)
            await self._talk(leg, phone, invite.call_id, invite.ends_at)

    async def _reach(self, invite: "_Invite", leg: Leg) -> Handset:
        """The phone, once it has answered; raises NotAnswered if that does not come to it."""
        if invite.trunk.address != self.trunk.address:  # nobody is there
            await first(leg.gone.wait(), timeout=min(invite.limit_s, SIP_TIMER_S))
            raise NotAnswered(TIMED_OUT)
        if not invite.trunk.auth_username:
            text = "twirp error unknown: sip server required auth, but no username or password was provided"
            raise NotAnswered(Fault("failed_precondition", text), Reason.USER_REJECTED)
        if (invite.trunk.auth_username, invite.trunk.auth_password) != (self.trunk.username, self.trunk.password):
            raise Refused(403)
        await asyncio.sleep(SETUP_S)
        phone = self._called(invite.called)
        verdict = phone.is_called(invite.caller)
        await leg.show(callStatus="ringing")
        await first(verdict, leg.gone.wait(), timeout=invite.limit_s)
        if leg.gone.is_set() or not verdict.done():
            phone.is_over()
            raise NotAnswered(TIMED_OUT)
        if verdict.result() != OK:
            raise Refused(verdict.result())
        return phone

    def _called(self, number: str) -> Handset:
        phone = next((one for one in reversed(self._phones) if one.number == number), None)
        if phone is None:
            raise Refused(404)
        if phone.has_a_call:
            raise Refused(BUSY)
        return phone

    # From a phone to LiveKit.

    async def _come_in(self, phone: Handset, to: str) -> None:
        """The call from its INVITE to its end; without a trunk and a rule it rings for ever."""
        call = InboundCall(phone.number, to)
        trunks = await self._api.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
        rules = await self._api.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
        try:
            trunk = call.trunk(trunks.items)
        except Conflict:
            phone.is_over(TRY_LATER)
            return
        rule = call.rule(trunk, rules.items) if trunk is not None else None
        if trunk is None or rule is None:
            return
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + (_seconds(trunk, "max_call_duration") or LONGEST_CALL_S)
        limit_s = min(_seconds(trunk, "ringing_timeout") or RINGING_TIMEOUT_S, ends_at - loop.time())
        leg = await self._enter(call.token(trunk, rule, self._token()))
        if leg is None:
            phone.is_over(BUSY)
            return
        async with leg:
            await first(leg.someone_speaks.wait(), leg.gone.wait(), phone.hung_up.wait(), timeout=limit_s)
            if phone.hung_up.is_set():
                await leg.show(callStatus="hangup")
            elif leg.gone.is_set() or not leg.someone_speaks.is_set():
                phone.is_over(BUSY)
            else:
                await leg.show(callStatus="active")
                await phone.is_connected(leg)
                await self._talk(leg, phone, call.id, ends_at)

    async def _enter(self, token: api.AccessToken) -> Leg | None:
        """A participant whom the others see.

        None if it was thrown out as it came, or if there is no such room and LiveKit may not make one.
        """
        claims, jwt = token.claims, token.to_jwt()
        assert claims.video is not None
        assert claims.attributes is not None
        leg = Leg(self._proxy.url, jwt)
        wanted = api.RoomParticipantIdentity(room=claims.video.room, identity=token.identity)
        self._proxy.let_in_once(jwt)
        joining = asyncio.create_task(leg.join())
        if not await self._becomes_active(wanted, joining):
            joining.cancel()
        await asyncio.gather(joining, return_exceptions=True)
        if joining.cancelled() or joining.exception():
            return None
        self._proxy.let_in_again(jwt)
        # Of what changes the server tells others at once, of who comes some seconds later.
        await leg.show(callStatus=claims.attributes["sip.callStatus"])
        return leg

    async def _becomes_active(self, wanted: api.RoomParticipantIdentity, joining: asyncio.Task[None]) -> bool:
        """Whether it does; the library is slow to notice that it was thrown out before."""
        came = False
        while not (joining.done() and joining.exception()):
            try:
                if (await self._api.room.get_participant(wanted)).state == api.ParticipantInfo.ACTIVE:
                    return True
                came = True
            except api.ServerError:
                if came:
                    return False
            await asyncio.sleep(0.005)
        return False

    def _token(self) -> api.AccessToken:
        return api.AccessToken(self.key, self.secret).with_kind("sip")

    # In the call.

    async def _talk(self, leg: Leg, phone: Handset, call_id: str, ends_at: float) -> None:
        """Until either end has enough, or time is up."""
        self._legs[call_id] = leg, phone
        left_s = ends_at - asyncio.get_running_loop().time()
        await first(leg.gone.wait(), phone.hung_up.wait(), timeout=left_s)
        del self._legs[call_id]
        if not leg.gone.is_set():
            await leg.show(callStatus="hangup")
        phone.is_left(leg)

    async def _transfer(self, asked: api.TransferSIPParticipantRequest) -> api.TransferSIPParticipantResponse:
        if not re.match(r"<?(sips?|tel):", asked.transfer_to):
            text = "transfer_to must be a valid SIP(s) or TEL URI (sip:, sips: or tel:)"
            raise Fault("invalid_argument", text)
        wanted = api.RoomParticipantIdentity(room=asked.room_name, identity=asked.participant_identity)
        try:
            participant = await self._api.room.get_participant(wanted)
        except api.ServerError as error:
            raise Fault(error.code, f"twirp error unknown: {error.message}") from error
        if "sip.callID" not in participant.attributes:
            raise Fault("invalid_argument", "twirp error unknown: no SIP session associated with participant")
        limit_s = _seconds(asked, "ringing_timeout") or TRANSFER_TIMEOUT_S
        call = self._legs.get(participant.attributes["sip.callID"])
        if call is None:
            await asyncio.sleep(limit_s)
            raise LATE
        leg, phone = call
        if phone.transfers_with is None:
            await first(leg.gone.wait(), timeout=limit_s)
            if not leg.gone.is_set():
                raise LATE
        elif phone.transfers_with != ACCEPTED:
            raise Refused(phone.transfers_with, "").fault
        else:
            await self._refer(leg, phone, _user(asked.transfer_to), limit_s)
        return api.TransferSIPParticipantResponse()

    async def _refer(self, leg: Leg, phone: Handset, to: str, limit_s: float) -> None:
        """Let the phone call another. One that is thrown out of the room meanwhile counts as transferred."""
        try:
            target = self._called(to)
        except Refused as refused:
            raise Refused(refused.sip, TRANSFER).fault from refused
        verdict = target.is_called(phone.number)
        await first(verdict, leg.gone.wait(), timeout=limit_s)
        if not verdict.done():
            target.is_over()
            if not leg.gone.is_set():
                raise LATE
        elif verdict.result() != OK:
            raise Refused(verdict.result(), TRANSFER).fault
        else:
            target.is_given(phone)
            phone.is_given(target)
            asyncio.get_running_loop().call_later(BYE_AFTER_S, phone.hung_up.set)


@dataclass(frozen=True)
class _Invite:
    """A call to a phone: whom it rings as whom, and how long that may take (by the loop's clock)."""

    call_id: str
    trunk: api.SIPOutboundTrunkInfo
    caller: str
    called: str
    dtmf: str
    limit_s: float
    ends_at: float

    @classmethod
    def of(
        cls,
        asked: api.CreateSIPParticipantRequest,
        trunk: api.SIPOutboundTrunkInfo,
        caller: str,
        call_id: str,
    ) -> Self:
        longest_s = _seconds(asked, "max_call_duration") or LONGEST_CALL_S
        limit_s = min(_seconds(asked, "ringing_timeout") or RINGING_TIMEOUT_S, longest_s)
        ends_at = asyncio.get_running_loop().time() + longest_s
        return cls(call_id, trunk, caller, asked.sip_call_to, asked.dtmf, limit_s, ends_at)


async def _send(digits: str, leg: Leg) -> None:
    for digit in digits:
        await asyncio.sleep(DIGIT_S)
        leg.digits += digit.replace("w", "")


def _seconds(message: Any, field: str) -> float | None:
    """A duration in a request or a trunk, None where it is not set or 0."""
    return float(getattr(message, field).ToTimedelta().total_seconds()) or None


def _user(uri: str) -> str:
    return re.sub(r"^<?\w+:|[@;>].*$", "", uri)

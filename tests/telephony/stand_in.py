"""A stand-in for livekit-sip and the phones behind it, before a real LiveKit server.

The server keeps the trunks and dispatch rules. The two requests that need a bridge are answered here as the bridge
answers them, and each call is a real participant of kind SIP.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Self

import numpy as np
from livekit import api
from typing_extensions import override

from tests.servers import LiveKitServer, free_port
from tests.telephony.leg import Leg, first
from tests.telephony.line import Phone, State
from tests.telephony.network import PhoneNetwork, Trunk
from tests.telephony.proxy import Fault, Proxy
from tests.telephony.sip import TWIRP_CODES, WORDS, Reason, reason_of
from tests.telephony.sound import Pcm

RINGING_TIMEOUT_S = 180
LONGEST_CALL_S = 24 * 3600
SIP_TIMER_S = 32  # so long an INVITE is repeated that nobody answers
TRANSFER_TIMEOUT_S = 30
SETUP_S = 0.02  # from the INVITE to the first that is heard of the other end
BYE_AFTER_S = 1  # a phone that was sent away has so long to hang up itself
DIGIT_S = 0.5  # for each of `dtmf`, also a "w", which is a pause
KEY_S = 0.2  # while it is held down
HOST = "127.0.0.1"
ANONYMOUS = "anonymous"
TRANSFER = "call transfer failed: "
OK = 200
ACCEPTED = 202
BUSY = 486


class StandInPhone(Phone):
    """A phone whose ear and mouth are the leg of its present call."""

    def __init__(self, number: str, **manners: Any) -> None:
        super().__init__(number, **manners)
        self.hung_up = asyncio.Event()
        self._leg: Leg | None = None
        self._partner: StandInPhone | None = None  # after a transfer
        self._verdict: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def dials(self) -> None:
        self.state = State.RINGING

    def is_called(self, caller: str) -> asyncio.Future[int]:
        """It rings; the SIP code with which it will answer."""
        self._leg, self._verdict = None, asyncio.get_running_loop().create_future()
        self.hung_up.clear()
        self._rung(caller)
        return self._verdict

    async def is_connected(self, leg: Leg) -> None:
        self._leg, self.state = leg, State.ANSWERED
        await leg.open()
        if self.says is not None:
            self._speech = asyncio.create_task(self.say(self.says))

    def is_given(self, partner: "StandInPhone") -> None:
        """The call goes on, with this phone at the other end."""
        self._partner, self.state = partner, State.ANSWERED

    def is_over(self, code: int | None = None) -> None:
        """The other end has ended the call, or refused it with this code."""
        if self.state in {State.RINGING, State.ANSWERED}:
            self._partner = None
            self._over(code)

    def is_left(self, leg: Leg) -> None:
        """That call has ended; after a transfer it is in another."""
        if self._leg is leg and self._partner is None:
            self.is_over()

    @property
    def has_a_call(self) -> bool:
        return self.state in {State.RINGING, State.ANSWERED}

    @property
    @override
    def heard(self) -> Pcm:
        return self._leg.heard if self._leg else np.zeros(0, np.int16)

    @property
    @override
    def digits(self) -> str:
        return self._leg.digits if self._leg else ""

    @override
    async def answer(self) -> None:
        if not self._verdict.done():
            self._verdict.set_result(OK)

    @override
    async def decline(self, code: int) -> None:
        if not self._verdict.done():
            self._verdict.set_result(code)
        self._over()

    @override
    async def hang_up(self) -> None:
        self.hung_up.set()
        partner, self._partner = self._partner, None
        if partner is not None:
            partner.is_over()
        self._over()

    @override
    async def press(self, digits: str) -> None:
        for digit in digits:
            if self._leg is not None:
                await self._leg.press(digit)
            await asyncio.sleep(KEY_S)

    @override
    async def say(self, pcm: Pcm) -> None:
        assert self._leg is not None, "not in a call"
        await self._leg.say(pcm)


class StandIn(PhoneNetwork):
    """The bridge's part, and the carrier's."""

    def __init__(self, livekit: LiveKitServer, _folder: Path) -> None:
        super().__init__(livekit)
        self.trunk = Trunk(f"127.0.0.1:{free_port()}", "carrier-login", secrets.token_hex(8))
        self._phones: list[StandInPhone] = []
        self._legs: dict[str, tuple[Leg, StandInPhone]] = {}  # of answered calls, by the id that the bridge gave them
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
    async def phone(self, number: str, **manners: Any) -> StandInPhone:
        phone = StandInPhone(number, **manners)
        self._phones.append(phone)
        return phone

    @override
    async def ring(self, *, from_: str, to: str) -> StandInPhone:
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
        shown = {"phoneNumber": asked.sip_call_to, "trunkPhoneNumber": number, "hostname": trunk.address}
        attributes = dict(asked.participant_attributes) | _sip(
            **({} if asked.hide_phone_number else shown),
            callID=call_id,
            callStatus="dialing",
            **({"trunkID": asked.sip_trunk_id} if asked.sip_trunk_id else {}),
        )
        identity = asked.participant_identity or f"sip_{asked.sip_call_to}"
        token = (
            self._token(asked.room_name, identity, attributes)
            .with_name(asked.participant_name)
            .with_metadata(asked.participant_metadata)
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
            except _NotAnswered as failed:
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

    async def _reach(self, invite: "_Invite", leg: Leg) -> StandInPhone:
        """The phone, once it has answered; raises _NotAnswered if that does not come to it."""
        if invite.trunk.address != self.trunk.address:  # nobody is there
            await first(leg.gone.wait(), timeout=min(invite.limit_s, SIP_TIMER_S))
            raise _NotAnswered(_TIMED_OUT)
        if not invite.trunk.auth_username:
            text = "twirp error unknown: sip server required auth, but no username or password was provided"
            raise _NotAnswered(Fault("failed_precondition", text), Reason.USER_REJECTED)
        if (invite.trunk.auth_username, invite.trunk.auth_password) != (self.trunk.username, self.trunk.password):
            raise _Refused(403)
        await asyncio.sleep(SETUP_S)
        phone = self._called(invite.called)
        verdict = phone.is_called(invite.caller)
        await leg.show(callStatus="ringing")
        await first(verdict, leg.gone.wait(), timeout=invite.limit_s)
        if leg.gone.is_set() or not verdict.done():
            phone.is_over()
            raise _NotAnswered(_TIMED_OUT)
        if verdict.result() != OK:
            raise _Refused(verdict.result())
        return phone

    def _called(self, number: str) -> StandInPhone:
        phone = next((one for one in self._phones if one.number == number), None)
        if phone is None:
            raise _Refused(404)
        if phone.has_a_call:
            raise _Refused(BUSY)
        return phone

    # From a phone to LiveKit.

    async def _come_in(self, phone: StandInPhone, to: str) -> None:
        """The call from its INVITE to its end; without a trunk and a rule it rings for ever."""
        trunk = await self._inbound_trunk(phone, to)
        rule = None if trunk is None else await self._rule_of(trunk)
        if trunk is None or rule is None:
            return
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + (_seconds(trunk, "max_call_duration") or LONGEST_CALL_S)
        limit_s = min(_seconds(trunk, "ringing_timeout") or RINGING_TIMEOUT_S, ends_at - loop.time())
        call_id = f"SCL_{secrets.token_hex(6)}"
        leg = await self._enter(self._inbound_token(trunk, rule, phone, to, call_id))
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
                await self._talk(leg, phone, call_id, ends_at)

    async def _inbound_trunk(self, phone: StandInPhone, to: str) -> api.SIPInboundTrunkInfo | None:
        trunks = (await self._api.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())).items
        known = [trunk for trunk in trunks if _is_allowed(trunk, phone)]
        own = [trunk for trunk in known if any(_same(number, to) for number in trunk.numbers)]
        found = own or [trunk for trunk in known if not trunk.numbers]
        if len(found) > 1:
            phone.is_over(503)
        return found[0] if len(found) == 1 else None

    async def _rule_of(self, trunk: api.SIPInboundTrunkInfo) -> api.SIPDispatchRuleInfo | None:
        rules = (await self._api.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())).items
        own = [rule for rule in rules if trunk.sip_trunk_id in rule.trunk_ids]
        return next(iter(own or [rule for rule in rules if not rule.trunk_ids]), None)

    def _inbound_token(
        self,
        trunk: api.SIPInboundTrunkInfo,
        rule: api.SIPDispatchRuleInfo,
        phone: StandInPhone,
        to: str,
        call_id: str,
    ) -> api.AccessToken:
        caller, identity = phone.number, f"sip_{phone.number}"
        shown = {"phoneNumber": caller, "trunkPhoneNumber": to, "hostname": _host(phone)}
        if rule.hide_phone_number:
            shown, identity = {}, f"sip_{hashlib.sha256(caller.encode()).hexdigest()[:16]}"
            caller = caller[-4:] if len(caller) > 4 else caller[-1:]
        attributes = dict(rule.attributes) | _sip(
            **shown,
            callID=call_id,
            callIDFull=secrets.token_hex(8),
            callTag=secrets.token_hex(8),
            trunkID=trunk.sip_trunk_id,
            ruleID=rule.sip_dispatch_rule_id,
            callStatus="ringing",
        )
        token = self._token(_room_of(rule.rule, caller, to), identity, attributes)
        token = token.with_name(f"Phone {caller}").with_metadata(rule.metadata)
        if rule.HasField("room_config"):
            token = token.with_room_config(rule.room_config)
        return token

    async def _enter(self, token: api.AccessToken) -> Leg | None:
        """A participant whom the others see.

        None if it was thrown out as it came, or if there is no such room and LiveKit may not make one.
        """
        claims, jwt = token.claims, token.to_jwt()
        assert claims.video is not None
        assert claims.attributes is not None
        leg = Leg(self._proxy.url, jwt)
        wanted = api.RoomParticipantIdentity(room=claims.video.room, identity=token.identity)
        with self._proxy.joining(jwt):
            joining = asyncio.create_task(leg.join())
            entered = await self._becomes_active(wanted, joining)
        if not entered:
            joining.cancel()
        await asyncio.gather(joining, return_exceptions=True)
        if not entered:
            return None
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

    def _token(self, room: str, identity: str, attributes: dict[str, str]) -> api.AccessToken:
        grants = api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True)
        token = api.AccessToken(self.key, self.secret).with_kind("sip").with_grants(grants)
        return token.with_identity(identity).with_attributes(attributes)

    # In the call.

    async def _talk(self, leg: Leg, phone: StandInPhone, call_id: str, ends_at: float) -> None:
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
            raise _LATE
        leg, phone = call
        if phone.transfers_with is None:
            await first(leg.gone.wait(), timeout=limit_s)
            if not leg.gone.is_set():
                raise _LATE
        elif phone.transfers_with != ACCEPTED:
            raise _Refused(phone.transfers_with, "").fault
        else:
            await self._refer(leg, phone, _user(asked.transfer_to), limit_s)
        return api.TransferSIPParticipantResponse()

    async def _refer(self, leg: Leg, phone: StandInPhone, to: str, limit_s: float) -> None:
        """Let the phone call another. One that is thrown out of the room meanwhile counts as transferred."""
        try:
            target = self._called(to)
        except _Refused as refused:
            raise _Refused(refused.sip, TRANSFER).fault from refused
        verdict = target.is_called(phone.number)
        await first(verdict, leg.gone.wait(), timeout=limit_s)
        if not verdict.done():
            target.is_over()
            if not leg.gone.is_set():
                raise _LATE
        elif verdict.result() != OK:
            raise _Refused(verdict.result(), TRANSFER).fault
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


class _NotAnswered(Exception):
    """What the caller of the API is told, and why the participant leaves."""

    def __init__(self, fault: Fault, reason: Reason.ValueType = Reason.USER_UNAVAILABLE) -> None:
        super().__init__(fault.message)
        self.fault, self.reason = fault, reason


class _Refused(_NotAnswered):
    """The other end said no, with this SIP code."""

    def __init__(self, sip: int, what: str = "INVITE failed: ") -> None:
        text = f"twirp error unknown: {what}sip status: {sip}: {WORDS[sip]}"
        meta = {"sip_status_code": str(sip), "sip_status": WORDS[sip]}
        super().__init__(Fault(TWIRP_CODES[sip], text, meta), reason_of(sip))
        self.sip = sip


# The same for a ring that took too long, an end that says nothing, and a call that was called off.
_TIMED_OUT = Fault("canceled", "twirp error unknown: sip request timed out")
_LATE = Fault("deadline_exceeded", "twirp error unknown: request timed out")


async def _send(digits: str, leg: Leg) -> None:
    for digit in digits:
        await asyncio.sleep(DIGIT_S)
        leg.digits += digit.replace("w", "")


def _seconds(message: Any, field: str) -> float | None:
    """A duration in a request or a trunk, None where it is not set or 0."""
    return float(getattr(message, field).ToTimedelta().total_seconds()) or None


def _sip(**attributes: str) -> dict[str, str]:
    return {f"sip.{name}": value for name, value in attributes.items()}


def _user(uri: str) -> str:
    return re.sub(r"^<?\w+:|[@;>].*$", "", uri)


def _host(phone: Phone) -> str:
    return "anonymous.invalid" if phone.number == ANONYMOUS else HOST


def _is_allowed(trunk: api.SIPInboundTrunkInfo, phone: Phone) -> bool:
    """Whether a call from this phone may come over the trunk, whichever number it calls."""
    hosts = list(trunk.allowed_addresses)
    numbers = list(trunk.allowed_numbers)
    from_here = any(one == _host(phone) or ip_address(HOST) in ip_network(one, strict=False) for one in hosts)
    return (from_here or not hosts) and (any(_same(one, phone.number) for one in numbers) or not numbers)


def _same(one: str, other: str) -> bool:
    """Whether two spellings are one number to LiveKit: a plus, blanks, dashes and brackets make no difference."""
    return one == other or _plain(one) == _plain(other)


def _plain(number: str) -> str:
    if not re.fullmatch(r"\+?[\d\- ()]+", number):
        return number
    return "+" + re.sub(r"[+\- ()]", "", number)


def _room_of(rule: api.SIPDispatchRule, caller: str, called: str) -> str:
    match rule.WhichOneof("rule"):
        case "dispatch_rule_direct":
            return rule.dispatch_rule_direct.room_name
        case "dispatch_rule_callee":
            callee = rule.dispatch_rule_callee
            parts = [callee.room_prefix, called, secrets.token_hex(6) if callee.randomize else ""]
        case _:
            parts = [rule.dispatch_rule_individual.room_prefix, caller, secrets.token_hex(6)]
    return "_".join(part for part in parts if part)

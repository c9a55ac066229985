"""LiveKit's SIP service in our words: the trunks and dispatch rules that it has, and whether its bridge is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import assert_never

import aiohttp
from livekit import api
from livekit.protocol.sip import SIPOutboundConfig

from calls.rooms import server_api
from calls.settings import Settings

TIMEOUT_S = 4
# A port that is none: the bridge refuses it before it dials anybody, and so would who looks up such a host.
_TO_NOBODY = api.CreateSIPParticipantRequest(
    trunk=SIPOutboundConfig(hostname="nowhere.invalid:none"),
    sip_number="nobody",
    sip_call_to="nobody",
    participant_identity="nobody",
    room_name="callroom-asks-for-a-bridge",
)

Part = api.SIPOutboundTrunkInfo | api.SIPInboundTrunkInfo | api.SIPDispatchRuleInfo


class SipProblem(Exception):
    """Why no phone works, in words for the user."""


NO_LIVEKIT = "LiveKit does not answer."
NO_SIP = "Phones are off: LiveKit runs without its SIP service, which needs Redis and livekit-sip."
NO_REDIS = "LiveKit does not reach its Redis, which keeps the trunks."
NO_BRIDGE = "No SIP bridge takes calls: livekit-sip does not run, or has no room for more."


@dataclass(frozen=True)
class Parts:
    """All that LiveKit has, of whomever."""

    outbound: list[api.SIPOutboundTrunkInfo]
    inbound: list[api.SIPInboundTrunkInfo]
    rules: list[api.SIPDispatchRuleInfo]


class Sip:
    """The SIP service of one LiveKit server.

    Every method raises SipProblem if no phone can work, and `api.TwirpError` if LiveKit refuses what is asked.
    """

    def __init__(self, livekit: api.LiveKitAPI) -> None:
        self._sip = livekit.sip

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator["Sip"]:
        """One HTTP session to LiveKit for the length of the block."""
        async with server_api(settings) as livekit:
            yield cls(livekit)

    async def list_parts(self) -> Parts:
        """Everything that there is."""
        async with _answering():
            outbound = await self._sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
            inbound = await self._sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
            rules = await self._sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
        return Parts(list(outbound.items), list(inbound.items), list(rules.items))

    async def save(self, part: Part) -> str:
        """Make the part if it has no id, else replace what LiveKit has under it, all at once; the id."""
        async with _answering():
            match part:
                case api.SIPOutboundTrunkInfo():
                    if part.sip_trunk_id:
                        await self._sip.update_outbound_trunk(part.sip_trunk_id, part)
                        return part.sip_trunk_id
                    out = await self._sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=part))
                    return out.sip_trunk_id
                case api.SIPInboundTrunkInfo():
                    if part.sip_trunk_id:
                        await self._sip.update_inbound_trunk(part.sip_trunk_id, part)
                        return part.sip_trunk_id
                    made = await self._sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=part))
                    return made.sip_trunk_id
                case api.SIPDispatchRuleInfo():
                    if part.sip_dispatch_rule_id:
                        await self._sip.update_dispatch_rule(part.sip_dispatch_rule_id, part)
                        return part.sip_dispatch_rule_id
                    rule = await self._sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(dispatch_rule=part))
                    return rule.sip_dispatch_rule_id
                case _:
                    assert_never(part)

    async def remove(self, part: Part) -> None:
        """Remove the part; one that is gone already is fine."""
        async with _answering():
            try:
                if isinstance(part, api.SIPDispatchRuleInfo):
                    rule = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=part.sip_dispatch_rule_id)
                    await self._sip.delete_dispatch_rule(rule)
                else:
                    await self._sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=part.sip_trunk_id))
            except api.TwirpError as error:
                if error.code != api.TwirpErrorCode.NOT_FOUND:
                    raise

    async def find_bridge(self) -> None:
        """Raise SipProblem if no bridge would take a call now.

        LiveKit knows that only by asking for a call, so one is asked for that every bridge has to refuse: nobody is
        rung, no room is made. That there is none is found out after a second.
        """
        async with _answering():
            try:
                await self._sip.create_sip_participant(_TO_NOBODY, timeout=TIMEOUT_S)
            except api.TwirpError as error:
                if error.code == api.TwirpErrorCode.UNAVAILABLE:
                    raise SipProblem(NO_BRIDGE) from error
                if error.code != api.TwirpErrorCode.INVALID_ARGUMENT:
                    raise


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SipProblem(NO_LIVEKIT) from error
    except api.TwirpError as error:
        if "sip not connected" in error.message:
            raise SipProblem(NO_SIP) from error
        if error.code == api.TwirpErrorCode.UNKNOWN:  # what LiveKit itself did not expect: its store fails
            raise SipProblem(NO_REDIS) from error
        raise

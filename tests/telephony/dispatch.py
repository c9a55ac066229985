"""Which room a call from outside comes into, by LiveKit's rules for trunks and dispatch rules."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from livekit import api

HOST = "127.0.0.1"  # where all phones are
ANONYMOUS = "anonymous"


class Conflict(Exception):
    """Two trunks have the number: it is not to be had."""


@dataclass(frozen=True)
class InboundCall:
    """A call as a phone makes it."""

    caller: str
    called: str
    id: str = field(default_factory=lambda: f"SCL_{secrets.token_hex(6)}")

    @property
    def host(self) -> str:
        """Where the caller says that it is."""
        return "anonymous.invalid" if self.caller == ANONYMOUS else HOST

    def trunk(self, trunks: Iterable[api.SIPInboundTrunkInfo]) -> api.SIPInboundTrunkInfo | None:
        """The one that takes it, None if it is for none of them; raises Conflict."""
        known = [trunk for trunk in trunks if self._may_use(trunk)]
        own = [trunk for trunk in known if any(_same(number, self.called) for number in trunk.numbers)]
        found = own or [trunk for trunk in known if not trunk.numbers]
        if len(found) > 1:
            raise Conflict
        return next(iter(found), None)

    def rule(
        self,
        trunk: api.SIPInboundTrunkInfo,
        rules: Iterable[api.SIPDispatchRuleInfo],
    ) -> api.SIPDispatchRuleInfo | None:
        """The one of this trunk, else one for any trunk."""
        rules = list(rules)
        own = [rule for rule in rules if trunk.sip_trunk_id in rule.trunk_ids]
        return next(iter(own or [rule for rule in rules if not rule.trunk_ids]), None)

    def token(
        self,
        trunk: api.SIPInboundTrunkInfo,
        rule: api.SIPDispatchRuleInfo,
        token: api.AccessToken,
    ) -> api.AccessToken:
        """For the participant that the caller becomes."""
        caller, identity = self.caller, f"sip_{self.caller}"
        shown = {"sip.phoneNumber": caller, "sip.trunkPhoneNumber": self.called, "sip.hostname": self.host}
        if rule.hide_phone_number:
            shown, identity = {}, f"sip_{hashlib.sha256(caller.encode()).hexdigest()[:16]}"
            caller = caller[-4:] if len(caller) > 4 else caller[-1:]
        attributes = {
            "sip.callID": self.id,
            "sip.callIDFull": secrets.token_hex(8),
            "sip.callTag": secrets.token_hex(8),
            "sip.trunkID": trunk.sip_trunk_id,
            "sip.ruleID": rule.sip_dispatch_rule_id,
            "sip.callStatus": "ringing",
        }
        if rule.HasField("room_config"):
            token = token.with_room_config(rule.room_config)
        return (
            token.with_grants(join(_room(rule.rule, caller, self.called)))
            .with_identity(identity)
            .with_name(f"Phone {caller}")
            .with_metadata(rule.metadata)
            .with_attributes(dict(rule.attributes) | shown | attributes)
        )

    def _may_use(self, trunk: api.SIPInboundTrunkInfo) -> bool:
        """Whether it may come over the trunk, whichever number it is for."""
        hosts, numbers = trunk.allowed_addresses, trunk.allowed_numbers
        from_here = any(self._is_from(one) for one in hosts) or not hosts
        return from_here and (any(_same(one, self.caller) for one in numbers) or not numbers)

    def _is_from(self, address: str) -> bool:
        try:
            return ip_address(HOST) in ip_network(address, strict=False)
        except ValueError:
            return address == self.host


def join(room: str) -> api.VideoGrants:
    return api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True)


def _same(one: str, other: str) -> bool:
    """Whether two spellings are one number to LiveKit: a plus, blanks, dashes and brackets make no difference."""
    return one == other or _plain(one) == _plain(other)


def _plain(number: str) -> str:
    if not re.fullmatch(r"\+?[\d\- ()]+", number):
        return number
    return "+" + re.sub(r"[+\- ()]", "", number)


def _room(rule: api.SIPDispatchRule, caller: str, called: str) -> str:
    match rule.WhichOneof("rule"):
        case "dispatch_rule_direct":
            return rule.dispatch_rule_direct.room_name
        case "dispatch_rule_callee":
            callee = rule.dispatch_rule_callee
            parts = [callee.room_prefix, called, secrets.token_hex(6) if callee.randomize else ""]
        case _:
            parts = [rule.dispatch_rule_individual.room_prefix, caller, secrets.token_hex(6)]
    return "_".join(part for part in parts if part)

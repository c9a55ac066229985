"""What LiveKit should have of one tenant's trunk, given what it has: an outbound trunk, an inbound one, and a rule.

Ours are known by their name, which says which installation made them for which tenant. What somebody has set in them
that means nothing here stays as it is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from livekit import api

from calls.phones.inbound import PREFIX, TENANT_ATTRIBUTE
from calls.phones.numbers import bare
from calls.phones.trunk import Transport
from calls.rooms import DEPARTURE_TIMEOUT_S, EMPTY_TIMEOUT_S
from calls.settings import Settings

_TRANSPORTS = {
    "udp": api.SIPTransport.SIP_TRANSPORT_UDP,
    "tcp": api.SIPTransport.SIP_TRANSPORT_TCP,
    "tls": api.SIPTransport.SIP_TRANSPORT_TLS,
}


@dataclass(frozen=True)
class Wanted:
    """One tenant's trunk: its numbers in E.164, and the spellings of them at which it may be called."""

    tenant_id: str
    name: str
    address: str
    transport: Transport
    username: str
    password: str
    allowed_addresses: Sequence[str]
    numbers: Sequence[str]
    called: Sequence[str]

    @property
    def admits_calls(self) -> bool:
        """Whether it can be told who may send it calls: without that anybody could, so nobody may."""
        return bool(self.called and (self.allowed_addresses or (self.username and self.password)))


def name_of(installation: str, tenant_id: str) -> str:
    """Give the name of every part of a tenant's trunk."""
    return f"callroom {installation} {tenant_id}"


def tenant_of(installation: str, name: str) -> str | None:
    """Give the tenant of a part with this name; None if it is not ours."""
    ours = name_of(installation, "")
    return name.removeprefix(ours) if name.startswith(ours) else None


def outbound_trunk(wanted: Wanted, found: api.SIPOutboundTrunkInfo | None) -> api.SIPOutboundTrunkInfo:
    """Give the trunk that calls are made with."""
    part = api.SIPOutboundTrunkInfo()
    if found is not None:
        part.CopyFrom(found)
    part.name = wanted.name
    part.address = wanted.address
    part.transport = _TRANSPORTS[wanted.transport]
    part.auth_username = wanted.username
    part.auth_password = wanted.password
    part.numbers[:] = wanted.numbers
    return part


def inbound_trunk(wanted: Wanted, found: api.SIPInboundTrunkInfo | None) -> api.SIPInboundTrunkInfo:
    """Give the trunk that calls come in by. Who may send them is known by its address; without any, by the login.

    Addresses are given as networks, `192.0.2.1/32`: LiveKit also lets in who merely calls himself what stands there.
    """
    part = api.SIPInboundTrunkInfo()
    if found is not None:
        part.CopyFrom(found)
    by_login = not wanted.allowed_addresses
    part.name = wanted.name
    part.auth_username = wanted.username if by_login else ""
    part.auth_password = wanted.password if by_login else ""
    part.allowed_addresses[:] = [str(ip_network(address, strict=False)) for address in wanted.allowed_addresses]
    part.numbers[:] = wanted.called
    return part


def without_numbers_of_others(
    found: api.SIPInboundTrunkInfo, tenant_id: str, owners: dict[str, str]
) -> api.SIPInboundTrunkInfo:
    """Give the trunk without what means another tenant's number by now; `owners` are the tenants of bare digits."""
    part = api.SIPInboundTrunkInfo()
    part.CopyFrom(found)
    part.numbers[:] = [number for number in found.numbers if owners.get(bare(number), tenant_id) == tenant_id]
    return part


def dispatch_rule(
    wanted: Wanted, inbound_id: str, settings: Settings, found: api.SIPDispatchRuleInfo | None
) -> api.SIPDispatchRuleInfo:
    """Give the rule that makes a room for each call, without the caller's number in its name, and asks for an agent."""
    part = api.SIPDispatchRuleInfo()
    if found is not None:
        part.CopyFrom(found)
    part.name = wanted.name
    part.trunk_ids[:] = [inbound_id]
    callee = api.SIPDispatchRuleCallee(room_prefix=PREFIX.rstrip("_"), randomize=True)
    part.rule.CopyFrom(api.SIPDispatchRule(dispatch_rule_callee=callee))
    part.attributes[TENANT_ATTRIBUTE] = wanted.tenant_id
    agent = api.RoomAgentDispatch(agent_name=settings.agent_name, metadata=json.dumps({"tenant_id": wanted.tenant_id}))
    del part.room_config.agents[:]
    part.room_config.agents.append(agent)
    part.room_config.empty_timeout = EMPTY_TIMEOUT_S
    part.room_config.departure_timeout = DEPARTURE_TIMEOUT_S
    part.room_config.max_participants = settings.max_participants
    return part

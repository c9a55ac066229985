"""The tenant's SIP trunk."""

from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.schema.common import Answer, Request

SipTransport = Literal["udp", "tcp", "tls"]
MAX_PORT = 65_535


def _address(text: str) -> str:
    host, _, port = text.partition(":")
    if not any(map(str.isalnum, host)) or (port and not 0 < int(port) <= MAX_PORT):
        raise ValueError(f"expected a host with an optional port up to {MAX_PORT}, as in sip.example.com:5061")
    return text


# A host or address with an optional port: what may stand after the @ of a SIP URI.
SipAddress = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9.\-_]+(:[0-9]{1,5})?$", max_length=255),
    AfterValidator(_address),
]


def _credential(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected printable characters: it stands in a line of SIP")
    return text


def parse_network(text: str) -> str:
    """An address or a network as it is; ValueError if it is none."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("expected an IP address or a network, as in 192.0.2.0/24") from None
    return text


# What LiveKit compares with where an inbound call comes from.
Network = Annotated[str, StringConstraints(max_length=64), AfterValidator(parse_network)]
Credential = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_credential)]


class PutTrunk(Request):
    """Body of `PUT /v1/telephony/trunk`."""

    address: SipAddress = Field(description="Where outbound calls go.", examples=["sip.example.com"])
    transport: SipTransport = "udp"
    username: Credential | None = None
    password: Credential | None = Field(None, description="Never given back; left out, the one before stays.")
    allowed_addresses: list[Network] = Field([], max_length=100, description="Where inbound calls may come from.")


class Trunk(Answer):
    """The trunk, without its password; `state` says whether LiveKit has it as it was saved, and `reason` why not."""

    address: str
    transport: SipTransport
    username: str | None
    allowed_addresses: list[str]
    state: Literal["pending", "ready", "failed"]
    reason: str | None
    updated_at: datetime


class TelephonyStatus(Answer):
    """Whether a phone call could be made now, as seen some seconds ago, and if not, why."""

    connected: bool
    provider: Literal["sip"] = "sip"
    reason: str | None

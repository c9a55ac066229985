"""The tenant's SIP trunk."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.schema.common import Answer, Request, UpdatedAt

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
    transport: SipTransport = Field("udp", description="How SIP is sent there.")
    username: Credential | None = Field(None, description="What we log in with there, and who calls logs in with here.")
    password: Credential | None = Field(None, description="Never given back; left out, the one before stays.")
    allowed_addresses: list[Network] = Field([], max_length=100, description="Where inbound calls may come from.")


class Trunk(Answer):
    """The trunk, without its password; `state` says whether LiveKit has it as it was saved, and `reason` why not."""

    address: str = Field(description="Where outbound calls go.")
    transport: SipTransport = Field(description="How SIP is sent there.")
    username: str | None = Field(description="What we log in with there; null: without.")
    allowed_addresses: list[str] = Field(description="Where inbound calls may come from.")
    state: Literal["pending", "ready", "failed"] = Field(description="Whether LiveKit has it as it was saved.")
    reason: str | None = Field(description="Why LiveKit does not have it; it is tried again. Null of `ready`.")
    updated_at: UpdatedAt


class TelephonyStatus(Answer):
    """Whether a phone call could be made now, as seen some seconds ago, and if not, why."""

    connected: bool = Field(description="Whether a phone could be called.")
    provider: Literal["sip"] = Field("sip", description="Always this.")
    reason: str | None = Field(description="Why not; null if it could.")

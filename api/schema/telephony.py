"""The tenant's SIP trunk."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.schema.common import Answer, Request

SipTransport = Literal["udp", "tcp", "tls"]
# A host or address with an optional port: what may stand after the @ of a SIP URI.
SipAddress = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.\-_]+(:[0-9]{1,5})?$", max_length=255)]
# An address or a network, as LiveKit compares it with where an inbound call comes from.
Network = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$", max_length=64)]
Credential = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PutTrunk(Request):
    """Body of `PUT /v1/telephony/trunk`."""

    address: SipAddress = Field(description="Where outbound calls go.", examples=["sip.example.com"])
    transport: SipTransport = "udp"
    username: Credential | None = None
    password: Credential | None = Field(None, description="Never given back; left out, the one before stays.")
    allowed_addresses: list[Network] = Field([], max_length=100, description="Where inbound calls may come from.")


class Trunk(Answer):
    """The trunk, without its password."""

    address: str
    transport: SipTransport
    username: str | None
    allowed_addresses: list[str]
    state: Literal["pending", "connected", "failed"]
    reason: str | None
    updated_at: datetime


class TelephonyStatus(Answer):
    """Whether phone calls can be made, and if not, why."""

    connected: bool
    provider: Literal["sip"] = "sip"
    reason: str | None

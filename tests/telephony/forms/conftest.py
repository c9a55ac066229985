"""A trunk, a dial and a watcher on each phone network."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from livekit import api

from tests.telephony import PhoneNetwork
from tests.telephony.forms.watcher import (
    OURS,
    ROOM,
    Dial,
    Watcher,
)


@pytest.fixture
async def livekit_api(network: PhoneNetwork) -> AsyncIterator[api.LiveKitAPI]:
    async with network.livekit() as livekit:
        yield livekit


@pytest.fixture
async def trunk_to(network: PhoneNetwork, livekit_api: api.LiveKitAPI) -> Callable[..., Awaitable[str]]:
    """`await trunk_to(address)`: the id of an outbound trunk with our number and the login that is known there."""

    async def make(address: str, password: str = network.trunk.password) -> str:
        trunk = api.SIPOutboundTrunkInfo(
            name="out",
            address=address,
            numbers=[OURS],
            transport=api.SIPTransport.SIP_TRANSPORT_UDP,
            auth_username=network.trunk.username,
            auth_password=password,
        )
        made = await livekit_api.sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=trunk))
        return made.sip_trunk_id

    return make


@pytest.fixture
async def dial(network: PhoneNetwork, livekit_api: api.LiveKitAPI, trunk_to: Callable[..., Awaitable[str]]) -> Dial:
    """`await dial(number)`: what LiveKit answers to a request for that call, into ROOM."""
    trunk = await trunk_to(network.trunk.address)

    async def create(number: str, identity: str = "phone", **options: Any) -> api.SIPParticipantInfo:
        for name in ("ringing_timeout", "max_call_duration"):
            if name in options:
                options[name] = Duration(nanos=int(options[name] % 1 * 1e9), seconds=int(options[name]))
        asked: dict[str, Any] = {"sip_trunk_id": trunk, "sip_call_to": number, "room_name": ROOM}
        request = api.CreateSIPParticipantRequest(**(asked | {"participant_identity": identity} | options))
        return await livekit_api.sip.create_sip_participant(request)

    return create


@pytest.fixture
async def watcher(network: PhoneNetwork) -> AsyncIterator[Watcher]:
    async with Watcher(network, ROOM) as watching:
        yield watching

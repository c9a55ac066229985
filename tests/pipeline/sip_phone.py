"""A phone as LiveKit's bridge brings it into a room: a participant of kind SIP, here without its sound."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from livekit import api, rtc

from pipeline.deps import Deps


@asynccontextmanager
async def as_a_phone(deps: Deps, room_name: str, identity: str, attributes: Mapping[str, str]) -> AsyncIterator[None]:
    """In the room for the length of the block, under that name and with these attributes."""
    token = api.AccessToken(deps.settings.livekit_api_key, deps.settings.livekit_api_secret.get_secret_value())
    sip = token.with_kind("sip").with_identity(identity).with_attributes(dict(attributes))
    grants = api.VideoGrants(room_join=True, room=room_name)
    room = rtc.Room()
    await room.connect(deps.settings.livekit_url, sip.with_grants(grants).to_jwt())
    try:
        yield
    finally:
        await room.disconnect()

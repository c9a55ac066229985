"""Whom the agent puts out of its room: agents that were replaced by it, and machines that answer phones."""

import asyncio
from contextlib import suppress

from livekit import rtc

from calls.errors import Unavailable
from calls.rooms import Rooms
from calls.settings import Settings

AGAIN_S = 1.0


def other_agents(room: rtc.Room) -> list[str]:
    """Their names in the room."""
    people = room.remote_participants.values()
    return [one.identity for one in people if one.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT]


async def put_others_out(settings: Settings, room: rtc.Room) -> None:
    """An agent that was replaced may not know it: should it be cut off from the database, it would talk on."""
    async with Rooms.connect(settings) as rooms:
        while others := other_agents(room):
            for identity in others:
                with suppress(Unavailable):
                    await rooms.remove_participant(room.name, identity)
            await asyncio.sleep(AGAIN_S)


async def put_out(settings: Settings, room: rtc.Room, identity: str) -> None:
    """Have somebody leave, as soon as LiveKit answers."""
    async with Rooms.connect(settings) as rooms:
        while True:
            try:
                await rooms.remove_participant(room.name, identity)
            except Unavailable:
                await asyncio.sleep(AGAIN_S)
            else:
                return

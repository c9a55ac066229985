"""A job for a room that a phone has come into: its call is written first, or refused."""

import asyncio

from livekit.agents import JobContext

from calls.database.engine import Database
from calls.errors import Unavailable
from calls.phones.inbound import Incoming, find_incoming, receive
from calls.recordings import egress
from calls.rooms import Rooms
from calls.settings import Settings
from calls.tenants.prices import price_micros
from worker.room.persistence import Persistence

LOOK_EVERY_S = 0.05
LOOKS = 100  # the room is made for the phone, which is there at once


async def take_in(context: JobContext, settings: Settings, database: Database, persistence: Persistence) -> str | None:
    """The call's id; None if it is not to be answered, and was refused, or the phone is gone."""
    room_name = context.job.room.name
    async with Rooms.connect(settings) as rooms:
        try:
            incoming = await _wait_for_phone(rooms, room_name)
        except Unavailable:
            incoming = None
        if incoming is None:
            return None  # if there is one after all, the pipeline sees it

        async def write() -> str | None:
            async with database.writing() as connection:
                received = await receive(connection, incoming, price_micros(settings, "pstn"))
                if received is not None and settings.recorder == "egress":
                    await egress.ask_if_due(connection, received)
                return received

        call_id = await persistence.persist(write)
        if call_id is None:
            await rooms.delete_room(room_name)  # the caller hears that it is refused
        return call_id


async def _wait_for_phone(rooms: Rooms, room_name: str) -> Incoming | None:
    for _ in range(LOOKS):
        incoming = await find_incoming(rooms, room_name)
        if incoming is not None:
            return incoming
        await asyncio.sleep(LOOK_EVERY_S)
    return None

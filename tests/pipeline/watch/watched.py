"""Calls for a watcher, and what their workers and people do."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from livekit import api, rtc

from calls.placing.creation import NewCall
from calls.store import CallStore
from calls.tables import leases as lease_table
from calls.workers import leases
from pipeline.deps import Deps
from pipeline.watch import Watcher
from tests.pipeline.placed import ended, place


async def place_with_room(deps: Deps) -> NewCall:
    call = await place(deps.db)
    await deps.rooms.create_room(call.room_name, call.id)
    return call


@asynccontextmanager
async def joined(deps: Deps, call: NewCall, identity: str = "ada") -> AsyncIterator[rtc.Room]:
    room = rtc.Room()
    await room.connect(deps.settings.livekit_url, deps.rooms.caller_token(call.room_name, identity, {}))
    try:
        yield room
    finally:
        await room.disconnect()


async def take(deps: Deps, call: NewCall, *, enters: bool = True) -> int:
    """What a worker writes that was given the call; the lease's token."""
    async with deps.db.writing() as conn:
        token = await leases.take(conn, call.id, "worker-1", "agent-1")
        assert token is not None
        if enters:
            await CallStore(conn).agent_joined(call.id, token)
        return token


async def begin(deps: Deps, call: NewCall) -> int:
    """What a worker writes when caller and agent are there; the lease's token."""
    token = await take(deps, call)
    async with deps.db.writing() as conn:
        await CallStore(conn).participant_joined(call.id, "ada")
        await CallStore(conn).start(call.id)
    return token


async def release(deps: Deps, call: NewCall, token: int) -> None:
    async with deps.db.writing() as conn:
        assert await leases.release(conn, call.id, token)


async def last_sign(deps: Deps, call: NewCall) -> datetime:
    async with deps.db.reading() as conn:
        moment: datetime | None = await conn.scalar(
            sa.select(lease_table.c.renewed_at).where(lease_table.c.call_id == call.id)
        )
    assert moment is not None
    return moment


async def is_open(deps: Deps, call: NewCall) -> bool:
    return bool(await deps.rooms.list_rooms([call.room_name]))


async def look_until_ended(deps: Deps, call: NewCall, until: Any) -> tuple[str, str]:
    """Let a watcher look until the call is over; its status and end reason."""
    watcher = Watcher(deps.db, deps.rooms, deps.settings)

    async def look() -> tuple[str, str] | None:
        await watcher.look()
        return await ended(deps.db, call)

    outcome: tuple[str, str] = await until(look)
    return outcome


async def dispatches(deps: Deps, call: NewCall) -> list[dict[str, str]]:
    """What the dispatches say that LiveKit has for the call's room, oldest first."""
    settings = deps.settings
    secret = settings.livekit_api_secret.get_secret_value()
    async with api.LiveKitAPI(settings.livekit_url, settings.livekit_api_key, secret) as livekit:
        listed = await livekit.agent_dispatch.list_dispatch(call.room_name)
    return [json.loads(one.metadata) for one in sorted(listed, key=lambda one: one.state.created_at)]

"""Calls that have just been created, in the database."""

import uuid
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT, Database
from calls.events import EventKind
from calls.placing.creation import NewCall, NewParticipant
from calls.store import CallStore
from calls.tables import agents, call_events, leases, participants

BROWSER = NewParticipant("webrtc", "ada")


def phone(number: str = "+15551234567") -> NewParticipant:
    return NewParticipant("pstn", number)


async def place(db: Database, *who: NewParticipant) -> NewCall:
    """A new call of these participants, of a browser called ada if none are given."""
    agent = {"id": str(uuid.uuid4()), "name": "Aria"}
    # Each call its own participants: their ids are made with them.
    legs = [replace(one, id=str(uuid.uuid4())) for one in who or (BROWSER,)]
    call = NewCall(DEFAULT_TENANT, agent, legs)
    async with db.writing() as conn:
        row = {"id": agent["id"], "tenant_id": DEFAULT_TENANT, "name": agent["name"], "config": {}}
        await conn.execute(sa.insert(agents).values(row))
        await CallStore(conn).create(call)
    return call


async def row_of(db: Database, call: NewCall) -> sa.Row[Any]:
    async with db.reading() as conn:
        return await CallStore(conn).get(None, call.id)


async def ended(db: Database, call: NewCall) -> tuple[str, str] | None:
    """Status and end reason once the call is over."""
    row = await row_of(db, call)
    return (row.status, row.end_reason) if row.ended_at is not None else None


async def legs_of(db: Database, call: NewCall) -> list[tuple[str, str, str | None]]:
    """Identity, status and end reason of each participant."""
    columns = (participants.c.identity, participants.c.status, participants.c.end_reason)
    query = sa.select(*columns).where(participants.c.call_id == call.id).order_by(participants.c.position)
    async with db.reading() as conn:
        return [tuple(row) for row in await conn.execute(query)]


async def events_of(db: Database, call: NewCall) -> list[str]:
    query = sa.select(call_events.c.message).where(call_events.c.call_id == call.id).order_by(call_events.c.id)
    async with db.reading() as conn:
        return list(await conn.scalars(query))


async def kinds_of(db: Database, call_id: str) -> list[str]:
    """Of its events, without those of a database that did not answer for a while, which may be on a busy machine."""
    wanted = (call_events.c.call_id == call_id, call_events.c.kind != EventKind.DATABASE_BACK)
    async with db.reading() as conn:
        return list(await conn.scalars(sa.select(call_events.c.kind).where(*wanted).order_by(call_events.c.id)))


async def changes_of(db: Database, call_id: str) -> int | None:
    """How many changes its last agent wrote, without what it told of such a database."""
    outages = (call_events.c.call_id == call_id, call_events.c.kind == EventKind.DATABASE_BACK)
    told = sa.select(sa.func.count()).select_from(call_events).where(*outages).scalar_subquery()
    async with db.reading() as conn:
        changes: int | None = await conn.scalar(sa.select(leases.c.changes - told).where(leases.c.call_id == call_id))
    return changes

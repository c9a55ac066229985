"""Reading one call's parts: who was in it, what it left behind, and its event log."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.tables import call_events, participants, recordings, results

Row = sa.Row[Any]


async def read_participants(conn: AsyncConnection, call_id: str) -> list[Row]:
    """Give the call's participants in the order in which they were added."""
    query = sa.select(participants).where(participants.c.call_id == call_id).order_by(participants.c.position)
    return list((await conn.execute(query)).all())


async def read_recording(conn: AsyncConnection, call_id: str) -> Row | None:
    """Give the call's recording, once the call has ended with one."""
    return (await conn.execute(sa.select(recordings).where(recordings.c.call_id == call_id))).one_or_none()


async def read_results(conn: AsyncConnection, call_id: str) -> dict[str, Row]:
    """Give what each stage of the post-call work found, by the stage's name."""
    rows = await conn.execute(sa.select(results).where(results.c.call_id == call_id))
    return {row.stage: row for row in rows}


async def read_events(conn: AsyncConnection, call_id: str, limit: int, offset: int = 0) -> list[Row]:
    """Give a part of the call's event log, the oldest first."""
    query = sa.select(call_events).where(call_events.c.call_id == call_id).order_by(call_events.c.id)
    return list((await conn.execute(query.limit(limit).offset(offset))).all())


async def count_events(conn: AsyncConnection, call_id: str) -> int:
    """Give how many entries the call's event log has."""
    query = sa.select(sa.func.count()).select_from(call_events).where(call_events.c.call_id == call_id)
    return int((await conn.execute(query)).scalar_one())

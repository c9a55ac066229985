"""Reading one call's parts: who was in it, what it left behind, and its event log."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.tables import call_events, participants, recordings, results

Row = sa.Row[Any]


# Built once: SQLAlchemy takes longer to build a statement than the database to run it.
_CALL: sa.BindParameter[str] = sa.bindparam("call_id")
_PARTICIPANTS = sa.select(participants).where(participants.c.call_id == _CALL).order_by(participants.c.position)
_RECORDING = sa.select(recordings).where(recordings.c.call_id == _CALL)
_RESULTS = sa.select(results).where(results.c.call_id == _CALL)
_EVENTS = (
    sa.select(call_events)
    .where(call_events.c.call_id == _CALL)
    .order_by(call_events.c.id)
    .limit(sa.bindparam("limit"))
    .offset(sa.bindparam("offset"))
)


async def read_participants(conn: AsyncConnection, call_id: str) -> list[Row]:
    """Give the call's participants in the order in which they were added."""
    return list((await conn.execute(_PARTICIPANTS, {"call_id": call_id})).all())


async def read_recording(conn: AsyncConnection, call_id: str) -> Row | None:
    """Give the call's recording, once the call has ended with one."""
    return (await conn.execute(_RECORDING, {"call_id": call_id})).one_or_none()


async def read_results(conn: AsyncConnection, call_id: str) -> dict[str, Row]:
    """Give what each stage of the post-call work found, by the stage's name."""
    rows = await conn.execute(_RESULTS, {"call_id": call_id})
    return {row.stage: row for row in rows}


async def read_events(conn: AsyncConnection, call_id: str, limit: int, offset: int = 0) -> list[Row]:
    """Give a part of the call's event log, the oldest first."""
    return list((await conn.execute(_EVENTS, {"call_id": call_id, "limit": limit, "offset": offset})).all())


async def count_events(conn: AsyncConnection, call_id: str) -> int:
    """Give how many entries the call's event log has."""
    query = sa.select(sa.func.count()).select_from(call_events).where(call_events.c.call_id == call_id)
    return int((await conn.execute(query)).scalar_one())

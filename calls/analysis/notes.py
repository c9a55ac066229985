"""Notes of calls that are too long for their model, kept until the part of the analysis that needs them has ended."""

from dataclasses import astuple, dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.analysis.generations import lock_call
from calls.database.engine import upsert
from calls.states import IntelligenceStatus
from calls.tables import notes, results


@dataclass(frozen=True)
class Note:
    """What a model has noted of a piece of a call.

    `asked` is a hash of the request for it; `room` is how many bytes a request might have: the pieces follow from it.
    """

    asked: str
    room: int
    text: str


async def read_notes(conn: AsyncConnection, call_id: str, generation: int, stage: str) -> list[Note]:
    """What there is for this part, in no order."""
    columns = (notes.c[name] for name in Note.__dataclass_fields__)
    mine = (notes.c.call_id == call_id, notes.c.generation == generation, notes.c.stage == stage)
    return [Note(*row) for row in await conn.execute(sa.select(*columns).where(*mine))]


async def keep_note(conn: AsyncConnection, call_id: str, generation: int, stage: str, note: Note) -> None:
    """Write it down, unless the part has ended meanwhile or the call was erased."""
    await lock_call(conn, call_id)
    part = (results.c.call_id == call_id, results.c.generation == generation, results.c.stage == stage)
    if await conn.scalar(sa.select(results.c.status).where(*part)) != IntelligenceStatus.PENDING:
        return
    values = (call_id, generation, stage, *astuple(note))
    await conn.execute(upsert(conn, notes).values(values).on_conflict_do_nothing())


async def forget_notes(conn: AsyncConnection, call_id: str, generation: int, stage: str) -> None:
    """The part has ended."""
    mine = (notes.c.call_id == call_id, notes.c.generation == generation, notes.c.stage == stage)
    await conn.execute(sa.delete(notes).where(*mine))

"""What an agent has left unfinished in the transcript, once it is gone."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.changes import CALLS, mark
from calls.tables import segments


async def settle_segments(connection: AsyncConnection, call_id: str) -> None:
    """Make final, and cut, what was not said to its end: nobody will say how it went on."""
    first = await next_revision(connection, call_id)
    unfinished = sa.select(segments.c.sequence).where(segments.c.call_id == call_id, ~segments.c.is_final)
    mark(connection, CALLS)
    for number, sequence in enumerate((await connection.scalars(unfinished)).all(), first):
        this = (segments.c.call_id == call_id, segments.c.sequence == sequence)
        await connection.execute(sa.update(segments).where(*this).values(is_final=True, is_cut=True, revision=number))


async def next_revision(connection: AsyncConnection, call_id: str) -> int:
    """The number of the next write to the call's transcript."""
    last = sa.select(sa.func.max(segments.c.revision)).where(segments.c.call_id == call_id)
    return (await connection.scalar(last) or 0) + 1

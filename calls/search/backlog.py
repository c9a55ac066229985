"""The calls that were over before there was an index of words come into it while others are served."""

import asyncio

import sqlalchemy as sa

from calls.database.engine import Database
from calls.search.index import add_words
from calls.tables import calls, unindexed

BATCH = 20  # some 50 ms, for which writers wait
PAUSE_S = 0.05  # another process that writes to SQLite does not stand in line, it tries now and then


async def index_backlog(database: Database) -> None:
    """Index every call that is left, the newest first, a batch at a time."""
    taken = BATCH
    while taken == BATCH:
        taken = await _index_some(database)
        await asyncio.sleep(PAUSE_S)


async def _index_some(database: Database) -> int:
    """Index a batch of those that no other process is at; how many these were."""
    async with database.writing() as connection:
        newest = sa.select(unindexed).order_by(unindexed.c.number.desc()).limit(BATCH)
        some = (await connection.execute(newest.with_for_update(skip_locked=True))).all()
        for one in reversed(some):  # FTS5 begins a new piece of the index for a number that is lower than the last one
            # Who erases waits, or has erased: else the words could come into the index behind that.
            kept = sa.select(calls.c.tenant_id).where(calls.c.id == one.call_id, calls.c.transcript_erased_at.is_(None))
            tenant_id = await connection.scalar(kept.with_for_update())
            if tenant_id is not None:
                await add_words(connection, tenant_id, one.call_id)
        await connection.execute(sa.delete(unindexed).where(unindexed.c.number.in_([one.number for one in some])))
    return len(some)

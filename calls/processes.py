"""Which processes there are: each says that it lives, in the database that all of them share."""

import asyncio
import logging
import os
import platform
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.engine import Database, upsert
from calls.errors import DatabaseAway
from calls.tables import processes
from calls.version import VERSION

logger = logging.getLogger(__name__)

Kind = Literal["api", "worker", "pipeline"]

EVERY_S = 5.0
STALE_AFTER = timedelta(seconds=20)  # so long after its last sign of life a process is taken for dead


@asynccontextmanager
async def present(database: Database, kind: Kind) -> AsyncIterator[None]:
    """Say that this process lives for the length of the block; a database that is away keeps nobody from its work."""
    name = f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"[:100]
    logger.info("a process begins", extra={"version": VERSION})
    telling = asyncio.create_task(_keep_telling(database, name, kind), name="present")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        with suppress(DatabaseAway):
            async with database.writing() as conn:
                await conn.execute(processes.delete().where(processes.c.id == name))


async def list_living(conn: AsyncConnection) -> list[sa.Row[Any]]:
    """Give the processes that gave a sign of life a moment ago, by their kind, the oldest first."""
    lives = processes.c.told_at > moment(conn) - STALE_AFTER
    query = sa.select(processes).where(lives).order_by(processes.c.kind, processes.c.began_at, processes.c.id)
    return list((await conn.execute(query)).all())


async def _keep_telling(database: Database, name: str, kind: Kind) -> None:
    while True:
        with suppress(DatabaseAway):
            async with database.writing() as conn:
                now = moment(conn)
                known = {"kind": kind, "host": platform.node()[:100], "pid": os.getpid(), "version": VERSION}
                statement = upsert(conn, processes).values(id=name, began_at=now, told_at=now, **known)
                await conn.execute(
                    statement.on_conflict_do_update(index_elements=["id"], set_={"told_at": statement.excluded.told_at})
                )
        await asyncio.sleep(EVERY_S)

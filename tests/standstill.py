"""An agent's process that stands still, as if its machine were asleep."""

from collections.abc import Callable

import sqlalchemy as sa

from calls.database.engine import Database


async def stand_still(database: Database, stop: Callable[[], None]) -> None:
    """Send SIGSTOP, but not in the middle of a write: on SQLite nobody else could write until it wakes."""
    async with database.writing() as connection:
        await connection.execute(sa.select(1))  # not before its first statement does it wait for those who write
        stop()

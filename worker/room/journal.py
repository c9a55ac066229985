"""Changes to the call's row that event handlers cause: written one after the other, in the order of the events."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa

from calls.database import Database
from calls.store import CallStore

logger = logging.getLogger(__name__)

Change = Callable[[CallStore], Awaitable[Any]]
ATTEMPTS = 5
RETRY_S = 0.5


class Journal:
    """A queue of changes with one writer; a database that is away for a moment costs nothing but that moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes: asyncio.Queue[Change] = asyncio.Queue()

    def put(self, change: Change) -> None:
        """Have `change` written after everything that was put before it."""
        self._changes.put_nowait(change)

    async def settle(self) -> None:
        """Return once everything that was put is written."""
        await self._changes.join()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            change = await self._changes.get()
            try:
                await self._write(change)
            finally:
                self._changes.task_done()

    async def _write(self, change: Change) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._database.writing() as connection:
                    await change(CallStore(connection))
            except (sa.exc.SQLAlchemyError, OSError) as error:
                logger.warning("a change of the call could not be written", extra={"attempt": attempt, "error": error})
                await asyncio.sleep(RETRY_S)
            else:
                return

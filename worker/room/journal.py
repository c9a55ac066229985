"""What happens in a call, on its way into the database: in the order in which it happened, and each thing once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from calls.database.engine import Database
from calls.store import CallStore
from calls.workers import leases
from calls.workers.leases import Standing
from worker.room.clock import Clock
from worker.room.persistence import Persistence

logger = logging.getLogger(__name__)

Change = Callable[[CallStore], Awaitable[Any]]

AGAIN_S = 1.0


@dataclass(frozen=True)
class _Entry:
    number: int
    change: Change
    at: datetime
    is_vital: bool


class Journal:
    """Takes changes at once and writes them one after the other, however long the database is away.

    Each is written under the lease's token, with its number and its own time: nothing is written twice, nothing by an
    agent that has lost the call, and nothing gets a later time than when it happened.
    """

    def __init__(self, database: Database, call_id: str, token: int, clock: Clock, persistence: Persistence) -> None:
        self._database = database
        self._call_id = call_id
        self._token = token
        self._clock = clock
        self._persistence = persistence
        self._entries: asyncio.Queue[_Entry] = asyncio.Queue()
        self._numbers = 0
        self._current: _Entry | None = None
        self.lost = False  # the call is another's; nothing more is written

    def put(self, change: Change, at: datetime | None = None, *, is_vital: bool = False) -> datetime:
        """Have `change` written after everything that was put before it.

        Args:
            change: what is to be written.
            at: when it happened, in the database's time; without it, now.
            is_vital: never given up, and what comes after it waits. Any other that can never be written, as it is wrong
                itself, is left out.

        Returns:
            When it happened.
        """
        self._numbers += 1
        entry = _Entry(self._numbers, change, at or self._clock.moment(), is_vital)
        self._entries.put_nowait(entry)
        return entry.at

    def moment(self) -> datetime:
        """Now, in the database's time."""
        return self._clock.moment()

    async def settle(self) -> None:
        """Return once everything that was put is written, or the call is lost."""
        await self._entries.join()

    async def run(self) -> None:
        """Write until cancelled; goes on where it was, should it be run again."""
        while True:
            if self._current is None:
                self._current = await self._entries.get()
            if not self.lost:
                await self._write(self._current)
            self._current = None
            self._entries.task_done()

    async def _write(self, entry: _Entry) -> None:
        failures = 0
        while True:
            try:
                standing = await self._persistence.persist(lambda: self._write_once(entry))
            except Exception:  # a mistake of ours: what comes after it is not to suffer
                if failures == 0:
                    logger.exception("a change of the call could not be written")
                if not entry.is_vital:
                    return
                failures += 1
                await asyncio.sleep(AGAIN_S)
            else:
                break
        if standing is Standing.LOST:
            self.lost = True
            logger.error("the call is another worker's: nothing more is written")

    async def _write_once(self, entry: _Entry) -> Standing:
        async with self._database.writing() as connection:
            standing = await leases.stand(connection, self._call_id, self._token, entry.number)
            if standing is Standing.CURRENT:
                await entry.change(CallStore(connection, entry.at))
            return standing

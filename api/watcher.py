"""Looking at the calls in the database again, for as long as somebody follows them, whenever some were written."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from calls.database.changes import CALLS
from calls.database.engine import Database
from calls.errors import DatabaseAway

log = logging.getLogger(__name__)

RETRY_S = 1.0


class Watcher:
    """One task for all streams of a kind.

    Args:
        name: of its task.
        look: reads what is new, and tells whoever follows; whether there may be more to read at once.
        pause_s: commits come in bursts; calls are looked at this often at most.
    """

    def __init__(self, name: str, database: Database, look: Callable[[], Awaitable[bool]], *, pause_s: float) -> None:
        self._name = name
        self._database = database
        self._look = look
        self._pause_s = pause_s
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watch from now on, unless it does already."""
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name=self._name)

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        async with self._database.changes.watch(CALLS) as changes:
            while True:
                await changes.wait()
                try:
                    if await self._look():
                        changes.wake()
                except DatabaseAway:
                    log.warning("what happens in calls cannot be read: the database is away")
                    await asyncio.sleep(RETRY_S)
                    changes.wake()
                except Exception:  # whatever it was, streams must not fall asleep
                    log.exception("what happens in calls could not be read")
                    await asyncio.sleep(RETRY_S)
                    changes.wake()
                await asyncio.sleep(self._pause_s)

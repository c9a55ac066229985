"""The one way in which a call writes: again and again until the database has it, however long it is away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from calls.errors import DatabaseAway

logger = logging.getLogger(__name__)

Written = TypeVar("Written")

PAUSES_S = (0.1, 0.2, 0.5, 1.0)  # the last one from then on: nobody waits long for a database that is back
NOTABLE_S = 1.0


class Persistence:
    """Repeats what the database could not take.

    Args:
        on_back: told for how many seconds the database was away, once it is back; a mere hiccup is not told.
    """

    def __init__(self, on_back: Callable[[float], None]) -> None:
        self._on_back = on_back
        self._away_since: float | None = None

    async def persist(self, write: Callable[[], Awaitable[Written]]) -> Written:
        """What `write` returns once it succeeds. It must bear to be repeated: an answer may be lost behind a commit."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began_at = loop.time()
            try:
                written = await write()
            except DatabaseAway as error:
                if self._away_since is None:
                    self._away_since = began_at
                    logger.warning("the database is away", extra={"error": error.why})
                await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1
            else:
                self._back(loop.time())
                return written

    def _back(self, now: float) -> None:
        if self._away_since is None:
            return
        seconds, self._away_since = now - self._away_since, None
        if seconds >= NOTABLE_S:
            logger.warning("the database is back", extra={"seconds": round(seconds, 1)})
            self._on_back(seconds)

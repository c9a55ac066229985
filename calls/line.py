"""Standing in line for one of a few places, until it is known that nobody is served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LONGEST_S = 30.0  # whoever has waited for so long waits for himself


class Line:
    """Who waits for one of `places`: as long as others are served, for that only takes time, and no longer."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._waiting: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for the length of the block; TimeoutError if the line is dissolved before there is one."""
        async with asyncio.timeout(LONGEST_S) as wait:
            self._waiting.add(wait)
            try:
                await self._places.acquire()
            finally:
                self._waiting.discard(wait)
        try:
            yield
        finally:
            self._places.release()

    def dissolve(self) -> None:
        """Send away all who wait now: it is of no use. Who comes later tries for himself."""
        now = asyncio.get_running_loop().time()
        for wait in self._waiting:
            wait.reschedule(now)
        self._waiting.clear()

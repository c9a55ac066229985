"""Standing in line for one of a few places, until it is known that nobody is served."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from calls.errors import CallroomError

LONGEST_S = 30.0  # whoever has waited for so long waits for himself


class Line:
    """Who waits for one of `places`: as long as others are served, for that only takes time, and no longer."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._waiting: set[asyncio.Timeout] = set()
        self._served_at = -math.inf

    @asynccontextmanager
    async def place(self, patience_s: float, waited: Callable[[float], None]) -> AsyncIterator[None]:
        """A place for the length of the block. `waited` is told for how many seconds before it nobody was served.

        TimeoutError if the line is dissolved before there is one, or nobody is served for `patience_s`; `waited` is
        told then too.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        async with asyncio.timeout(LONGEST_S) as wait:
            self._waiting.add(wait)
            try:
                with self._patience(wait, patience_s):
                    await self._places.acquire()
            finally:
                self._waiting.discard(wait)
                waited(clock() - max(began, self._served_at))
        try:
            yield
        except CallroomError:  # that is an answer too
            self._served_at = clock()
            raise
        else:
            self._served_at = clock()
        finally:
            self._places.release()

    def dissolve(self) -> None:
        """Send away all who wait now: it is of no use. Who comes later tries for himself."""
        now = asyncio.get_running_loop().time()
        for wait in self._waiting:
            _end(wait, now)
        self._waiting.clear()

    @contextmanager
    def _patience(self, wait: asyncio.Timeout, patience_s: float) -> Iterator[None]:
        """Within the block, end the wait once nobody was served for so long."""
        if patience_s == math.inf or not self._places.locked():
            yield
            return
        loop = asyncio.get_running_loop()
        alarm: asyncio.TimerHandle

        def look() -> None:
            nonlocal alarm
            ends_at = self._served_at + patience_s
            if ends_at > loop.time():
                alarm = loop.call_at(ends_at, look)
            else:
                _end(wait, loop.time())

        alarm = loop.call_later(patience_s, look)
        try:
            yield
        finally:
            alarm.cancel()


def _end(wait: asyncio.Timeout, now: float) -> None:
    if not wait.expired():  # just now, and who waits has not noticed yet
        wait.reschedule(now)

"""The phones that this process has called, and of which it waits to be told whether they were answered."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


class Lines:
    """Each call that was placed is followed by a task of its own; with the process that ends, but not the ringing."""

    def __init__(self) -> None:
        self._following: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["Lines"]:
        """For the length of the block."""
        lines = cls()
        try:
            yield lines
        finally:
            for task in lines._following:
                task.cancel()
            await asyncio.gather(*lines._following, return_exceptions=True)

    async def answered(self, limit_s: float) -> None:
        """Return when none of them rings any more, or after so many seconds."""
        if self._following:
            await asyncio.wait(self._following, timeout=limit_s)

    def follow(self, call: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Have `call` run to its end, whatever becomes of who asked for it."""
        task = asyncio.create_task(call, name="line")
        self._following.add(task)
        task.add_done_callback(self._following.discard)
        return task

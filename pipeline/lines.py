"""The phones that this process has called, and of which it waits to be told whether they were answered."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

Decided = TypeVar("Decided")


class Lines:
    """Each call is placed and followed by tasks of its own; with the process they end, but not the ringing."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["Lines"]:
        """For the length of the block."""
        lines = cls()
        try:
            yield lines
        finally:
            for task in lines._tasks:
                task.cancel()
            await asyncio.gather(*lines._tasks, return_exceptions=True)

    async def answered(self, limit_s: float) -> None:
        """Return when none of them is about to ring, or rings any more, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._tasks:
                    await asyncio.wait(self._tasks)

    async def place(self, call: Coroutine[Any, Any, Decided]) -> Decided:
        """What `call` returns, which decides whether a phone is called, and has that followed.

        It goes on when whoever asks is cancelled: a phone that is noted as called has to be called.
        """
        return await asyncio.shield(self._run(call, "placing"))

    def follow(self, call: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Have `call` run to its end, whatever becomes of who asked for it."""
        return self._run(call, "line")

    def _run(self, call: Coroutine[Any, Any, Decided], name: str) -> "asyncio.Task[Decided]":
        task = asyncio.create_task(call, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

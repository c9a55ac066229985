"""How long somebody waits for the database in all, over however many transactions and statements."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar


class Allowance:
    """What is left of the seconds that a piece of work may wait; without a limit it is infinite."""

    def __init__(self, left_s: float) -> None:
        self.left_s = left_s
        self._task = asyncio.current_task()

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left: that says nothing of the database."""
        return self.left_s <= 0

    def holds(self) -> bool:
        """Whether it is of the task that runs: one that goes on for itself inherits the context, and no limit."""
        return self._task is asyncio.current_task()

    def spend(self, seconds: float) -> None:
        """So much was waited."""
        self.left_s -= seconds

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Spend as long as the block takes."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            yield
        finally:
            self.spend(clock() - began)


_current: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


@asynccontextmanager
async def limit(seconds: float) -> AsyncIterator[None]:
    """Within the block, this task waits for the database no longer than that: then it raises DatabaseAway.

    What was waited in line while others were served does not count: that only takes time.
    """
    token = _current.set(Allowance(seconds))
    try:
        yield
    finally:
        _current.reset(token)


def allowance() -> Allowance:
    """What the task that runs may still wait."""
    current = _current.get()
    return current if current is not None and current.holds() else Allowance(math.inf)

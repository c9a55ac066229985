"""How long the machine ran: while it stands still, nobody can answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

TICK_S = 0.05


@asynccontextmanager
async def awake() -> AsyncIterator[Callable[[], float]]:
    """`async with awake() as ran_s`: how many seconds this process has run in the block, `ran_s()`."""
    ran: list[float] = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK_S)
            ran.append(min(time.monotonic() - before, 2 * TICK_S))

    ticking = asyncio.create_task(tick())
    yield lambda: sum(ran)
    ticking.cancel()

"""How long the machine ran: while it stands still, nobody can answer."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

TICK_S = 0.05


class RanS(Protocol):
    def __call__(self, since: float = -math.inf, until: float = math.inf) -> float: ...


@asynccontextmanager
async def awake() -> AsyncIterator[RanS]:
    """`async with awake() as ran_s`: how many seconds this process has run in the block, `ran_s()`.

    `ran_s(since, until)`: only between these two readings of `time.monotonic()`.
    """
    ran: list[tuple[float, float]] = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK_S)
            after = time.monotonic()
            ran.append((after, min(after - before, 2 * TICK_S)))

    ticking = asyncio.create_task(tick())
    yield lambda since=-math.inf, until=math.inf: sum(s for at, s in ran if since < at <= until)
    ticking.cancel()

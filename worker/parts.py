"""The parts of a running call: each has a name, and its death is seen."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from livekit.agents import utils

logger = logging.getLogger(__name__)

Run = Callable[[], Awaitable[None]]

PAUSE_S = 0.1
HEALTHY_S = 60.0  # a part that then ran for so long has overcome what it died of


def in_a_row(deaths: int, began_at: float, healthy_s: float) -> int:
    """How often in a row something has died by now: once, if it had overcome what it died of before.

    Args:
        deaths: how often before.
        began_at: when it was begun for the last time, by `time.monotonic`.
        healthy_s: for how long it must have run.
    """
    return 1 if time.monotonic() - began_at > healthy_s else deaths + 1


class Parts:
    """An ordered stack: started one after the other, stopped the other way round.

    Args:
        on_restart: told the name of a part that died and is run again.
        on_failure: told the name of a part that died and cannot be run again.
    """

    def __init__(self, on_restart: Callable[[str], None], on_failure: Callable[[str], None]) -> None:
        self._on_restart = on_restart
        self._on_failure = on_failure
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, run: Run, *, restarts: int = 3) -> None:
        """Have `run` run until it returns; when it raises, run it again, up to so many times in a row."""
        self._tasks.append(asyncio.create_task(self._supervise(name, run, restarts), name=name))

    async def stop_one(self, name: str) -> None:
        """Stop what was started under that name, before all the others."""
        named = [task for task in self._tasks if task.get_name() == name]
        self._tasks = [task for task in self._tasks if task not in named]
        await utils.aio.cancel_and_wait(*named)

    async def stop(self) -> None:
        """Stop every part, the last one first."""
        while self._tasks:
            await utils.aio.cancel_and_wait(self._tasks.pop())

    async def _supervise(self, name: str, run: Run, restarts: int) -> None:
        deaths = 0
        while True:
            began_at = time.monotonic()
            try:
                await run()
            except Exception:
                logger.exception("a part of the call died", extra={"part": name})
            else:
                return
            deaths = in_a_row(deaths, began_at, HEALTHY_S)
            if deaths > restarts:
                self._on_failure(name)
                return
            self._on_restart(name)
            await asyncio.sleep(PAUSE_S)

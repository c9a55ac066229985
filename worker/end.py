"""How a call ends, or this agent's part in it: the first reason counts, and every step is taken."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from calls.states import EndReason

logger = logging.getLogger(__name__)


class End:
    """Not there yet, or there with a reason; without one the call is another agent's from there on.

    over_at   when the call, or what this agent could do for it, was over, if that was earlier than the end was noticed
    """

    def __init__(self) -> None:
        self.over_at: datetime | None = None
        self._reason: asyncio.Future[EndReason | None] = asyncio.get_running_loop().create_future()

    @property
    def is_there(self) -> bool:
        """Whether there is a reason, or none is to come."""
        return self._reason.done()

    def come(self, reason: EndReason | None, over_at: datetime | None = None) -> None:
        """Be there, unless it is."""
        if not self._reason.done():
            self.over_at = over_at
            self._reason.set_result(reason)

    def then(self, call: Callable[[], None]) -> None:
        """Call this once it is there."""
        self._reason.add_done_callback(lambda _reason: call())

    async def wait(self) -> EndReason | None:
        """The reason, once it is there."""
        return await self._reason


class Step(NamedTuple):
    """One thing that is done at the end, within `limit_s` seconds; without a limit it is waited for."""

    name: str
    limit_s: float | None
    take: Callable[[], Awaitable[object]]


async def take_all(steps: Sequence[Step]) -> None:
    """One after the other, each of them whatever became of those before it."""
    for name, limit_s, take in steps:
        try:
            async with asyncio.timeout(limit_s):
                await take()
        except TimeoutError:
            logger.warning("a step of the call's end takes long", extra={"step": name})
        except Exception:
            logger.exception("a step of the call's end failed", extra={"step": name})

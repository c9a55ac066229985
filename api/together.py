"""What many ask for at the same moment, done for all of them at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from calls.errors import Unavailable

Asked = TypeVar("Asked")
Given = TypeVar("Given")

MOST = 100


class Together(Generic[Asked, Given]):
    """While one group is worked on, whatever is asked gathers for the next: the busier, the larger the groups.

    Args:
        work: gives what a group asked for, in its order; an exception among that is raised to who asked for it. What
            it raises itself is nobody's in particular: then each of the group is tried alone. Unavailable is
            everybody's, of those who wait for the next group too: they have waited as long.
    """

    def __init__(self, work: Callable[[Sequence[Asked]], Awaitable[Sequence[Given | Exception]]]) -> None:
        self._work = work
        self._waiting: deque[tuple[Asked, asyncio.Future[Given]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Given:
        """What was asked for, by work that began after this."""
        future: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work_off())
        return await future

    async def _work_off(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
            try:
                answers = await self._answers([asked for asked, _ in group])
            except Unavailable as error:
                group += self._waiting
                self._waiting.clear()
                answers = [error] * len(group)
            for (_asked, future), given in zip(group, answers, strict=True):
                if future.done():  # who asked is gone
                    continue
                if isinstance(given, Exception):
                    future.set_exception(given)
                else:
                    future.set_result(given)

    async def _answers(self, group: Sequence[Asked]) -> Sequence[Given | Exception]:
        try:
            return await self._work(group)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            if len(group) == 1:
                return [error]
            # At once, so that nobody waits for a database that is away as often as the group has members.
            alone = await asyncio.gather(*(self._answers([one]) for one in group))
            return [answer for answers in alone for answer in answers]

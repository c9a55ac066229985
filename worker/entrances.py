"""Whether this worker's agents get into their rooms: a line to LiveKit may be silent for long before it breaks."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from livekit.agents import utils

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.workers import leases

logger = logging.getLogger(__name__)

ENTERED_S = 3.0  # an agent that is not in its room so long after it was sent there cannot enter
PROMPT_S = 0.5
AGAIN_S = 2.0  # a database that was away is told by then what it has missed


class Entrances:
    """Shut once an agent of a claimed call could not enter, until one of an offered call has, or the line is new.

    Args:
        on_open: called when they are open again.
    """

    def __init__(self, database: Database, on_open: Callable[[], None]) -> None:
        self.are_open = True
        self._database = database
        self._on_open = on_open
        self._looks: set[asyncio.Task[None]] = set()

    def claimed(self, call_id: str, worker: str) -> None:
        """An agent of this worker is sent into the room of a call that nobody has offered."""
        self._look_at(call_id, worker, is_claimed=True)

    def offered(self, call_id: str, worker: str) -> None:
        """LiveKit offers this worker a call: if it takes that, its agent shows whether there is a way again."""
        if not self.are_open:
            self._look_at(call_id, worker, is_claimed=False)

    def open(self) -> None:
        """The line to LiveKit is new, and what became of agents before says nothing of it."""
        for look in self._looks:
            look.cancel()
        self.are_open = True
        self._on_open()

    async def stop(self) -> None:
        """Look at nothing any more."""
        await utils.aio.cancel_and_wait(*self._looks)

    def _look_at(self, call_id: str, worker: str, *, is_claimed: bool) -> None:
        look = asyncio.create_task(self._look(call_id, worker, is_claimed=is_claimed), name="entrance")
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)

    async def _look(self, call_id: str, worker: str, *, is_claimed: bool) -> None:
        await asyncio.sleep(ENTERED_S)
        entered = await self._has_entered(call_id, worker)
        if entered and not is_claimed:
            self.open()  # ends this look, too
        elif not entered and is_claimed and self.are_open:
            self.are_open = False
            logger.warning("no calls are taken before they are offered: an agent could not enter its room")

    async def _has_entered(self, call_id: str, worker: str) -> bool:
        """Whether an agent is or was in its room; asked until the database has taken writes at once, twice.

        An agent of which one that was away, or locked, does not know may be there all the same.
        """
        was_prompt = False
        while True:
            is_prompt = False
            with suppress(DatabaseAway):
                async with self._database.reading() as connection:
                    if await leases.was_entered_by(connection, call_id, worker):
                        return True
                is_prompt = await self._takes_writes(call_id)
                if is_prompt and was_prompt:
                    return False
            was_prompt = is_prompt
            await asyncio.sleep(AGAIN_S)

    async def _takes_writes(self, call_id: str) -> bool:
        began_at = asyncio.get_running_loop().time()
        async with self._database.writing() as connection:
            await leases.probe(connection, [call_id])
        return asyncio.get_running_loop().time() - began_at < PROMPT_S

"""Whether this worker's agents get into their rooms: a line to LiveKit may be silent for long before it breaks."""

import asyncio
import logging
from collections.abc import Callable

from livekit.agents import utils

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.workers import leases

logger = logging.getLogger(__name__)

ENTERED_S = 3.0  # an agent that is not in its room so long after it was sent there cannot enter


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
        try:
            async with self._database.reading() as connection:
                entered = await leases.was_entered_by(connection, call_id, worker)
        except DatabaseAway:
            return
        if entered and not is_claimed:
            self.open()  # ends this look, too
        elif not entered and is_claimed and self.are_open:
            self.are_open = False
            logger.warning("no calls are taken before they are offered: an agent could not enter its room")

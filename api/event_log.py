"""The log of events of all calls, read as it grows.

Events of different calls may become visible in another order than that of their ids. So ids that are missing are looked
for again, until no transaction can be open any more that would bring them.
"""

import time
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.tables import call_events, calls

BATCH = 1_000
MISSING_S = 15.0  # longer than a transaction can be open
MOST_MISSING = 1_000

_EVENTS = sa.select(call_events, calls.c.tenant_id).join_from(call_events, calls).order_by(call_events.c.id)

Row = sa.Row[Any]


class EventLog:
    """Reads the events of all calls as they become visible, each once."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._missing: dict[int, float] = {}  # ids -> since when they are

    @property
    def has_begun(self) -> bool:
        """Whether it knows what was before."""
        return self._last is not None

    async def begin(self, conn: AsyncConnection) -> None:
        """Take all that is visible now as read; what comes late is not."""
        last = await conn.scalar(sa.select(sa.func.max(call_events.c.id))) or 0
        self._last = max(last - MOST_MISSING, 0)
        recent = sa.select(call_events.c.id).where(call_events.c.id > self._last)
        self.note((await conn.scalars(recent.order_by(call_events.c.id))).all())

    async def read(self, conn: AsyncConnection) -> list[Row]:
        """The events that are visible and not noted, each with the `tenant_id` of its call; BATCH at most."""
        new = call_events.c.id > self._last
        query = _EVENTS.where(sa.or_(new, call_events.c.id.in_(self._missing)) if self._missing else new)
        return list((await conn.execute(query.limit(BATCH))).all())

    def forget(self) -> None:
        """Nobody wants to know any more; the next time is the first one again."""
        self._last = None
        self._missing.clear()

    def note(self, seen: Iterable[int]) -> None:
        """Take these events as read."""
        now = time.monotonic()
        assert self._last is not None
        for number in seen:
            if self._missing.pop(number, None) is None and number > self._last:
                self._missing |= dict.fromkeys(range(max(self._last + 1, number - MOST_MISSING), number), now)
                self._last = number
        late = [number for number, since in self._missing.items() if now - since > MISSING_S]
        for number in [*late, *list(self._missing)[: -MOST_MISSING or None]]:
            self._missing.pop(number, None)

"""When each key was used last: written down to a minute, and no request waits for it."""

import asyncio
from contextlib import suppress

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.tenants.keys import mark_used

EVERY_S = 60  # a key that is used all the time is a row that is written so often


class KeyUse:
    """Notes the uses of keys in this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted_at: dict[str, float] = {}
        self._unwritten: set[str] = set()
        self._writing: asyncio.Task[None] | None = None

    def note(self, key_id: str) -> None:
        """The key is used now."""
        now = asyncio.get_running_loop().time()
        if now - self._noted_at.get(key_id, -EVERY_S) < EVERY_S:
            return
        self._noted_at[key_id] = now
        self._unwritten.add(key_id)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Write what is noted; nothing any more."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _write(self) -> None:
        while self._unwritten:
            some, self._unwritten = self._unwritten, set()
            with suppress(DatabaseAway):  # then it is their next use that is noted
                async with self._database.writing() as conn:
                    await mark_used(conn, some)

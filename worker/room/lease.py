"""The right to speak in a call: held by one worker at a time, and lost by whoever does not renew it."""

import asyncio
import logging

import sqlalchemy as sa

from calls.database import Database
from calls.states import TERMINAL, CallStatus
from calls.store import CallStore

logger = logging.getLogger(__name__)

RENEWALS = 4  # so often within the lease's time: three may fail
PATIENCE = 2  # times the lease's time, for an answer


class Lease:
    """A lease that was taken with `CallStore.take_lease`, its fencing token and its length in seconds."""

    def __init__(self, database: Database, call_id: str, token: int, ttl_s: float) -> None:
        self.token = token
        self._database = database
        self._call_id = call_id
        self._ttl_s = ttl_s

    async def hold(self) -> None:
        """Renew it; return when it is lost, or when the call is over."""
        loop = asyncio.get_running_loop()
        valid_until = loop.time() + self._ttl_s
        while True:
            await asyncio.sleep(self._ttl_s / RENEWALS)
            asked_at = loop.time()
            try:
                # Longer than it lasts: on a machine that stood still, the answer may be that it is ours all the same.
                async with asyncio.timeout(PATIENCE * self._ttl_s):
                    status = await self._renew()
            except (sa.exc.SQLAlchemyError, OSError) as error:  # a TimeoutError is an OSError
                logger.warning("the lease could not be renewed", extra={"error": repr(error)})
                if loop.time() < valid_until:
                    continue
                logger.error("the lease ran out: the database did not answer in time")  # noqa: TRY400 - the error was shown
                return
            if status is None or status in TERMINAL:
                return
            valid_until = asked_at + self._ttl_s

    async def keep(self) -> None:
        """Renew it until cancelled, also after the call is over: while the last words are being written."""
        while True:
            await asyncio.sleep(self._ttl_s / RENEWALS)
            await self._renew()

    async def release(self) -> None:
        """Give it back, last of all: from now on the call's transcript and recording are complete."""
        async with self._database.writing() as connection:
            await CallStore(connection).release_lease(self._call_id, self.token)

    async def _renew(self) -> CallStatus | None:
        """The call's status, or None if the lease is another's by now."""
        async with self._database.writing() as connection:
            return await CallStore(connection).renew_lease(self._call_id, self.token, self._ttl_s)

"""A metered tenant's credits while its call runs: reserved a minute ahead, until there are none left to reserve."""

import asyncio
import logging

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.tenants.credits import keep_ahead

logger = logging.getLogger(__name__)

ASK_EVERY_S = 5.0  # so soon a running call sees who came into it, and that credits were added


async def wait_until_used_up(database: Database, call_id: str) -> bool:
    """Return when the call has spent what is reserved for it, and no more is to be had; False if nobody pays for it.

    A database that is away lets the call go on.
    """
    while True:
        lasts_s: float | None = ASK_EVERY_S
        try:
            async with database.writing() as connection:
                lasts_s = await keep_ahead(connection, call_id)
        except DatabaseAway:
            logger.warning("the call's credits are not watched: the database is away")
        if lasts_s is None:
            return False
        if lasts_s <= 0:
            return True
        await asyncio.sleep(min(lasts_s, ASK_EVERY_S))

"""Lets calls and phones have their turn: as fast as there are lines, and for batches seats of workers."""

import asyncio
import logging
import random
import time
from collections.abc import Callable

import sqlalchemy as sa

from calls.database.changes import TURNS
from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.events import EventKind
from calls.phones.lines import Limits
from calls.placing import admission
from calls.placing.admission import Holdup
from calls.settings import Settings
from calls.store import CallStore
from calls.tables import call_events, calls
from pipeline.deps import Deps
from pipeline.patience import Patience
from pipeline.runner import woken

log = logging.getLogger(__name__)

PAUSE_S = 0.15  # between two looks, whatever happens in between
IDLE_S = 5.0  # the longest pause while nobody waits, should a wake-up be missed
AFTER_ERROR_S = 1.0
GAP_S = 5.0
PATIENCE_S = 10.0  # a worker that is started again is there by then


async def admit(deps: Deps, stop: asyncio.Event) -> None:
    """Look when somebody comes, and again and again while anybody waits, until `stop` is set.

    For what is free again only after a while, nobody is woken.
    """
    desk = Desk(deps.db, deps.settings)
    stopped = asyncio.create_task(stop.wait())
    try:
        async with deps.db.changes.watch(TURNS) as watch:
            while not stop.is_set():
                waiting, pause_s = True, AFTER_ERROR_S
                try:
                    waiting, pause_s = await desk.look(), PAUSE_S
                except DatabaseAway:
                    log.warning("no call can be admitted: the database is away")
                except Exception:  # whatever it was, the next look comes
                    log.exception("the admission of calls stumbled")
                await asyncio.wait({stopped}, timeout=pause_s)
                if not waiting:
                    await woken(watch, stopped, IDLE_S)
    finally:
        stopped.cancel()


class Desk:
    """Where those who wait are called up; any number of desks may do so at once, as each tenant's lines are held.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, db: Database, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._limits = Limits.of(settings)
        self._patience = Patience(GAP_S, clock)

    async def look(self) -> bool:
        """Call up everybody whose turn it is; whether anybody had to wait."""
        due, held_up = [], []
        async with self._db.reading() as conn:
            waiting = await admission.tenants_in_wait(conn)
            for tenant_id in waiting:
                if await admission.find_turns(conn, tenant_id, self._limits):
                    due.append(tenant_id)
                elif await admission.holdup(conn, tenant_id, self._limits) is Holdup.WORKER:
                    held_up.append(tenant_id)
        random.shuffle(due)  # none has the seats before the others each time
        for tenant_id in due:
            async with self._db.writing() as conn:
                await admission.admit(conn, tenant_id, self._limits)
        self._patience.look()
        for tenant_id in held_up:
            if self._patience.unchanged_s(tenant_id) >= PATIENCE_S:
                await self._tell_of_no_worker(tenant_id)
        return bool(waiting)

    async def _tell_of_no_worker(self, tenant_id: str) -> None:
        """Note at the batch's next call, once, for what it waits."""
        async with self._db.reading() as conn:
            call_id = await admission.next_of_batch(conn, tenant_id)
            if call_id is None or await conn.scalar(_told(call_id)):
                return
        log.warning("a batch waits, for no worker is running", extra={"call_id": call_id})
        async with self._db.writing() as conn:
            await conn.execute(sa.select(calls.c.id).where(calls.c.id == call_id).with_for_update())
            if not await conn.scalar(_told(call_id)):
                message, data = "The call waits, for no worker is running", {"reason": "no_worker"}
                store = CallStore(conn)
                await store.add_event(call_id, EventKind.CALL_WAITING, "lifecycle", message, level="warning", data=data)


def _told(call_id: str) -> sa.Select[tuple[bool]]:
    return sa.select(sa.exists().where(call_events.c.call_id == call_id, call_events.c.kind == EventKind.CALL_WAITING))

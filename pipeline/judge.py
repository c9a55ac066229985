"""The judge of leases: finds agents that died, stand still or never came, and frees their calls for others."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from enum import Enum

import sqlalchemy as sa

from calls.database.engine import Database
from calls.errors import DatabaseAway, Unavailable
from calls.events import EventKind
from calls.rooms import Rooms
from calls.settings import Settings
from calls.states import LIVE
from calls.store import CallStore
from calls.tables import calls
from calls.workers import leases
from calls.workers.leases import HeldLease
from calls.workers.life import bury, kill_stopped_writer, living, outlive_connections
from pipeline.patience import Patience

log = logging.getLogger(__name__)

EVERY_S = 0.2
GAP_S = 2.0
PROMPT_S = 0.5  # a database that takes longer was locked
CHANCE = 0.3  # of a lease's time: so long before its end a suspect's database is seen to take writes
DEAD_S = 0.3  # so long a lock must have stayed free; a holder whose connection broke has it again, or answers, by then
GONE_S = 1.0  # the same of a lock that nobody saw taken since the database was away: all have to connect anew
ENTER_S = 15.0  # an agent gives up by itself before that


class Fault(Enum):
    """Why a holder loses its lease."""

    DIED = "The agent's process died"
    GONE = "The agent's process is gone"
    SILENT = "The agent shows no life"
    ABSENT = "The agent did not come into the room"


class Judge:
    """Judges every lease that is held; any number of judges may do so at once, as each revocation is guarded.

    Args:
        on_revoked: called after calls were freed.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        db: Database,
        rooms: Rooms,
        settings: Settings,
        on_revoked: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._rooms = rooms
        self._lease_s = settings.lease_s
        self._on_revoked = on_revoked
        self._clock = clock
        self._patience = Patience(GAP_S, clock)
        self._seen_alive: set[int] = set()
        self._answered: set[int] = set()  # since the last look
        self._beside: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look several times a second, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the database may be away for a while; the next look comes
                log.warning("leases could not be judged", extra={"error": type(error).__name__})
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Judge every lease once. If that fails, all counting starts anew: nobody could show life."""
        try:
            await self._look()
        except Exception:
            self._patience.forget()
            raise

    async def _look(self) -> None:
        answered, self._answered = self._answered, set()
        async with self._db.reading() as conn:
            held = await leases.held_leases(conn)
            locked = await living(conn, {lease.life for lease in held})
            keeps_locks = outlive_connections(conn)
        alive = locked | answered
        if not self._patience.look() and not keeps_locks:
            self._seen_alive.clear()
        self._seen_alive = (self._seen_alive | alive) & {lease.life for lease in held}
        if not keeps_locks:
            for lease in held:
                if lease.life in self._seen_alive - locked:
                    self._do_beside(self._ask(lease))
        judged = {lease: fault for lease in held if (fault := self._fault(lease, alive))}
        suspects = {lease: fault for lease, fault in judged.items() if fault is not Fault.DIED}
        lost: dict[HeldLease, Fault] = {lease: fault for lease, fault in judged.items() if fault is Fault.DIED}
        chances = {lease: self._chance_s(lease, fault) for lease, fault in suspects.items()}
        if suspects and (waited_s := await self._probe(suspects)) >= PROMPT_S:
            self._patience.leave_out(waited_s)  # meanwhile nobody could show life
        lost |= {lease: suspects[lease] for lease, had_s in chances.items() if had_s >= self._lease_s * CHANCE}
        if lost:
            await asyncio.gather(*(self._revoke(lease, fault) for lease, fault in lost.items()))
            self._on_revoked()  # another agent is sought first; LiveKit may take its time to put this one out

    async def _probe(self, suspects: Iterable[HeldLease]) -> float:
        """For how many seconds a renewal of these had to wait: what can be read may be locked, or take no writes."""
        began = self._clock()
        try:
            async with self._db.writing() as conn:
                await leases.probe(conn, [one.call_id for one in suspects])
        except DatabaseAway:
            await self._free_from(suspects)
            raise
        return self._clock() - began

    async def _free_from(self, suspects: Iterable[HeldLease]) -> None:
        """See whether it is one of these itself that keeps all others from writing, and will not go on."""
        async with self._db.reading() as conn:
            if kill_stopped_writer(conn, {one.life for one in suspects}):
                log.warning("an agent's process that was stopped in the middle of a write was killed")

    def _chance_s(self, lease: HeldLease, fault: Fault) -> float:
        """For how long a suspect could have shown the contrary in a database that takes writes."""
        so_far = None if fault is Fault.ABSENT else lease.renewals
        return self._patience.unchanged_s(("chance", fault, lease.call_id, lease.token), so_far)

    def _fault(self, lease: HeldLease, alive: set[int]) -> Fault | None:
        """What is wrong with a lease's holder, if something is."""
        this = (lease.call_id, lease.token)
        free_s = self._patience.unchanged_s(("life", *this), lease.life in alive)
        silent_s = self._patience.unchanged_s(("renewals", *this), lease.renewals)
        held_s = self._patience.unchanged_s(("held", *this))
        if lease.life in self._seen_alive - alive and free_s >= DEAD_S:
            return Fault.DIED
        if lease.life not in self._seen_alive and min(free_s, silent_s) >= GONE_S:
            return Fault.GONE
        if silent_s >= self._lease_s * (1 - CHANCE):
            return Fault.SILENT
        if not lease.entered and held_s >= ENTER_S - self._lease_s * CHANCE:
            return Fault.ABSENT
        return None

    async def _revoke(self, lease: HeldLease, fault: Fault) -> None:
        async with self._db.writing() as conn:
            if not await leases.revoke(conn, lease):
                return
            call = (
                await conn.execute(sa.select(calls.c.status, calls.c.room_name).where(calls.c.id == lease.call_id))
            ).one()
            if call.status in LIVE:
                store = CallStore(conn)
                data = {"reason": fault.name.lower()}
                await store.add_event(
                    lease.call_id, EventKind.AGENT_LOST, "livekit", fault.value, level="warning", data=data
                )
        bury(conn, lease.life)  # not before the commit: should that fail, the holder may live, and have its file
        log.warning("a lease was revoked", extra={"call_id": lease.call_id, "fault": fault.name.lower()})
        if call.status in LIVE:
            self._do_beside(self._put_out(call.room_name, lease.identity))

    def _do_beside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _ask(self, lease: HeldLease) -> None:
        """Ask an agent itself, through LiveKit: not the process may have ended, but its way to the database."""
        with suppress(DatabaseAway):
            async with self._db.reading() as conn:
                room_name = await conn.scalar(sa.select(calls.c.room_name).where(calls.c.id == lease.call_id))
            if room_name is not None and await self._rooms.responds(room_name, lease.identity):
                self._answered.add(lease.life)

    async def _put_out(self, room_name: str, identity: str) -> None:
        """Should the agent ever wake, nobody is to hear it."""
        with suppress(Unavailable):
            await self._rooms.remove_participant(room_name, identity)

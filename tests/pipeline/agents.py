"""The agents of one worker as far as the database goes: they take calls, show life, and let go of what is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.states import TERMINAL, EndReason
from calls.store import CallStore
from calls.tables import calls
from calls.tables import leases as lease_rows
from calls.workers import leases, seats

WORKER = "worker-1"
EVERY_S = 0.1
SIGN_S = 1.0
TALK_S = 0.2
# Calls whose room was opened, so that an agent was asked for.
_OFFERED = sa.select(calls.c.id).where(
    calls.c.dispatches > 0,
    calls.c.status.not_in(TERMINAL),
    ~sa.exists().where(lease_rows.c.call_id == calls.c.id, lease_rows.c.held),
)


class Agents:
    """As many as there are seats."""

    def __init__(self, db: Database, count: int) -> None:
        self._db = db
        self._count = count
        self._tokens: dict[str, int] = {}
        self._told_at = 0.0
        self.most_at_once = 0

    async def talk(self, room_name: str, identity: str) -> None:
        """A phone was picked up: a short conversation, until it hangs up."""
        call_id = room_name.removeprefix("call_")
        async with self._db.writing() as conn:
            await CallStore(conn).participant_joined(call_id, identity)
            await CallStore(conn).start(call_id)
        await asyncio.sleep(TALK_S)
        async with self._db.writing() as conn:
            await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop."""
        clock = asyncio.get_running_loop().time
        while not stop.is_set():
            with suppress(DatabaseAway):
                await self._look(clock())
            await asyncio.sleep(EVERY_S)

    async def _look(self, now: float) -> None:
        async with self._db.reading() as conn:
            over = list(await conn.scalars(sa.select(calls.c.id).where(self._held(), calls.c.status.in_(TERMINAL))))
            offered = list(await conn.scalars(_OFFERED.limit(self._count - len(self._tokens) + len(over))))
        sign = now - self._told_at >= SIGN_S
        if not (over or offered or sign):
            return
        async with self._db.writing() as conn:
            for call_id in over:
                await leases.release(conn, call_id, self._tokens[call_id])
            taken = {call_id: await self._take(conn, call_id) for call_id in offered}
            kept = {call_id: token for call_id, token in self._tokens.items() if call_id not in over}
            if sign:
                kept = {one: token for one, token in kept.items() if await leases.renew(conn, one, token) is not None}
            kept |= {call_id: token for call_id, token in taken.items() if token is not None}
            await seats.tell(conn, WORKER, self._count, len(kept))
        self._tokens = kept
        if sign:
            self._told_at = now
        self.most_at_once = max(self.most_at_once, len(kept))

    async def _take(self, conn: AsyncConnection, call_id: str) -> int | None:
        token = await leases.take(conn, call_id, WORKER, f"agent-{call_id}")
        if token is not None:
            await CallStore(conn).agent_joined(call_id, token)
        return token

    def _held(self) -> sa.ColumnElement[bool]:
        return calls.c.id.in_(list(self._tokens))


@asynccontextmanager
async def at_work(agents: Agents) -> AsyncIterator[None]:
    """For the length of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(agents.run(stop))
    try:
        yield
    finally:
        stop.set()  # who is cancelled while he connects to a database leaves a connection behind
        await task

"""The right to speak and write in a call: this agent's as long as it gives signs of life, or until another has it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from livekit.agents import utils
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.engine import Database
from calls.naming import participant_name
from calls.reading import read_hang_up, read_participants, read_transfer
from calls.settling import settle_segments
from calls.states import TERMINAL, CallStatus
from calls.store import CallStore
from calls.tables import PRESSED
from calls.tools.records import read_tool_calls, settle_tool_calls
from calls.transcript import read_transcript
from calls.workers import leases
from calls.workers.life import Life
from worker.room.clock import Clock
from worker.room.persistence import Persistence
from worker.room.transcript import Said

RENEWALS = 4  # so often within the lease's time: three may be late
HASTE_S = 0.1
TICKS = 5  # so often between two renewals it notes that it runs


@dataclass(frozen=True)
class Taken:
    """A call as it was when its lease was taken: its row, its transcript, what tools were asked, who is to be in it.

    broke_off_at   when the agent before this one gave its last sign of life in the conversation, if there was one
    hangs_up_at    when an agent before this one began to hang up, if nobody has taken that back
    transfer       which participant such an agent was sending elsewhere when it was lost, and since when
    """

    lease: "Lease"
    row: sa.Row[Any]
    segments: list[sa.Row[Any]]
    tool_calls: list[sa.Row[Any]]
    clock: Clock
    broke_off_at: datetime | None
    hangs_up_at: datetime | None
    people: list[sa.Row[Any]]
    transfer: tuple[str, datetime] | None

    @property
    def sent_on(self) -> tuple[str, datetime] | None:
        """The name in the room of the phone that is being sent elsewhere, and since when."""
        if self.transfer is None:
            return None
        participant_id, since = self.transfer
        return next(one.room_identity for one in self.people if one.id == participant_id), since

    @property
    def said(self) -> list[Said]:
        """What was said before, and what was pressed."""
        people = {one.id: one for one in self.people}
        return [_said(row, people.get(row.participant_id)) for row in self.segments]

    @property
    def answered(self) -> frozenset[str]:
        """The names in the room of those who were there before: browsers that came, phones that were picked up."""
        return frozenset(one.room_identity for one in self.people if one.joined_at is not None)

    @property
    def hangs_up_s(self) -> float | None:
        """The same in seconds of the call."""
        if self.hangs_up_at is None or self.row.started_at is None:
            return None
        return float((self.hangs_up_at - self.row.started_at).total_seconds())


class Lease:
    """A lease that was taken. A database that is away takes it from nobody.

    Args:
        token: what `leases.take` gave.
        ttl_s: whoever shows no life for so long has lost it.
    """

    def __init__(self, database: Database, call_id: str, token: int, ttl_s: float) -> None:
        self.token = token
        self._database = database
        self._call_id = call_id
        self._ttl_s = ttl_s
        self._life = Life(leases.life_key(call_id, token))
        self._ticked_at = asyncio.get_running_loop().time()
        self._leaving = False
        self._resting = asyncio.Event()
        self._resting.set()

    @property
    def certain(self) -> bool:
        """Whether it may be relied upon. Not by a process that stood still, until it has renewed it since.

        The call may be another's by now. A database that is away gives it to nobody.
        """
        return asyncio.get_running_loop().time() - self._ticked_at < self._ttl_s / 2

    async def hold(self, persistence: Persistence, on_over: Callable[[], None]) -> None:
        """Renew it until `leave`, also while the last words of a call are written.

        `on_over` is called when the call is over, and when the lease is lost, which ends this.
        """
        self._resting.clear()
        ticking = asyncio.create_task(self._tick(), name="tick")
        try:
            while not self._leaving:
                status = await persistence.persist(self._renew)
                if status is None or status in TERMINAL:
                    on_over()
                if status is None:
                    return
                if self.certain:
                    await self._wait_for_renewal()
        finally:
            await utils.aio.cancel_and_wait(ticking)
            self._resting.set()

    async def leave(self) -> None:
        """Have it renewed no more; returns when no renewal is under way."""
        self._leaving = True
        self._life.interrupted.set()
        await self._resting.wait()

    async def release(self, persistence: Persistence, last_sign: datetime | None = None) -> None:
        """Give it back, last of all: what this agent had to write and to record is complete.

        The conversation had this agent until `last_sign`, if that was before the last renewal.
        """
        await persistence.persist(lambda: self._release(last_sign))
        self._life.end()

    async def _tick(self) -> None:
        """Note that this process runs, unless it stood still for too long."""
        while True:
            if self.certain:
                self._ticked_at = asyncio.get_running_loop().time()
            await asyncio.sleep(self._ttl_s / RENEWALS / TICKS)

    async def _wait_for_renewal(self) -> None:
        """Until the next one is due, or the connection is lost by which others see that this agent lives.

        Not for long while they do not: a judge who sees the lock free for a moment takes that for a death.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._ttl_s / RENEWALS if self._life.shown else HASTE_S):
                await self._life.interrupted.wait()

    async def _renew(self) -> CallStatus | None:
        # Of a time after the question the answer says nothing: between the two the process may have stood still.
        asked_at = asyncio.get_running_loop().time()
        async with self._database.writing() as connection:
            await self._life.show(connection)
            status = await leases.renew(connection, self._call_id, self.token)
        self._ticked_at = max(self._ticked_at, asked_at)
        return status

    async def _release(self, last_sign: datetime | None) -> None:
        async with self._database.writing() as connection:
            await leases.release(connection, self._call_id, self.token, last_sign)


async def take(
    database: Database,
    call_id: str,
    worker: str,
    identity: str,
    ttl_s: float,
) -> Taken | None:
    """Take the lease of a call; None if another agent has it or the call is over. Raises while the database is away."""
    async with database.writing() as connection:
        token = await leases.take(connection, call_id, worker, identity)
        if token is None:
            return None
        lease = Lease(database, call_id, token, ttl_s)
        await lease._life.show(connection)  # noqa: SLF001 - its maker
        return await _take_over(connection, lease, call_id)


async def adopt(database: Database, call_id: str, token: int, ttl_s: float) -> Taken | None:
    """A call of which the worker has taken the lease for this agent.

    None if the lease was freed meanwhile, as that of an agent which shows no life, or the call is over. Raises while
    the database is away. For a call's first agent nothing is to be settled, and so nothing is written: several often
    begin at once.
    """
    lease = Lease(database, call_id, token, ttl_s)
    async with database.reading() if token == 1 else database.writing() as connection:
        # Before the look: a judge who sees that it lives frees nothing.
        await lease._life.show(connection)  # noqa: SLF001 - its maker
        if await leases.is_live(connection, call_id, token):
            if token > 1 and await leases.hold(connection, call_id, token):
                return await _take_over(connection, lease, call_id)
            if token == 1:
                row = await CallStore(connection).get(None, call_id)
                people = await read_participants(connection, call_id)
                return Taken(lease, row, [], [], Clock(moment(connection)), None, None, people, None)
    async with database.writing() as connection:
        await leases.release(connection, call_id, token)  # that of a call which is over waits for it
    lease._life.end()  # noqa: SLF001 - its maker
    return None


async def _take_over(connection: AsyncConnection, lease: Lease, call_id: str) -> Taken:
    """The call as the agents before this one have left it, with what they did not bring to its end."""
    row = await CallStore(connection).get(None, call_id)
    await settle_segments(connection, call_id)
    segments = await read_transcript(connection, call_id)
    await settle_tool_calls(connection, call_id)
    tool_calls = await read_tool_calls(connection, call_id)
    broke_off_at = None if row.started_at is None else await leases.last_sign(connection, call_id)
    hangs_up_at = await read_hang_up(connection, call_id)
    transfer = await read_transfer(connection, call_id)
    people = await read_participants(connection, call_id)
    clock = Clock(moment(connection))
    return Taken(lease, row, segments, tool_calls, clock, broke_off_at, hangs_up_at, people, transfer)


def _said(segment: sa.Row[Any], who: sa.Row[Any] | None) -> Said:
    return Said(
        segment.speaker,
        segment.text,
        None if who is None else who.room_identity,
        not segment.is_cut,
        pressed=segment.source == PRESSED,
        at_s=segment.started_at_ms / 1000,
        until_s=segment.ended_at_ms / 1000,
        name=None if who is None else participant_name(who),
    )

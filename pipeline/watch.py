"""The watcher: webhooks get lost and workers die, so every call that is not over is compared with its LiveKit room."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, assert_never

import sqlalchemy as sa
from livekit.protocol.models import ParticipantInfo
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.engine import Database
from calls.errors import CallroomError, DatabaseAway, Unavailable
from calls.events import EventKind
from calls.phones import inbound
from calls.placing import admission
from calls.recordings import egress
from calls.rooms import Rooms
from calls.settings import Settings
from calls.states import LIVE, RINGS, TERMINAL, CallStatus, EndReason, ParticipantStatus
from calls.store import CallStore
from calls.tables import call_events, calls, leases, participants
from calls.tenants.prices import price_micros
from calls.workers import seats, waiting
from calls.workers.leases import has_agent
from pipeline.deps import Deps
from pipeline.judge import Judge
from pipeline.patience import Patience
from pipeline.verdict import (
    MOST_AGENTS,
    Dispatch,
    Finish,
    History,
    KnownCall,
    Limits,
    SeenRoom,
    Verdict,
    Wait,
    Waited,
    is_urgent,
    verdict,
)

log = logging.getLogger(__name__)

EVERY_S = 1.0
HURRY_S = 0.3  # while a conversation waits for an agent
GAP_S = 30.0  # longer than a look and the pause: LiveKit is asked four things one after the other, each with a limit
ROOM_PREFIX = "call_"
# A finished call's room is closed by who finished it; one that is still open after this was forgotten.
FORGOTTEN_AFTER = timedelta(seconds=5)
WRITES_AT_ONCE = 10  # the judge writes too
LATELY = timedelta(minutes=5)  # agents that a conversation lost before say nothing of the next one

# In the words of the partial index, so that finished calls cost nothing, however many there are.
_UNFINISHED = sa.text("calls.status NOT IN ('completed', 'failed')")
_OPENED = calls.c.dispatches > 0  # its room was made: a call to phones only may wait long for that
# Nobody's is like one that was never written.
_LEASE: list[sa.ColumnElement[Any]] = [
    sa.func.coalesce(leases.c.token, 0).label("token"),
    sa.func.coalesce(leases.c.held, sa.false()).label("held"),
    *(leases.c[name] for name in ("entered", "worker", "renewed_at")),
]
_CALLS = sa.select(
    *(calls.c[name] for name in ("id", "room_name", "status", "batch_id", "dispatches", "started_at")),
    *_LEASE,
).select_from(calls.outerjoin(leases, leases.c.call_id == calls.c.id))
_LEG = ("call_id", "room_identity", "status", "joined_at", "left_at", "end_reason")
_LEGS = sa.select(*(participants.c[name] for name in _LEG))
_OF_AGENTS = frozenset(
    {
        EventKind.CALL_WAITING,  # for another turn, in which everything begins anew
        EventKind.DISPATCH_REPEATED,
        EventKind.AGENT_JOINED,
        EventKind.AGENT_ENTERING_FAILED,
        EventKind.AGENT_LOST,
    }
)
_PHONE_COMING = RINGS | {ParticipantStatus.QUEUED}
LOST_DIAL_S = 15.0  # a phone that was to be called, or rang, and is not in the room
_IN_VAIN = frozenset({EndReason.NO_AGENT, EndReason.NO_ROOM, EndReason.ROOM_DELETED})
_NOT_HUMAN = frozenset({ParticipantInfo.AGENT, ParticipantInfo.EGRESS, ParticipantInfo.INGRESS})
_PRESENT = frozenset({ParticipantInfo.JOINED, ParticipantInfo.ACTIVE})


async def watch(deps: Deps, watcher: "Watcher", stop: asyncio.Event) -> None:
    """Have it look about once a second, and whenever the judge has freed a call, until `stop` is set."""
    again = asyncio.Event()
    judging = asyncio.create_task(Judge(deps.db, deps.rooms, deps.settings, again.set).run(), name="judge")
    stopped = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            again.clear()
            try:
                async with asyncio.timeout(GAP_S):
                    await watcher.look()
            except DatabaseAway:
                watcher.forget()
                log.warning("calls cannot be watched: the database is away")
            except Exception:  # whatever it was, the next look comes
                log.exception("the watcher stumbled")
            woken = asyncio.create_task(again.wait())
            await asyncio.wait({woken, stopped}, timeout=watcher.pause_s, return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
    finally:
        stopped.cancel()
        judging.cancel()
        with suppress(asyncio.CancelledError):
            await judging


class Watcher:
    """Looks after every unfinished call; any number of watchers may do so at once, as each change is guarded."""

    def __init__(self, db: Database, rooms: Rooms, settings: Settings) -> None:
        self._db = db
        self._rooms = rooms
        self._limits = Limits.of(settings)
        self._records = settings.recorder == "egress"
        self._price_micros = price_micros(settings, "pstn")
        self._patience = Patience(GAP_S)
        self._livekit_answers = True
        self._was_away = False
        self._back_at = -math.inf
        self._looked_at = time.monotonic()
        self._writes = asyncio.Semaphore(WRITES_AT_ONCE)
        self.pause_s = EVERY_S  # until the next look

    def forget(self) -> None:
        """Give every call and every agent its time anew: while the database was away, nobody could do their part."""
        self._patience.forget()
        self._was_away = True

    async def check(self) -> None:
        """Raise Unavailable if no look has come to its end for so long that nothing is known any more."""
        if time.monotonic() - self._looked_at > GAP_S:
            raise Unavailable("Calls are not watched.")

    async def look(self) -> None:
        """Compare every unfinished call with LiveKit once, and do what is due."""
        open_rooms = await self._open_rooms()
        async with self._db.reading() as conn:
            unfinished = (await conn.execute(_CALLS.where(_UNFINISHED, _OPENED))).all()
            legs = await _participants(conn, [row.id for row in unfinished])
        others = (open_rooms or set()) - {row.room_name for row in unfinished}
        forgotten = await self._forgotten(others)
        self._patience.look()
        now = time.monotonic()
        if self._was_away:
            self._was_away, self._back_at = False, now
        back_s = now - self._back_at
        # All at once: who waits for an answer of LiveKit's keeps none of the others waiting.
        await asyncio.gather(
            *(
                self._by_itself(self._settle(row, legs.get(row.id, []), open_rooms, back_s), call_id=row.id)
                for row in unfinished
            ),
            *(self._by_itself(self._rooms.delete_room(name)) for name in forgotten),
            *(self._by_itself(self._receive(name)) for name in others if name.startswith(inbound.PREFIX)),
        )
        waiting = any(row.status == CallStatus.IN_PROGRESS and not row.held for row in unfinished)
        self.pause_s = HURRY_S if waiting else EVERY_S
        self._looked_at = time.monotonic()

    async def _by_itself(self, work: Coroutine[Any, Any, None], **which: str) -> None:
        """What cannot be settled must not keep the others from it."""
        try:
            await work
        except DatabaseAway:
            self.forget()
            log.warning("a call could not be settled: the database is away", extra=which)
        except CallroomError as error:
            log.warning("a call could not be settled", extra={**which, "error": error.code})
        except Exception:
            log.exception("a call could not be settled", extra=which)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._writes, self._db.writing() as conn:
            yield conn

    async def _open_rooms(self) -> set[str] | None:
        try:
            found = {room.name for room in await self._rooms.list_rooms()}
        except Unavailable:
            if self._livekit_answers:
                log.warning("LiveKit does not answer; only the agents' leases are watched")
            self._livekit_answers = False
            return None
        if not self._livekit_answers:
            self._patience.forget()  # while it was away, nobody could come
        self._livekit_answers = True
        return found

    async def _settle(
        self, row: sa.Row[Any], legs: list[sa.Row[Any]], open_rooms: set[str] | None, back_s: float
    ) -> None:
        waited = Waited(
            call=self._patience.unchanged_s(("call", row.id)),
            dispatch=self._patience.unchanged_s(("dispatch", row.id), row.dispatches),
            lease=self._patience.unchanged_s(("lease", row.id), (row.held, row.token)),
            agent=self._patience.unchanged_s(("agent", row.id), bool(row.held and row.entered)),
            database=back_s,
        )
        room = None if open_rooms is None else await self._see(row, legs, open_rooms, waited)
        if not isinstance(verdict(_known(row, legs, History()), room, self._limits, waited), Wait):
            await self._carry_out(row, room, waited)

    async def _see(
        self,
        row: sa.Row[Any],
        legs: list[sa.Row[Any]],
        open_rooms: set[str],
        waited: Waited,
    ) -> SeenRoom:
        """Ask LiveKit only for what decides: a conversation that waits for an agent waits for the answers too."""
        if row.room_name not in open_rooms:
            return SeenRoom(missing=self._patience.unchanged_s(("missing", row.id)))
        started = row.status == CallStatus.IN_PROGRESS
        ringing = [leg for leg in legs if leg.status in RINGS]
        if started and row.held and not ringing:
            return SeenRoom()
        listed = await self._rooms.list_participants(row.room_name)
        await self._fail_lost(row.id, ringing, {one.identity for one in listed})
        answered = {leg.room_identity for leg in legs if leg.joined_at is not None}
        humans = frozenset(one.identity for one in listed if _is_human(one, answered))
        if not row.held:  # else the agent notes who comes and goes, with the time at which it did
            await self._note_humans(row.id, legs, humans)
        ask = is_urgent(CallStatus(row.status), self._limits, waited) and not waited.dispatch_used_up
        deserted_s = self._patience.unchanged_s(("deserted", row.id), bool(humans))
        agent_coming = ask and await self._rooms.awaits_agent(row.room_name)
        return SeenRoom(humans, 0.0 if humans else deserted_s, agent_coming=agent_coming)

    async def _fail_lost(self, call_id: str, ringing: list[sa.Row[Any]], listed: set[str]) -> None:
        """Settle the phones of which nobody else tells, for whoever called them is gone, and so is the agent."""
        for leg in ringing:
            there = leg.room_identity in listed
            if self._patience.unchanged_s(("phone", leg.room_identity), there) >= LOST_DIAL_S and not there:
                async with self._writing() as conn:
                    await CallStore(conn).leg_failed(call_id, leg.room_identity, EndReason.ERROR)

    async def _note_humans(self, call_id: str, legs: list[sa.Row[Any]], humans: frozenset[str]) -> None:
        known = {leg.room_identity for leg in legs if leg.status == ParticipantStatus.JOINED}
        came, went = (humans & {leg.room_identity for leg in legs}) - known, known - humans
        if not came and not went:
            return
        async with self._writing() as conn:
            if await has_agent(conn, call_id):
                return
            store = CallStore(conn)
            for identity in sorted(came):
                await store.participant_joined(call_id, identity)
            for identity in sorted(went):
                await store.participant_left(call_id, identity)

    async def _carry_out(self, seen: sa.Row[Any], room: SeenRoom | None, waited: Waited) -> None:
        """Decide again on the locked row, so that an agent which came meanwhile is not overlooked, and act on it."""
        async with self._writing() as conn:
            # First the locks, then a look: one statement for both would show the lease as it was before the wait.
            await waiting.hold(conn, seen.id)
            await conn.execute(sa.select(calls.c.id).where(calls.c.id == seen.id).with_for_update())
            row = (await conn.execute(_CALLS.where(calls.c.id == seen.id, calls.c.status.in_(LIVE)))).first()
            if row is None or (row.dispatches, row.held, row.token) != (seen.dispatches, seen.held, seen.token):
                return
            legs = (await _participants(conn, [row.id])).get(row.id, [])
            free = await seats.free(conn)  # when one is kept for it, as for all that wait
            known = _known(row, legs, await _history(conn, row.id), has_seat=free is not None and free >= 0)
            decided = verdict(known, room, self._limits, waited)
            sends_back = _has_time(row, legs, decided)
            if not sends_back:
                await self._record(conn, row, decided)
        if sends_back:
            await self._send_back(row)
            return
        match decided:
            case Finish():
                await self._rooms.delete_room(row.room_name)
            case Dispatch(elsewhere=elsewhere):
                await self._rooms.dispatch_agent(row.room_name, row.id, avoid=row.worker if elsewhere else None)
            case Wait():
                pass
            case _:
                assert_never(decided)

    async def _record(self, conn: AsyncConnection, row: sa.Row[Any], decided: Verdict) -> None:
        if isinstance(decided, Finish):
            if decided.hopeless:
                message = f"{MOST_AGENTS} agents were lost in a short time; no other one is asked for"
                data = {"agents": MOST_AGENTS}
                store = CallStore(conn)
                await store.add_event(row.id, EventKind.AGENT_GIVEN_UP, "livekit", message, level="error", data=data)
            # A conversation was over when its agent gave the last sign of life, not when somebody noticed.
            over_at = row.renewed_at if row.status == CallStatus.IN_PROGRESS else None
            await CallStore(conn, over_at).finish(row.id, decided.reason)
        elif isinstance(decided, Dispatch):
            number = row.dispatches + 1
            await conn.execute(calls.update().where(calls.c.id == row.id).values(dispatches=number))
            await waiting.tell(conn, [row.id], elsewhere=decided.elsewhere)
            if decided.reminder:
                return
            message = f"No agent is in the room; dispatch {number}"
            data = {"dispatch": number}
            store = CallStore(conn)
            await store.add_event(row.id, EventKind.DISPATCH_REPEATED, "livekit", message, level="warning", data=data)

    async def _send_back(self, row: sa.Row[Any]) -> None:
        """Let it wait for another turn; first its room is closed, for in the next one it is made again."""
        await self._rooms.delete_room(row.room_name)
        async with self._writing() as conn:
            if await admission.send_back(conn, row.id):
                message, data = "No agent has come; the call waits for another turn", {"reason": "no_agent"}
                store = CallStore(conn)
                await store.add_event(row.id, EventKind.CALL_WAITING, "livekit", message, level="warning", data=data)

    async def _receive(self, name: str) -> None:
        """Write the call of a phone that no worker has seen, for which then an agent is asked for, or refuse it."""
        incoming = await inbound.find_incoming(self._rooms, name)
        if incoming is None:
            return
        async with self._writing() as conn:
            call_id = await inbound.receive(conn, incoming, self._price_micros)
            if call_id is not None:
                await waiting.tell(conn, [call_id])
                if self._records:
                    await egress.ask_if_due(conn, call_id)
        if call_id is None:
            await self._rooms.delete_room(name)

    async def _forgotten(self, names: set[str]) -> Sequence[str]:
        """Those of these rooms whose calls are over."""
        ours = [name for name in names if name.startswith((ROOM_PREFIX, inbound.PREFIX))]
        if not ours:
            return []
        async with self._db.reading() as conn:
            over = sa.select(calls.c.room_name).where(
                calls.c.room_name.in_(ours),
                calls.c.status.in_(TERMINAL),
                calls.c.ended_at < moment(conn) - FORGOTTEN_AFTER,
            )
            return (await conn.scalars(over)).all()


def _has_time(row: sa.Row[Any], legs: list[sa.Row[Any]], decided: Verdict) -> bool:
    """Whether a call of a batch would fail for want of a seat, and can wait: there will be others."""
    in_vain = isinstance(decided, Finish) and decided.reason in _IN_VAIN
    undialled = all(leg.status == ParticipantStatus.QUEUED for leg in legs)
    return in_vain and undialled and row.batch_id is not None and not row.held


def _is_human(one: ParticipantInfo, answered: Collection[str]) -> bool:
    """A browser is there once it is in the room, a phone once somebody has picked it up.

    What a phone says of itself may be old: after a restart of LiveKit it is what it was in the beginning.
    """
    picked_up = one.identity in answered or one.attributes.get("sip.callStatus") == "active"
    if one.kind == ParticipantInfo.SIP and not picked_up:
        return False
    return one.kind not in _NOT_HUMAN and one.state in _PRESENT


async def _participants(conn: AsyncConnection, call_ids: list[str]) -> dict[str, list[sa.Row[Any]]]:
    found: dict[str, list[sa.Row[Any]]] = {}
    query = _LEGS.where(participants.c.call_id.in_(call_ids))
    for row in await conn.execute(query) if call_ids else ():
        found.setdefault(row.call_id, []).append(row)
    return found


async def _history(conn: AsyncConnection, call_id: str) -> History:
    kind, at = call_events.c.kind, call_events.c.created_at
    query = sa.select(kind, at).where(call_events.c.call_id == call_id, kind.in_(_OF_AGENTS)).order_by(call_events.c.id)
    events = (await conn.execute(query)).all()
    waited = max((index for index, event in enumerate(events, 1) if event.kind == EventKind.CALL_WAITING), default=0)
    events = events[waited:]
    lately = moment(conn) - LATELY
    return History(
        lately=sum(event.kind == EventKind.AGENT_JOINED and event.created_at > lately for event in events),
        asked=1 + sum(event.kind == EventKind.DISPATCH_REPEATED for event in events),
        awaited=not events or events[-1].kind == EventKind.DISPATCH_REPEATED,
    )


def _known(row: sa.Row[Any], legs: list[sa.Row[Any]], history: History, *, has_seat: bool = False) -> KnownCall:
    return KnownCall(
        status=CallStatus(row.status),
        dispatches=row.dispatches,
        agents=row.token,
        history=history,
        held=bool(row.held),
        has_seat=has_seat,
        entered=bool(row.entered),
        awaits_phone=any(leg.status in _PHONE_COMING for leg in legs),
        ever_joined=any(leg.joined_at is not None for leg in legs),
        anybody_here=any(leg.status == ParticipantStatus.JOINED for leg in legs) or _was_last_lost(legs),
    )


def _was_last_lost(legs: list[sa.Row[Any]]) -> bool:
    """Whether the last who was there is gone without having been seen to go."""
    gone = [leg for leg in legs if leg.status == ParticipantStatus.LEFT and leg.left_at is not None]
    return bool(gone) and max(gone, key=lambda leg: leg.left_at).end_reason == EndReason.CONNECTION_LOST

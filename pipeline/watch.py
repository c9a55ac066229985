"""The watcher: webhooks get lost and workers die, so every call that is not over is compared with its LiveKit room."""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, assert_never

import sqlalchemy as sa
from livekit.protocol.models import ParticipantInfo
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database import Database
from calls.errors import CallroomError, Unavailable
from calls.rooms import Rooms
from calls.settings import Settings
from calls.states import LIVE, TERMINAL, CallStatus, ParticipantStatus
from calls.store import CallStore
from calls.tables import calls, now, participants
from pipeline.deps import Deps
from pipeline.verdict import Dispatch, Finish, KnownCall, Limits, SeenRoom, Verdict, Wait, verdict

log = logging.getLogger(__name__)

EVERY_S = 1.0
ROOM_PREFIX = "call_"
# A finished call's room is closed by who finished it; one that is still open after this was forgotten.
FORGOTTEN_AFTER = timedelta(seconds=5)
AT_ONCE = 10

# In the words of the partial index, so that finished calls cost nothing, however many there are.
_UNFINISHED = sa.text("calls.status NOT IN ('completed', 'failed')")
_PHONE_COMING = frozenset({ParticipantStatus.QUEUED, ParticipantStatus.DIALING, ParticipantStatus.RINGING})
_NOT_HUMAN = frozenset({ParticipantInfo.AGENT, ParticipantInfo.EGRESS, ParticipantInfo.INGRESS})
_PRESENT = frozenset({ParticipantInfo.JOINED, ParticipantInfo.ACTIVE})


async def watch(deps: Deps, stop: asyncio.Event) -> None:
    """Look about once a second, until `stop` is set."""
    watcher = Watcher(deps.db, deps.rooms, deps.settings)
    while not stop.is_set():
        try:
            await watcher.look()
        except Exception:  # the database may be away for a while; the next look comes
            log.exception("the watcher stumbled")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY_S)


class Watcher:
    """Looks after every unfinished call; any number of watchers may do so at once, as each change is guarded."""

    def __init__(self, db: Database, rooms: Rooms, settings: Settings) -> None:
        self._db = db
        self._rooms = rooms
        self._limits = Limits.of(settings)
        self._missing: dict[str, datetime] = {}
        self._livekit_answers = True

    async def look(self) -> None:
        """Compare every unfinished call with LiveKit once, and do what is due."""
        open_rooms = await self._open_rooms()
        async with self._db.reading() as conn:
            unfinished = (await conn.execute(sa.select(calls).where(_UNFINISHED))).all()
            legs = await _participants(conn, [row.id for row in unfinished])
        self._note_missing({row.room_name for row in unfinished}, open_rooms)
        places = asyncio.Semaphore(AT_ONCE)

        async def settle(row: sa.Row[Any]) -> None:
            async with places:
                await self._settle(row, legs.get(row.id, []), open_rooms)

        await asyncio.gather(*(settle(row) for row in unfinished))
        if open_rooms is not None:
            await self._close_forgotten(open_rooms - {row.room_name for row in unfinished})

    async def _open_rooms(self) -> set[str] | None:
        try:
            found = {room.name for room in await self._rooms.list_rooms()}
        except Unavailable:
            if self._livekit_answers:
                log.warning("LiveKit does not answer; only the agents' leases are watched")
            self._livekit_answers = False
            return None
        self._livekit_answers = True
        return found

    def _note_missing(self, wanted: set[str], open_rooms: set[str] | None) -> None:
        moment = now()
        missing = set() if open_rooms is None else wanted - open_rooms
        self._missing = {name: self._missing.get(name, moment) for name in missing}

    async def _settle(self, row: sa.Row[Any], legs: list[sa.Row[Any]], open_rooms: set[str] | None) -> None:
        try:
            room = None if open_rooms is None else await self._see(row, legs)
            if not isinstance(verdict(_known(row, legs), room, self._limits, now()), Wait):
                await self._carry_out(row, room)
        except CallroomError as error:
            log.warning("a call could not be settled", extra={"call_id": row.id, "error": str(error)})
        except Exception:  # one call that cannot be settled must not keep the others waiting
            log.exception("a call could not be settled", extra={"call_id": row.id})

    async def _see(self, row: sa.Row[Any], legs: list[sa.Row[Any]]) -> SeenRoom:
        """Ask who is in the room only where that decides: before the start, and if anybody can be in it yet."""
        # A phone's room is made when it is dialled: until then nothing is missing.
        only_queued_phones = row.status == CallStatus.QUEUED and all(leg.transport == "pstn" for leg in legs)
        missing_since = None if only_queued_phones else self._missing.get(row.room_name)
        if missing_since is not None or row.status == CallStatus.IN_PROGRESS or only_queued_phones:
            return SeenRoom(missing_since=missing_since)
        listed = await self._rooms.list_participants(row.room_name)
        humans = frozenset(one.identity for one in listed if _is_human(one))
        await self._note_humans(row.id, legs, humans)
        return SeenRoom(humans)

    async def _note_humans(self, call_id: str, legs: list[sa.Row[Any]], humans: frozenset[str]) -> None:
        known = {leg.identity for leg in legs if leg.status == ParticipantStatus.JOINED}
        came, went = (humans & {leg.identity for leg in legs}) - known, known - humans
        if not came and not went:
            return
        async with self._db.writing() as conn:
            store = CallStore(conn)
            for identity in sorted(came):
                await store.participant_joined(call_id, identity)
            for identity in sorted(went):
                await store.participant_left(call_id, identity)

    async def _carry_out(self, seen: sa.Row[Any], room: SeenRoom | None) -> None:
        """Decide again on the locked row, so that an agent which came meanwhile is not overlooked, and act on it."""
        async with self._db.writing() as conn:
            locked = sa.select(calls).where(calls.c.id == seen.id, calls.c.status.in_(LIVE)).with_for_update()
            row = (await conn.execute(locked)).first()
            if row is None:
                return
            legs = (await _participants(conn, [row.id])).get(row.id, [])
            decided = verdict(_known(row, legs), room, self._limits, now())
            await self._record(conn, row, decided)
        match decided:
            case Finish():
                await self._rooms.delete_room(row.room_name)
            case Dispatch():
                await self._rooms.dispatch_agent(row.room_name, row.id)
            case Wait():
                pass
            case _:
                assert_never(decided)

    async def _record(self, conn: AsyncConnection, row: sa.Row[Any], decided: Verdict) -> None:
        store = CallStore(conn)
        if isinstance(decided, Finish):
            await store.finish(row.id, decided.reason)
        elif isinstance(decided, Dispatch):
            again = calls.update().where(calls.c.id == row.id)
            await conn.execute(again.values(dispatches=row.dispatches + 1, dispatched_at=now()))
            message = f"No agent joined in time; dispatch {row.dispatches + 1} of {self._limits.dispatches}"
            await store.add_event(row.id, "livekit", message, level="warning")

    async def _close_forgotten(self, names: set[str]) -> None:
        ours = [name for name in names if name.startswith(ROOM_PREFIX)]
        over = sa.select(calls.c.room_name).where(
            calls.c.room_name.in_(ours),
            calls.c.status.in_(TERMINAL),
            calls.c.ended_at < now() - FORGOTTEN_AFTER,
        )
        if not ours:
            return
        async with self._db.reading() as conn:
            forgotten = (await conn.scalars(over)).all()
        for name in forgotten:
            await self._rooms.delete_room(name)


def _is_human(one: ParticipantInfo) -> bool:
    """A browser is there once it is in the room, a phone once somebody has picked it up."""
    if one.kind == ParticipantInfo.SIP and one.attributes.get("sip.callStatus") != "active":
        return False
    return one.kind not in _NOT_HUMAN and one.state in _PRESENT


async def _participants(conn: AsyncConnection, call_ids: list[str]) -> dict[str, list[sa.Row[Any]]]:
    found: dict[str, list[sa.Row[Any]]] = {}
    query = sa.select(participants).where(participants.c.call_id.in_(call_ids))
    for row in await conn.execute(query) if call_ids else ():
        found.setdefault(row.call_id, []).append(row)
    return found


def _known(row: sa.Row[Any], legs: list[sa.Row[Any]]) -> KnownCall:
    return KnownCall(
        status=CallStatus(row.status),
        created_at=row.created_at,
        dispatched_at=row.dispatched_at or row.created_at,
        dispatches=row.dispatches,
        lease_until=row.lease_until,
        awaits_phone=any(leg.status in _PHONE_COMING for leg in legs),
        ever_joined=any(leg.joined_at is not None for leg in legs),
    )

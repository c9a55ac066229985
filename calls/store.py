"""The call as a row: every transition is one guarded change with its event, in the caller's transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import ending, jobs, legs, usage
from calls.closing import close
from calls.counts import count
from calls.database.changes import CALLS, TURNS, mark
from calls.database.clock import moment
from calls.errors import NotFound
from calls.events import EventKind
from calls.latency import Turn, write_turns
from calls.placing import admission, batches
from calls.placing.creation import NewCall, NewParticipant, create_calls, insert_participants
from calls.states import (
    PARTICIPANT_PRESENT,
    RINGS,
    SOURCES,
    TERMINAL,
    CallStatus,
    EndReason,
    ParticipantStatus,
)
from calls.tables import call_events, calls, participants
from calls.tenants import webhooks
from calls.tenants.credits import charge, keep_ahead, reserve
from calls.tools.records import Outcome, ToolCall, ToolCallStatus, begin_tool_call, end_tool_call
from calls.usage import Place
from calls.workers import leases

# What every call runs is built once: SQLAlchemy takes longer to build a statement than the database to run it.
_INSERT_EVENT = sa.insert(call_events)
_THIS_CALL = calls.c.id == sa.bindparam("call_id")
_GET = sa.select(calls).where(_THIS_CALL)
_HOLD = sa.select(calls.c.ended_at).where(_THIS_CALL).with_for_update()
_LOCK = sa.select(calls).where(_THIS_CALL).with_for_update()
_NAMED = (participants.c.id, participants.c.transport, participants.c.identity)


class CallStore:
    """The verbs of a call on one open transaction; whoever changes no row lost the race and does nothing.

    An agent may come to write down only after the end of the call what happened before it, as when the database was
    away and whoever ended the call came first: that it began, and who came and went, is written all the same.

    Args:
        connection: the open transaction.
        at: when that happened which the verbs write down, in the database's time; without it, now.
    """

    def __init__(self, connection: AsyncConnection, at: datetime | None = None) -> None:
        self._connection = connection
        self._at = at or moment(connection)

    async def create(self, call: NewCall) -> list[sa.Row[Any]]:
        """Write the call with its participants and their dial jobs; return the participants' rows in order."""
        return (await create_calls(self._connection, [call]))[call.id]

    async def add_participants(
        self,
        tenant_id: str,
        call_id: str,
        new: list[NewParticipant],
    ) -> list[sa.Row[Any]] | None:
        """Add participants to a call that is not over; None if it is. PaymentRequired if there are no credits left."""
        row = await self._lock(call_id)
        if row.status in TERMINAL:
            return None
        reserved = await reserve(self._connection, tenant_id, sum(one.price_micros_per_minute for one in new))
        await self._update(
            call_id,
            participant_count=row.participant_count + len(new),
            reserved_micros=row.reserved_micros + reserved,
        )
        if not all(one.is_phone for one in new):
            await admission.let_in(self._connection, row)
        places = [(call_id, position, one) for position, one in enumerate(new, row.participant_count)]
        added = await insert_participants(self._connection, tenant_id, places, {call_id: row.created_at})
        message = f"{len(new)} participant(s) added"
        data = {"participant_ids": [row.id for row in added]}
        await self.add_event(call_id, EventKind.PARTICIPANTS_ADDED, "lifecycle", message, data=data)
        if await leases.has_entered(self._connection, call_id):
            await self._dial(call_id)
        return added

    async def get(self, tenant_id: str | None, call_id: str) -> sa.Row[Any]:
        """The call's row; NotFound if it is not there or, with a `tenant_id`, not that tenant's."""
        row = (await self._connection.execute(_GET, {"call_id": call_id})).one_or_none()
        if row is None or tenant_id not in (None, row.tenant_id):
            raise NotFound("Call not found.")
        return row

    async def hold(self, call_id: str) -> sa.Row[Any]:
        """The call's row, which nobody else changes until the commit."""
        return await self._lock(call_id)

    async def agent_joined(self, call_id: str, token: int) -> None:
        """Note that the agent that holds the call's lease is in the room: now phones may ring."""
        await leases.enter(self._connection, call_id, token)
        await self.add_event(call_id, EventKind.AGENT_JOINED, "livekit", "Agent joined")
        await self._dial(call_id)

    async def dialing(self, call_id: str, participant_id: str) -> bool:
        """Note that a phone is about to be called, now: whoever gets True calls it, once and for all.

        False if the call is over, or the phone is not queued any more.
        """
        row = await self._lock(call_id)
        if row.status in TERMINAL:
            return False
        queued = (participants.c.id == participant_id, participants.c.status == ParticipantStatus.QUEUED)
        moved = await self._connection.execute(
            sa.update(participants)
            .where(*queued)
            .values(status=ParticipantStatus.DIALING, dialed_at=moment(self._connection)),
        )
        if not moved.rowcount:
            return False
        data = {"participant_id": participant_id}
        await self.add_event(call_id, EventKind.LEG_DIALING, "telephony", "Phone is called", data=data)
        return True

    async def ringing(self, call_id: str, room_identity: str) -> bool:
        """Note that a phone rings; with the first one, so does the call."""
        row = await self._lock(call_id)
        dialled = (*_whose(call_id, room_identity), participants.c.status == ParticipantStatus.DIALING)
        moved = await self._connection.execute(
            sa.update(participants)
            .where(*dialled)
            .values(status=ParticipantStatus.RINGING)
            .returning(participants.c.id),
        )
        participant_id = moved.scalar_one_or_none()
        if row.status in TERMINAL or participant_id is None:
            return False
        data = {"participant_id": participant_id}
        if not await self._move(
            row, CallStatus.RINGING, EventKind.LEG_RINGING, "Phone is ringing", "telephony", data=data
        ):
            await self.add_event(call_id, EventKind.LEG_RINGING, "telephony", "Phone is ringing", data=data)
        return True

    async def participant_joined(self, call_id: str, room_identity: str) -> bool:
        """Note that a participant is in the room.

        False if it was already, if the call was over, or if it is a phone that was given up, and is called again.
        """
        over_at = await self._hold(call_id)
        if over_at is not None and over_at < self._at:
            return False
        joined = await self._connection.execute(
            sa.update(participants)
            .where(*_whose(call_id, room_identity))
            .where(~_is_here(over_at), ~_was_replaced())
            .values(
                status=ParticipantStatus.JOINED if over_at is None else ParticipantStatus.LEFT,
                joined_at=sa.func.coalesce(participants.c.joined_at, self._at),
                left_at=over_at,
                end_reason=None,
            )
            .returning(*_NAMED),
        )
        row = joined.one_or_none()
        if row is None:
            return False
        kind, source, message = {
            "pstn": (EventKind.LEG_ANSWERED, "telephony", "PSTN leg connected"),
            "webrtc": (EventKind.PARTICIPANT_JOINED, "livekit", "Participant joined"),
        }[row.transport]
        await legs.come(self._connection, row.id, self._at, over_at)
        if over_at is not None:
            await self._bill_again(call_id)
        await self.add_event(call_id, kind, source, message, data=_whom(row))
        return True

    async def participant_left(
        self,
        call_id: str,
        room_identity: str,
        *,
        status: ParticipantStatus = ParticipantStatus.LEFT,
        reason: EndReason | None = None,
        data: dict[str, Any] | None = None,
    ) -> bool:
        """Note that a participant is gone, or failed with what `data` tells of that; False if it was known."""
        over_at = await self._hold(call_id)
        if over_at is not None and over_at <= self._at:
            return False
        expected = participants.c.status.in_(PARTICIPANT_PRESENT) if over_at is None else _is_here(over_at)
        left = await self._connection.execute(
            sa.update(participants)
            .where(*_whose(call_id, room_identity))
            .where(expected)
            .values(status=status, left_at=self._not_before(participants.c.joined_at), end_reason=reason)
            .returning(*_NAMED),
        )
        row = left.one_or_none()
        if row is None:
            return False
        await legs.go(self._connection, row.id, self._at, over_at)
        failed = status is ParticipantStatus.FAILED
        if over_at is not None:
            await self._bill_again(call_id)
        elif failed:
            await keep_ahead(self._connection, call_id, self._at)  # of its minute nothing will be spent
        phone = row.transport == "pstn"
        if phone:
            mark(self._connection, TURNS)
        if phone and failed:
            await self._call_off_dials(call_id)
        kind, message = {
            (True, True): (EventKind.LEG_FAILED, f"PSTN leg failed: {reason}"),
            (True, False): (EventKind.PARTICIPANT_FAILED, f"Participant failed: {reason}"),
            (False, True): (EventKind.LEG_ENDED, "PSTN leg ended"),
            (False, False): (EventKind.PARTICIPANT_LEFT, "Participant left"),
        }[failed, phone]
        await self.add_event(
            call_id,
            kind,
            "telephony" if phone else "livekit",
            message,
            level="error" if failed else "info",
            data=_whom(row) | ({"reason": reason} if reason else {}) | (data or {}),
        )
        return True

    async def leg_failed(
        self,
        call_id: str,
        room_identity: str,
        reason: EndReason,
        data: dict[str, Any] | None = None,
    ) -> bool:
        """Note that a phone was not reached; False if that was known, or it was answered.

        With the last one of a call in which nobody else is, was or may still come, the call fails for the same reason.
        """
        # The call's row first: of two that fail at once, the second sees the first.
        row = await self._lock(call_id)
        waits = participants.c.status.in_(RINGS | {ParticipantStatus.QUEUED})
        query = sa.select(sa.exists().where(*_whose(call_id, room_identity), waits))
        if row.status in TERMINAL or not await self._connection.scalar(query):
            return False
        failed = ParticipantStatus.FAILED
        await self.participant_left(call_id, room_identity, status=failed, reason=reason, data=data)
        somebody = sa.exists().where(
            participants.c.call_id == call_id,
            sa.or_(participants.c.status.in_(PARTICIPANT_PRESENT), participants.c.joined_at.is_not(None)),
        )
        if not await self._connection.scalar(sa.select(somebody)):
            await self.finish(call_id, reason)
        return True

    async def awaits_phone(self, call_id: str) -> bool:
        """Whether a phone is still to be called, or rings."""
        coming = participants.c.status.in_(RINGS | {ParticipantStatus.QUEUED})
        query = sa.select(sa.exists().where(participants.c.call_id == call_id, coming))
        return bool(await self._connection.scalar(query))

    async def others_left(self, call_id: str, present: Collection[str]) -> None:
        """Note that of those who were in the room only those of these names there still are."""
        await self._hold(call_id)
        joined = (
            sa.select(participants.c.room_identity)
            .where(participants.c.call_id == call_id, participants.c.status == ParticipantStatus.JOINED)
            .where(participants.c.room_identity.not_in(present))
            .order_by(participants.c.position)
        )
        for room_identity in (await self._connection.scalars(joined)).all():
            await self.participant_left(call_id, room_identity)

    async def start(self, call_id: str) -> bool:
        """The first human and the agent are both in the room: the call's zero for segments, recording and billing."""
        row = await self._lock(call_id)
        kind, message = EventKind.CALL_STARTED, "Call started"
        ended = None
        if row.status in TERMINAL:
            if row.started_at is not None or row.ended_at < self._at:
                return False
            await self._start_after_its_end(row)
            await self.add_event(call_id, kind, "lifecycle", message)
            ended = (await self.get(None, call_id)).status
        elif not await self._move(row, CallStatus.IN_PROGRESS, kind, message, "lifecycle", started_at=self._at):
            return False
        await webhooks.announce(self._connection, call_id, "call.started")
        if ended is not None:  # what was told of its end knew neither of this nor of the bill
            await webhooks.announce(self._connection, call_id, f"call.{ended}")
        return True

    async def finish(self, call_id: str, reason: EndReason) -> bool:
        """End the call and bill it; of several at once exactly one gets True.

        What comes after it is queued here too, or by the agent that still writes, when it releases the call.
        """
        row = await self._lock(call_id)
        if row.status in TERMINAL:
            return False
        # The last sign of life may be older than its beginning.
        at = self._at = max(self._at, row.started_at or self._at)
        await legs.all_go(self._connection, call_id, at)
        cost = await legs.bill(self._connection, call_id, row.started_at, at)
        await charge(self._connection, row.tenant_id, cost, released=row.reserved_micros)
        account = ending.account(row, reason, row.started_at, at)
        status = account.pop("status")
        await self._move(
            row,
            status,
            EventKind.CALL_FAILED if status is CallStatus.FAILED else EventKind.CALL_COMPLETED,
            f"Call {status}: {reason}",
            "lifecycle",
            level="error" if status is CallStatus.FAILED else "info",
            data={"reason": reason},
            end_reason=reason,
            ended_at=at,
            cost_micros=cost,
            reserved_micros=0,
            **account,
        )
        await usage.count_call(
            self._connection, Place.of(row), status, reason, calls=1, seconds=account["bill_duration"], micros=cost
        )
        await ending.dismiss_participants(self._connection, call_id, status, reason, at)
        await self._call_off_dials(call_id)
        await ending.expect_recording(self._connection, row, status)
        await webhooks.announce(self._connection, call_id, f"call.{status}")
        await close(self._connection, call_id)
        if row.batch_id is not None:
            await batches.call_ended(self._connection, row.tenant_id, row.batch_id)
        return True

    async def add_event(
        self,
        call_id: str,
        kind: EventKind,
        source: str,
        message: str,
        *,
        level: str = "info",
        data: dict[str, Any] | None = None,
    ) -> None:
        """Write one row of the call's event log; `source` is lifecycle, post_call, telephony or livekit.

        Holds the call's row until the commit: events become visible in the order of their ids, so that nobody who
        follows the log misses one.
        """
        await self._hold(call_id)
        mark(self._connection, CALLS)
        event = {"call_id": call_id, "kind": kind, "level": level, "source": source, "message": message, "data": data}
        await self._connection.execute(_INSERT_EVENT, {**event, "created_at": self._at})

    async def add_participant_event(
        self,
        call_id: str,
        room_identity: str,
        kind: EventKind,
        source: str,
        message: str,
        *,
        level: str = "info",
        data: dict[str, Any] | None = None,
    ) -> None:
        """Write into the call's event log what happened to one of its participants."""
        await self._hold(call_id)
        whose = sa.select(participants.c.id).where(*_whose(call_id, room_identity))
        about = {"participant_id": await self._connection.scalar(whose)} | (data or {})
        await self.add_event(call_id, kind, source, message, level=level, data=about)

    async def add_turn(self, call_id: str, turn: Turn) -> None:
        """Write down how long one of the agent's turns was waited for."""
        await write_turns(self._connection, call_id, [turn])

    async def begin_tool_call(self, call_id: str, made: ToolCall) -> None:
        """Write down a call of one of the agent's tools, before it is made."""
        await begin_tool_call(self._connection, call_id, made)
        about = {"id": made.id, "name": made.name}
        await self.add_event(call_id, EventKind.TOOL_CALLED, "lifecycle", "A tool was called", data=about)

    async def end_tool_call(self, call_id: str, made: ToolCall, outcome: Outcome, why: str | None) -> None:
        """Write down what came of it; `why` it failed is said without what was said in the call."""
        await end_tool_call(self._connection, made.id, outcome)
        about = {"id": made.id, "name": made.name, "duration_ms": outcome.duration_ms}
        if outcome.status is ToolCallStatus.COMPLETED:
            await self.add_event(call_id, EventKind.TOOL_ANSWERED, "lifecycle", "A tool has answered", data=about)
        else:
            told: dict[str, Any] = {"level": "warning", "data": {**about, "error": why}}
            await self.add_event(call_id, EventKind.TOOL_FAILED, "lifecycle", "A tool failed", **told)

    def _not_before(self, joined_at: sa.ColumnElement[datetime]) -> sa.ColumnElement[datetime]:
        at = sa.literal(self._at, joined_at.type)
        return sa.case((joined_at > at, joined_at), else_=at)

    async def _hold(self, call_id: str) -> datetime | None:
        """When the call was over, if it is."""
        # Always the call before its participants: who takes them the other way round may wait for ever.
        over_at: datetime | None = await self._connection.scalar(_HOLD, {"call_id": call_id})
        return over_at

    async def _lock(self, call_id: str) -> sa.Row[Any]:
        row = (await self._connection.execute(_LOCK, {"call_id": call_id})).one_or_none()
        if row is None:
            raise NotFound("Call not found.")
        return row

    async def _update(self, call_id: str, **values: object) -> None:
        await self._connection.execute(sa.update(calls).where(calls.c.id == call_id).values(values))

    async def _move(
        self,
        row: sa.Row[Any],
        to: CallStatus,
        kind: EventKind,
        message: str,
        source: str,
        *,
        level: str = "info",
        data: dict[str, Any] | None = None,
        **values: object,
    ) -> bool:
        moved = await self._connection.execute(
            sa.update(calls)
            .where(calls.c.id == row.id, calls.c.status == row.status, calls.c.status.in_(SOURCES[to]))
            .values(status=to, **values),
        )
        if not moved.rowcount:
            return False
        await count(self._connection, row.tenant_id, row.agent_id, {row.status: -1, to: 1})
        await self.add_event(row.id, kind, source, message, level=level, data=data)
        return True

    async def _start_after_its_end(self, row: sa.Row[Any]) -> None:
        account = ending.account(row, EndReason(row.end_reason), self._at, row.ended_at)
        await self._update(row.id, started_at=self._at, **account)
        # As `finish` does it: its tenant, then the counters of calls, then those of usage.
        micros = await self._charge_again(row.id)
        status, seconds = account["status"], account["bill_duration"]
        if status != row.status:
            await count(self._connection, row.tenant_id, row.agent_id, {row.status: -1, status: 1})
        place, reason = Place.of(row), row.end_reason
        before = {"calls": -1, "seconds": -row.bill_duration, "micros": -row.cost_micros}
        await usage.count_call(self._connection, place, row.status, reason, **before)
        micros += row.cost_micros
        await usage.count_call(self._connection, place, status, reason, calls=1, seconds=seconds, micros=micros)
        await ending.expect_recording_after_all(self._connection, row.id)

    async def _bill_again(self, call_id: str) -> None:
        """Bill a call that is over by what is known of it now."""
        # One that never began costs nothing, and must not hold its counter before those that `start` holds first.
        if micros := await self._charge_again(call_id):
            row = await self._lock(call_id)
            await usage.count_call(self._connection, Place.of(row), row.status, row.end_reason, micros=micros)

    async def _charge_again(self, call_id: str) -> int:
        """Write and charge what a call that is over costs by what is known of it now; by how much that is more."""
        row = await self._lock(call_id)
        cost = await legs.bill(self._connection, call_id, row.started_at, row.ended_at)
        micros: int = cost - row.cost_micros
        await charge(self._connection, row.tenant_id, micros)
        await self._update(call_id, cost_micros=cost)
        return micros

    async def _dial(self, call_id: str) -> None:
        """Let the queued phones' dials run."""
        queued = (participants.c.call_id == call_id, participants.c.status == ParticipantStatus.QUEUED)
        await jobs.start(self._connection, sa.select(participants.c.job_id).where(*queued))

    async def _call_off_dials(self, call_id: str) -> None:
        """End the dials that wait for phones which nobody is to call any more."""
        gone = (participants.c.status.not_in(PARTICIPANT_PRESENT), participants.c.dialed_at.is_(None))
        dials = sa.select(participants.c.job_id).where(participants.c.call_id == call_id, *gone)
        await jobs.call_off(self._connection, dials, "The phone was given up before it was called.")


def _is_here(over_at: datetime | None) -> sa.ColumnElement[bool]:
    """A participant who is in the room, or was when the call ended."""
    if over_at is None:
        return participants.c.status == ParticipantStatus.JOINED
    return sa.and_(participants.c.status == ParticipantStatus.LEFT, participants.c.left_at == over_at)


def _was_replaced() -> sa.ColumnElement[bool]:
    other = participants.alias()
    return sa.exists().where(
        other.c.call_id == participants.c.call_id,
        other.c.identity == participants.c.identity,
        other.c.id != participants.c.id,
        other.c.status.in_(PARTICIPANT_PRESENT),
    )


def _whose(call_id: str, room_identity: str) -> tuple[sa.ColumnElement[bool], ...]:
    return participants.c.call_id == call_id, participants.c.room_identity == room_identity


def _whom(row: sa.Row[Any]) -> dict[str, Any]:
    """A participant as an event names it; a phone's number stays out of the log of events."""
    return {"participant_id": row.id} | ({} if row.transport == "pstn" else {"identity": row.identity})

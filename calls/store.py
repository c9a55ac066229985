"""The call as a row: every transition is one guarded change with its event, in the caller's transaction."""

import math
import uuid
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs, webhooks
from calls.counts import count
from calls.creation import NewCall, NewParticipant, create_calls, insert_participants
from calls.errors import NotFound
from calls.post_call import queue_analysis, sections_on, transcribed
from calls.states import (
    LIVE,
    PARTICIPANT_PRESENT,
    SOURCES,
    TERMINAL,
    CallStatus,
    EndReason,
    IntelligenceStatus,
    ParticipantStatus,
    outcome,
)
from calls.tables import call_events, calls, now, participants, recordings, tenants

MICROS_PER_DOLLAR = 1_000_000

# What every call runs is built once: SQLAlchemy takes longer to build a statement than the database to run it.
_INSERT_EVENT = sa.insert(call_events)
_THIS_CALL = calls.c.id == sa.bindparam("call_id")
_GET = sa.select(calls).where(_THIS_CALL)
_HOLD = sa.select(calls.c.id).where(_THIS_CALL).with_for_update()
_LOCK = sa.select(calls).where(_THIS_CALL).with_for_update()


class CallStore:
    """The verbs of a call on one open transaction; whoever changes no row lost the race and does nothing."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def create(self, call: NewCall) -> list[sa.Row[Any]]:
        """Write the call with its participants and their dial jobs; return the participants' rows in order."""
        return (await create_calls(self._connection, [call]))[call.id]

    async def add_participants(
        self,
        tenant_id: str,
        call_id: str,
        new: list[NewParticipant],
        price_micros_per_minute: int,
    ) -> list[sa.Row[Any]] | None:
        """Add participants to a call that is not over; None if it is."""
        row = await self._lock(call_id)
        if row.status in TERMINAL:
            return None
        await self._update(
            call_id,
            participant_count=row.participant_count + len(new),
            price_micros_per_minute=max(row.price_micros_per_minute, price_micros_per_minute),
        )
        places = [(call_id, position, one) for position, one in enumerate(new, row.participant_count)]
        added = await insert_participants(self._connection, tenant_id, places)
        await self.add_event(call_id, "lifecycle", f"{len(new)} participant(s) added")
        return added

    async def get(self, tenant_id: str | None, call_id: str) -> sa.Row[Any]:
        """The call's row; NotFound if it is not there or, with a `tenant_id`, not that tenant's."""
        row = (await self._connection.execute(_GET, {"call_id": call_id})).one_or_none()
        if row is None or tenant_id not in (None, row.tenant_id):
            message = "no such call"
            raise NotFound(message)
        return row

    async def take_lease(self, call_id: str, worker: str, ttl_s: float) -> int | None:
        """Become the one agent that may speak; the fencing token, or None if another holds it or the call is over."""
        at = now()
        taken = await self._connection.execute(
            sa.update(calls)
            .where(calls.c.id == call_id, calls.c.status.in_(LIVE))
            .where(sa.or_(calls.c.lease_until.is_(None), calls.c.lease_until < at))
            .values(
                lease_worker=worker,
                lease_token=calls.c.lease_token + 1,
                lease_until=at + timedelta(seconds=ttl_s),
            )
            .returning(calls.c.lease_token),
        )
        token: int | None = taken.scalar_one_or_none()
        return token

    async def renew_lease(self, call_id: str, token: int, ttl_s: float) -> CallStatus | None:
        """Hold the lease on; the call's status, or None if the lease is another's by now."""
        renewed = await self._connection.execute(
            sa.update(calls)
            .where(calls.c.id == call_id, calls.c.lease_token == token, calls.c.lease_until.is_not(None))
            .values(lease_until=now() + timedelta(seconds=ttl_s))
            .returning(calls.c.status),
        )
        status = renewed.scalar_one_or_none()
        return None if status is None else CallStatus(status)

    async def release_lease(self, call_id: str, token: int) -> None:
        """Give the lease back: all that was said and recorded is written."""
        await self._connection.execute(
            sa.update(calls).where(calls.c.id == call_id, calls.c.lease_token == token).values(lease_until=None),
        )

    async def agent_joined(self, call_id: str, token: int) -> bool:
        """Note that the agent is in the room; False if its lease is not the current one."""
        joined = await self._connection.execute(
            sa.update(calls)
            .where(calls.c.id == call_id, calls.c.lease_token == token, calls.c.status.in_(LIVE))
            .values(agent_joined_at=now()),
        )
        if joined.rowcount:
            await self.add_event(call_id, "livekit", "Agent joined")
        return bool(joined.rowcount)

    async def participant_joined(self, call_id: str, identity: str, at: datetime | None = None) -> bool:
        """Note that a participant is in the room; False if it was already, or the call is over."""
        await self._hold(call_id)
        joined = await self._connection.execute(
            sa.update(participants)
            .where(participants.c.call_id == call_id, participants.c.identity == identity)
            .where(participants.c.status != ParticipantStatus.JOINED)
            .where(sa.exists().where(calls.c.id == call_id, calls.c.status.in_(LIVE)))
            .values(
                status=ParticipantStatus.JOINED,
                joined_at=sa.func.coalesce(participants.c.joined_at, at or now()),
                left_at=None,
            )
            .returning(participants.c.transport),
        )
        transport = joined.scalar_one_or_none()
        if transport == "pstn":
            await self.add_event(call_id, "telephony", "PSTN leg connected")
        elif transport is not None:
            await self.add_event(call_id, "livekit", "Participant joined", data={"identity": identity})
        return transport is not None

    async def participant_left(
        self,
        call_id: str,
        identity: str,
        at: datetime | None = None,
        *,
        status: ParticipantStatus = ParticipantStatus.LEFT,
        reason: EndReason | None = None,
    ) -> bool:
        """Note that a participant is gone, or its leg failed; False if that was known."""
        await self._hold(call_id)
        left = await self._connection.execute(
            sa.update(participants)
            .where(participants.c.call_id == call_id, participants.c.identity == identity)
            .where(participants.c.status.in_(PARTICIPANT_PRESENT))
            .values(status=status, left_at=at or now(), end_reason=reason)
            .returning(participants.c.transport),
        )
        transport = left.scalar_one_or_none()
        if transport is None:
            return False
        failed = status is ParticipantStatus.FAILED
        phone = transport == "pstn"
        message = {
            (True, True): f"PSTN leg failed: {reason}",
            (True, False): f"Participant failed: {reason}",
            (False, True): "PSTN leg ended",
            (False, False): "Participant left",
        }[failed, phone]
        await self.add_event(
            call_id,
            "telephony" if phone else "livekit",
            message,
            level="error" if failed else "info",
            data=None if phone else {"identity": identity},
        )
        return True

    async def ringing(self, call_id: str) -> bool:
        """A phone rings: queued -> ringing."""
        row = await self._lock(call_id)
        return await self._move(row, CallStatus.RINGING, "Phone is ringing", "telephony")

    async def start(self, call_id: str, at: datetime | None = None) -> bool:
        """The first human and the agent are both in the room: the call's zero for segments, recording and billing."""
        row = await self._lock(call_id)
        at = at or now()
        if not await self._move(row, CallStatus.IN_PROGRESS, "Call started", "lifecycle", started_at=at):
            return False
        await webhooks.announce(self._connection, call_id, "call.started")
        return True

    async def finish(self, call_id: str, reason: EndReason, at: datetime | None = None) -> bool:
        """End the call, bill it and queue its post-call work; of several at once exactly one gets True."""
        row = await self._lock(call_id)
        if row.status in TERMINAL:
            return False
        at = at or now()
        status = outcome(reason, started=row.started_at is not None)
        seconds = math.ceil((at - row.started_at).total_seconds()) if row.started_at else 0
        cost = round(row.price_micros_per_minute * max(seconds, 0) / 60)
        parts = sections_on(row.post_call)
        analysed = status is CallStatus.COMPLETED and row.started_at is not None and transcribed(row.agent)
        pending = analysed and bool(parts - {"recording"})
        await self._move(
            row,
            status,
            f"Call {status}: {reason}",
            "lifecycle",
            level="error" if status is CallStatus.FAILED else "info",
            end_reason=reason,
            ended_at=at,
            bill_duration=max(seconds, 0),
            cost_micros=cost,
            intelligence_status=IntelligenceStatus.PENDING if pending else IntelligenceStatus.NOT_STARTED,
        )
        await self._charge(row.tenant_id, cost)
        await self._dismiss_participants(call_id, status, reason, at)
        if "recording" in parts:
            await self._hand_over_recording(row, status)
        if row.started_at is not None:
            await queue_analysis(self._connection, row.tenant_id, call_id, dedup=f"post_call:{call_id}")
        await webhooks.announce(self._connection, call_id, f"call.{status}")
        return True

    async def add_event(
        self,
        call_id: str,
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
        await self._write_event(call_id, source, message, level, data)

    async def _write_event(
        self,
        call_id: str,
        source: str,
        message: str,
        level: str,
        data: dict[str, Any] | None,
    ) -> None:
        event = {"call_id": call_id, "level": level, "source": source, "message": message, "data": data}
        await self._connection.execute(_INSERT_EVENT, {**event, "created_at": now()})

    async def _hold(self, call_id: str) -> None:
        # Always the call before its participants: who takes them the other way round may wait for ever.
        await self._connection.execute(_HOLD, {"call_id": call_id})

    async def _lock(self, call_id: str) -> sa.Row[Any]:
        row = (await self._connection.execute(_LOCK, {"call_id": call_id})).one_or_none()
        if row is None:
            message = "no such call"
            raise NotFound(message)
        return row

    async def _update(self, call_id: str, **values: object) -> None:
        await self._connection.execute(sa.update(calls).where(calls.c.id == call_id).values(values))

    async def _move(
        self,
        row: sa.Row[Any],
        to: CallStatus,
        message: str,
        source: str,
        *,
        level: str = "info",
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
        await self.add_event(row.id, source, message, level=level)
        return True

    async def _charge(self, tenant_id: str, cost_micros: int) -> None:
        if cost_micros:
            await self._connection.execute(
                sa.update(tenants)
                .where(tenants.c.id == tenant_id, tenants.c.metered)
                .values(credits_micros=tenants.c.credits_micros - cost_micros),
            )

    async def _dismiss_participants(
        self,
        call_id: str,
        status: CallStatus,
        reason: EndReason,
        at: datetime,
    ) -> None:
        mine = participants.c.call_id == call_id
        absent = PARTICIPANT_PRESENT - {ParticipantStatus.JOINED}
        await self._connection.execute(
            sa.update(participants)
            .where(mine, participants.c.status == ParticipantStatus.JOINED)
            .values(status=ParticipantStatus.LEFT, left_at=at),
        )
        await self._connection.execute(
            sa.update(participants)
            .where(mine, participants.c.status.in_(absent))
            .values(
                status=ParticipantStatus.FAILED,
                end_reason=reason if status is CallStatus.FAILED else EndReason.CANCELED,
            ),
        )

    async def _hand_over_recording(self, row: sa.Row[Any], status: CallStatus) -> None:
        started = row.started_at is not None
        await self._connection.execute(
            sa.insert(recordings).values(
                id=str(uuid.uuid4()),
                call_id=row.id,
                status="pending" if started else "failed",
                error=None if started else f"the call never started ({status})",
            ),
        )
        if started:
            await jobs.enqueue(
                self._connection,
                "store_recording",
                {"call_id": row.id},
                queue="recording",
                tenant_id=row.tenant_id,
                call_id=row.id,
                dedup=f"store_recording:{row.id}",
                max_attempts=10,  # with the backoff, the storage may be away for a quarter of an hour
            )

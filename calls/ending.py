"""What a call that ends comes to: its account, its people, its recording; all in the transaction that ends it."""

import math
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.analysis.generations import stages
from calls.analysis.post_call import PostCall
from calls.database.changes import TURNS, mark
from calls.events import PRESENCE
from calls.states import (
    PARTICIPANT_PRESENT,
    RINGS,
    CallStatus,
    EndReason,
    IntelligenceStatus,
    ParticipantStatus,
    outcome,
)
from calls.tables import call_events, participants, recordings


def account(row: sa.Row[Any], reason: EndReason, started_at: datetime | None, ended_at: datetime) -> dict[str, Any]:
    """What a call that is over comes to: its status, how long it lasted, and whether it is to be analysed."""
    status = outcome(reason, started=started_at is not None)
    seconds = math.ceil((ended_at - started_at).total_seconds()) if started_at else 0
    talked = status is CallStatus.COMPLETED and started_at is not None
    pending = talked and bool(stages(row, PostCall.stored(row.post_call)))
    return {
        "status": status,
        "bill_duration": seconds,
        "intelligence_status": IntelligenceStatus.PENDING if pending else IntelligenceStatus.NOT_STARTED,
    }


async def dismiss_participants(
    conn: AsyncConnection,
    call_id: str,
    status: CallStatus,
    reason: EndReason,
    at: datetime,
) -> None:
    """Note of everybody in a call that ends so that they left, or will not come any more."""
    mark(conn, TURNS)
    mine = participants.c.call_id == call_id
    absent = PARTICIPANT_PRESENT - {ParticipantStatus.JOINED}
    await conn.execute(
        sa.update(participants)
        .where(mine, participants.c.status == ParticipantStatus.JOINED)
        .values(status=ParticipantStatus.LEFT, left_at=at),
    )
    # Who was seen to come or go only after the conversation's last sign of life was in it no longer than that.
    for seen_at in (participants.c.joined_at, participants.c.left_at):
        await conn.execute(sa.update(participants).where(mine, seen_at > at).values({seen_at: at}))
    told = (call_events.c.call_id == call_id, call_events.c.kind.in_(PRESENCE), call_events.c.created_at > at)
    await conn.execute(sa.update(call_events).where(*told).values(created_at=at))
    await conn.execute(
        sa.update(participants)
        .where(mine, participants.c.status.in_(absent))
        .values(
            status=ParticipantStatus.FAILED,
            end_reason=reason if status is CallStatus.FAILED else EndReason.CANCELED,
            left_at=sa.case((participants.c.status.in_(RINGS), at), else_=participants.c.left_at),
        ),
    )


async def expect_recording(conn: AsyncConnection, row: sa.Row[Any], status: CallStatus) -> None:
    """Let a recording be made, if one is wanted of the call."""
    wanted = PostCall.stored(row.post_call).recording
    if wanted is None or not wanted.is_on:
        return
    started = row.started_at is not None
    await conn.execute(
        sa.insert(recordings).values(
            id=str(uuid.uuid4()),
            call_id=row.id,
            status="pending" if started else "failed",
            format=wanted.format,
            error=None if started else f"the call never started ({status})",
        ),
    )


async def expect_recording_after_all(conn: AsyncConnection, call_id: str) -> None:
    """The call began, as is known only now: if a recording was wanted there may be one."""
    expected = sa.update(recordings).where(recordings.c.call_id == call_id)
    await conn.execute(expected.values(status="pending", error=None))

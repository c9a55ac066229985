"""Job `dial`: one phone leg. There is no phone network behind it yet, so each leg fails, and says so."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.jobs import Job
from calls.states import LIVE, PARTICIPANT_PRESENT, EndReason, ParticipantStatus
from calls.store import CallStore
from calls.tables import calls, participants
from pipeline.deps import Deps
from pipeline.fate import Done, Fail, Fate


async def run(job: Job, deps: Deps) -> Fate:
    """Fail the leg as `telephony_unavailable`, unless its call is over or it was called off."""
    leg = sa.select(participants.c.status).where(participants.c.id == job.payload["participant_id"])
    async with deps.db.reading() as conn:
        status = await conn.scalar(leg)
    return Fail(EndReason.TELEPHONY_UNAVAILABLE) if status == ParticipantStatus.QUEUED else Done()


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """The leg failed, also if the process that dialled it died: nobody is called twice.

    With the last leg of a call in which nobody else is, was or may still come, the call fails for the same reason.
    """
    call_id, known = job.payload["call_id"], set(EndReason)
    why = EndReason(reason) if reason in known else EndReason.ERROR
    # The call's row first: of two legs that fail at once, the second sees the first.
    live = sa.select(calls.c.id).where(calls.c.id == call_id, calls.c.status.in_(LIVE)).with_for_update()
    if await conn.scalar(live) is None:
        return
    store = CallStore(conn)
    leg = sa.select(participants.c.identity).where(participants.c.id == job.payload["participant_id"])
    await store.participant_left(call_id, str(await conn.scalar(leg)), status=ParticipantStatus.FAILED, reason=why)
    somebody = sa.exists().where(
        participants.c.call_id == call_id,
        sa.or_(participants.c.status.in_(PARTICIPANT_PRESENT), participants.c.joined_at.is_not(None)),
    )
    if not await conn.scalar(sa.select(somebody)):
        await store.finish(call_id, why)

"""Job `dial`: one phone is called, once and never again. What becomes of the call, others see: this only places it.

A phone is `dialing` before it is called, and whoever finds one that already is calls nobody.
"""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import batches, leases, lines, rules
from calls.errors import DatabaseAway, Unavailable
from calls.jobs import Job
from calls.lines import Limits
from calls.states import PARTICIPANT_PRESENT, TERMINAL, EndReason, ParticipantStatus
from calls.store import CallStore
from calls.tables import participants
from calls.telephony import outbound_trunk
from pipeline.bridge import AnswerLost, Invitation, Unanswered
from pipeline.deps import Deps
from pipeline.fate import Done, Fate, Park, Wait

log = logging.getLogger(__name__)

NO_AGENT_YET_S = 1.0
LOOK_S = 0.05
STALE_S = 5.0  # what is decided is done at once, or it may have been settled otherwise meanwhile
AGAIN_S = 1.0
SEEN_S = 5.0  # a phone that is called is in the room by then, ringing or not


async def run(job: Job, deps: Deps) -> Fate:
    """Call the phone if it is to be called, and return when it is in the room, or was not reached."""
    began_at = time.monotonic()
    async with deps.db.writing() as conn:
        decided = await _decide(conn, job, deps)
    if decided is None:
        return Done()
    if isinstance(decided, Wait | Park):
        return decided
    if time.monotonic() - began_at > STALE_S:
        await _settle(deps, job, decided, Unanswered(EndReason.ERROR))
        return Done()
    following = deps.lines.follow(_follow(deps, job, decided))
    await _note(deps, job, decided, await _sip_call_id(deps, decided, following))
    return Done()


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """It could not be found out what became of the phone."""
    del reason
    leg = await _leg(conn, job)
    if leg is not None:
        await CallStore(conn).leg_failed(leg.call_id, leg.room_identity, EndReason.ERROR)


async def _decide(conn: AsyncConnection, job: Job, deps: Deps) -> Invitation | Wait | Park | None:
    """Whom to call now; from the commit on nobody else does."""
    leg = await _leg(conn, job)
    if leg is None or leg.status != ParticipantStatus.QUEUED:
        return None  # what a process that died had begun, the agent and the watcher see
    if not await leases.has_entered(conn, leg.call_id):
        return Wait(NO_AGENT_YET_S)
    store = CallStore(conn)
    call = await store.hold(leg.call_id)
    trunk_id = await outbound_trunk(conn, call.tenant_id)
    refusal = EndReason.TELEPHONY_UNAVAILABLE if trunk_id is None else await _refusal(conn, call, leg)
    if refusal is not None:
        await store.leg_failed(leg.call_id, leg.room_identity, refusal)
        return None
    assert trunk_id is not None
    await lines.hold(conn, call.tenant_id)
    if not await lines.may_dial(conn, call.tenant_id, Limits.of(deps.settings)):
        return Park()
    if not await store.dialing(leg.call_id, leg.id):
        return None
    return Invitation(
        trunk_id=trunk_id,
        number=leg.identity,
        from_number=leg.from_number,
        room_name=call.room_name,
        room_identity=leg.room_identity,
        name=str(leg.metadata.get("name") or f"Phone {leg.identity[-4:]}"),
        ring_s=deps.settings.ring_timeout_s,
    )


async def _refusal(conn: AsyncConnection, call: sa.Row[Any], leg: sa.Row[Any]) -> EndReason | None:
    """Why the phone is not to be called after all."""
    if call.batch_id is not None and await batches.is_canceled(conn, call.tenant_id, call.batch_id):
        return EndReason.CANCELED
    return await rules.refusal(conn, call.tenant_id, leg.identity, leg.from_number)


async def _leg(conn: AsyncConnection, job: Job) -> sa.Row[Any] | None:
    query = sa.select(participants).where(participants.c.id == job.payload["participant_id"])
    return (await conn.execute(query)).one_or_none()


async def _follow(deps: Deps, job: Job, whom: Invitation) -> None:
    """Call, and wait for the answer as long as this process lives: only here the code of a refusal is to be had."""
    try:
        await deps.bridge.call(whom)
    except Unanswered as unanswered:
        await _settle(deps, job, whom, unanswered)
    except AnswerLost:  # the room shows what became of it: the agent and the watcher look there
        log.warning("it is not known whether a phone was called", extra={"call_id": job.call_id})


async def _settle(deps: Deps, job: Job, whom: Invitation, unanswered: Unanswered) -> None:
    call_id = str(job.call_id)
    while True:
        try:
            async with deps.db.writing() as conn:
                store = CallStore(conn)
                leg = await _leg(conn, job)
                rang = leg is not None and leg.status == ParticipantStatus.RINGING
                told = EndReason.NO_ANSWER if rang else EndReason.NETWORK_ERROR
                reason = unanswered.reason or told
                failed = await store.leg_failed(call_id, whom.room_identity, reason, unanswered.data)
                over = (await store.get(None, call_id)).status in TERMINAL
        except DatabaseAway:
            await asyncio.sleep(AGAIN_S)
        else:
            break
    with suppress(Unavailable):  # then the watcher closes it
        if over:
            await deps.rooms.delete_room(whom.room_name)
        elif failed:  # should it ring all the same, nobody waits for it any more
            await deps.rooms.remove_participant(whom.room_name, whom.room_identity)


async def _sip_call_id(deps: Deps, whom: Invitation, following: "asyncio.Task[None]") -> str | None:
    """SIP's name of the call, once the phone is in the room; None if it does not come there."""
    until = time.monotonic() + SEEN_S
    while not following.done() and time.monotonic() < until:
        await asyncio.wait({following}, timeout=LOOK_S)
        with suppress(Unavailable):
            for one in await deps.rooms.list_participants(whom.room_name):
                if one.identity == whom.room_identity:
                    return one.attributes.get("sip.callID")
    return None


async def _note(deps: Deps, job: Job, whom: Invitation, sip_call_id: str | None) -> None:
    """Write SIP's name of the call down, or hang up if the call was ended while the phone was being called."""
    async with deps.db.writing() as conn:
        here = (participants.c.id == job.payload["participant_id"], participants.c.status.in_(PARTICIPANT_PRESENT))
        noted = await conn.execute(sa.update(participants).where(*here).values(sip_call_id=sip_call_id))
        over = (await CallStore(conn).get(None, str(job.call_id))).status in TERMINAL
    with suppress(Unavailable):  # then the watcher closes it
        if over:
            await deps.rooms.delete_room(whom.room_name)
        elif not noted.rowcount:
            await deps.rooms.remove_participant(whom.room_name, whom.room_identity)

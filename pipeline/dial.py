"""Job `dial`: one phone is called, once and never again. What becomes of the call, others see: this only places it.

A phone is `dialing` before it is called, and whoever finds one that already is calls nobody.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.errors import DatabaseAway, Unavailable
from calls.jobs import Job
from calls.naming import participant_name
from calls.phones import lines
from calls.phones.lines import Limits
from calls.phones.trunk import outbound_trunk
from calls.placing import batches, rules
from calls.states import PARTICIPANT_PRESENT, TERMINAL, EndReason, ParticipantStatus
from calls.store import CallStore
from calls.tables import participants
from calls.workers import leases
from pipeline.bridge import AnswerLost, Invitation, Unanswered
from pipeline.deps import Deps
from pipeline.fate import Done, Fate, Parked, Wait

log = logging.getLogger(__name__)

NO_AGENT_YET_S = 1.0
LOOK_S = 0.05
STALE_S = 5.0  # what is decided is done at once, or it may have been settled otherwise meanwhile
AGAIN_S = 1.0
SEEN_S = 5.0  # a phone that is called is in the room by then, ringing or not

Written = TypeVar("Written")


@dataclass(frozen=True)
class Placed:
    """A phone that was called before, by a process which may not have come to note it."""

    room_name: str
    room_identity: str


Decision = Invitation | Placed | Wait | Parked | Done


async def run(job: Job, deps: Deps) -> Fate:
    """Call the phone if it is to be called, and return when it is in the room, or was not reached."""
    decided, following = await deps.lines.place(_place(job, deps))
    match decided:
        case Done() | Wait() | Parked():
            return decided
        case Placed() | Invitation():
            await _note(deps, job, decided, await _sip_call_id(deps, decided, following))
            return Done()
        case _:
            assert_never(decided)


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """It could not be found out what became of the phone."""
    del reason
    leg = await _leg(conn, job)
    if leg is not None:
        await CallStore(conn).leg_failed(leg.call_id, leg.room_identity, EndReason.ERROR)


async def _place(job: Job, deps: Deps) -> tuple[Decision, "asyncio.Task[None] | None"]:
    """What was decided, and if that is to call the phone, the call that was begun."""
    async with deps.db.writing() as conn:
        decided = await _decide(conn, job, deps)
        decided_at = time.monotonic()
    if not isinstance(decided, Invitation):
        return decided, None
    if time.monotonic() - decided_at > STALE_S:
        await _settle(deps, job, decided, Unanswered(EndReason.ERROR))
        return Done(), None
    return decided, deps.lines.follow(_follow(deps, job, decided))


async def _decide(conn: AsyncConnection, job: Job, deps: Deps) -> Decision:
    """Whom to call now; from the commit on nobody else does."""
    leg = await _leg(conn, job)
    if leg is None or leg.status not in PARTICIPANT_PRESENT:
        return Done()
    store = CallStore(conn)
    if leg.status != ParticipantStatus.QUEUED:  # what becomes of it, the agent and the watcher see
        return Placed((await store.get(None, leg.call_id)).room_name, leg.room_identity)
    if not await leases.has_entered(conn, leg.call_id):
        return Wait(NO_AGENT_YET_S)
    return await _begin(conn, job, deps)


async def _begin(conn: AsyncConnection, job: Job, deps: Deps) -> Decision:
    """Take a line for a phone that is queued, unless it is not to be called after all."""
    store = CallStore(conn)
    call = await store.hold(str(job.call_id))
    leg = await _leg(conn, job)  # once more: the call may have ended until now
    if leg is None or leg.status != ParticipantStatus.QUEUED:
        return Done()
    trunk_id = await outbound_trunk(conn, call.tenant_id)
    refusal = EndReason.TELEPHONY_UNAVAILABLE if trunk_id is None else await _refusal(conn, call, leg)
    if refusal is not None:
        await store.leg_failed(leg.call_id, leg.room_identity, refusal)
        return Done()
    assert trunk_id is not None
    if call.batch_id is not None and not await batches.hold_uncanceled(conn, call.tenant_id, call.batch_id):
        return Wait(0)  # it was canceled just now: the leg is refused by who does not hold the batch
    await lines.hold(conn, call.tenant_id)
    if not await lines.may_dial(conn, call.tenant_id, Limits.of(deps.settings)):
        await jobs.park(conn, job)
        return Parked()
    if not await store.dialing(leg.call_id, leg.id):
        return Done()
    return Invitation(
        trunk_id=trunk_id,
        number=leg.identity,
        from_number=leg.from_number,
        room_name=call.room_name,
        room_identity=leg.room_identity,
        name=participant_name(leg),
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

    async def fail(conn: AsyncConnection) -> tuple[bool, bool]:
        store = CallStore(conn)
        leg = await _leg(conn, job)
        rang = leg is not None and leg.status == ParticipantStatus.RINGING
        told = EndReason.NO_ANSWER if rang else EndReason.NETWORK_ERROR
        failed = await store.leg_failed(call_id, whom.room_identity, unanswered.reason or told, unanswered.data)
        return failed, await _is_over(conn, job)

    failed, over = await _persist(deps, fail)
    # Should it ring all the same, nobody waits for it any more.
    await _clear(deps, whom, over=over, unwanted=failed)


async def _sip_call_id(deps: Deps, whom: Invitation | Placed, following: "asyncio.Task[None] | None") -> str | None:
    """SIP's name of the call, once the phone is in the room; None if it does not come there."""
    until = time.monotonic() + SEEN_S
    while True:
        with suppress(Unavailable):
            for one in await deps.rooms.list_participants(whom.room_name):
                if one.identity == whom.room_identity:
                    return one.attributes.get("sip.callID")
        if following is None or following.done() or time.monotonic() > until:
            return None
        await asyncio.wait({following}, timeout=LOOK_S)


async def _note(deps: Deps, job: Job, whom: Invitation | Placed, sip_call_id: str | None) -> None:
    """Write SIP's name of the call down, or hang up if the call was ended while the phone was being called."""

    async def write(conn: AsyncConnection) -> tuple[bool, bool]:
        this = participants.c.id == job.payload["participant_id"]
        if sip_call_id is not None:
            await conn.execute(sa.update(participants).where(this).values(sip_call_id=sip_call_id))
        status = await conn.scalar(sa.select(participants.c.status).where(this))
        return status in PARTICIPANT_PRESENT, await _is_over(conn, job)

    wanted, over = await _persist(deps, write)
    await _clear(deps, whom, over=over, unwanted=not wanted)


async def _clear(deps: Deps, whom: Invitation | Placed, *, over: bool, unwanted: bool) -> None:
    with suppress(Unavailable):  # then the watcher closes it
        if over:
            await deps.rooms.delete_room(whom.room_name)
        elif unwanted:
            await deps.rooms.remove_participant(whom.room_name, whom.room_identity)


async def _is_over(conn: AsyncConnection, job: Job) -> bool:
    return (await CallStore(conn).get(None, str(job.call_id))).status in TERMINAL


async def _persist(deps: Deps, write: Callable[[AsyncConnection], Awaitable[Written]]) -> Written:
    """What `write` returns once the database takes it: what is known of a phone is known only here."""
    while True:
        try:
            async with deps.db.writing() as conn:
                return await write(conn)
        except DatabaseAway:
            await asyncio.sleep(AGAIN_S)

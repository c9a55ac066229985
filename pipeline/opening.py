"""Job `open_room`: a call to which nobody comes by himself gets its room, and with that its agent, in its turn."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.jobs import Job
from calls.phones.trunk import outbound_trunk
from calls.reading import read_participants
from calls.recordings import egress
from calls.rooms import EMPTY_TIMEOUT_S
from calls.states import LIVE, TERMINAL, EndReason
from calls.store import CallStore
from calls.tables import calls, leases
from calls.workers import waiting
from pipeline.deps import Deps
from pipeline.fate import Done, Fate


async def run(job: Job, deps: Deps) -> Fate:
    """Open it, unless the call is over; a room that is there stays as it is."""
    call_id = str(job.call_id)
    async with deps.db.writing() as conn:
        call = await CallStore(conn).get(None, call_id)
        if call.status in TERMINAL or await _fail_without_trunk(conn, call):
            return Done()
    # Should who was called first leave while others wait for a line, the agent is alone: to LiveKit that room is empty.
    await deps.rooms.create_room(call.room_name, call_id, departure_s=EMPTY_TIMEOUT_S)
    async with deps.db.writing() as conn:
        await waiting.tell(conn, [call_id])
        live = (calls.c.id == call_id, calls.c.status.in_(LIVE))
        # One that was sent back has had dispatches before, and perhaps agents.
        agents = sa.select(leases.c.token).where(leases.c.call_id == call_id).scalar_subquery()
        first = 1 + sa.func.coalesce(agents, 0)
        asked = {"dispatches": sa.case((calls.c.dispatches == 0, first), else_=calls.c.dispatches)}
        opened = await conn.execute(sa.update(calls).where(*live).values(asked))
        if deps.settings.recorder == "egress":
            await egress.ask_if_due(conn, call_id)
    if not opened.rowcount:  # it was ended meanwhile
        await deps.rooms.delete_room(call.room_name)
    return Done()


async def _fail_without_trunk(conn: AsyncConnection, call: sa.Row[Any]) -> bool:
    """Whether no phone can be called: then they need not wait for an agent to hear so."""
    if await outbound_trunk(conn, call.tenant_id) is not None:
        return False
    for leg in await read_participants(conn, call.id):
        await CallStore(conn).leg_failed(call.id, leg.room_identity, EndReason.TELEPHONY_UNAVAILABLE)
    return True


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """LiveKit was away for too long."""
    del reason
    await CallStore(conn).finish(str(job.call_id), EndReason.NO_ROOM)

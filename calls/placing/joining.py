"""Joining a call with a code, which somebody else was given in place of a token."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.errors import Conflict, NotFound
from calls.states import TERMINAL
from calls.tables import api_keys, calls, participants
from calls.tenants.passes import Pass

_FIND = (
    sa.select(participants, calls.c.room_name, calls.c.agent, calls.c.status.label("call_status"))
    .select_from(participants.join(calls).join(api_keys, api_keys.c.tenant_id == calls.c.tenant_id))
    .where(
        participants.c.id == sa.bindparam("participant"),
        api_keys.c.id == sa.bindparam("key"),
        api_keys.c.revoked_at.is_(None),
    )
)


async def use_code(conn: AsyncConnection, code: Pass) -> sa.Row[Any]:
    """Use a participant's code up, once also for several at once; the participant with its call's `room_name`, `agent`.

    Raises:
        NotFound: there is no such participant, or the key is revoked with which the code was made.
        Conflict: the code was used before, or the call is over.
    """
    row = (await conn.execute(_FIND, {"participant": code.subject, "key": code.key_id})).one_or_none()
    if row is None:
        raise NotFound("Code not found.")
    if row.call_status in TERMINAL:
        raise Conflict("Call is already completed or failed.", code="call_over")
    used = await conn.execute(
        sa.update(participants)
        .where(participants.c.id == row.id, participants.c.code_used_at.is_(None))
        .values(code_used_at=moment(conn)),
    )
    if not used.rowcount:
        raise Conflict("This code was used before: it lets somebody in once.", code="code_used")
    return row

"""`POST /v1/calls/:id/participants`: more people for a call that is not over."""

from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api import people
from api.once import Outcome, answer_once
from api.routing import KEY, SETTINGS, named
from api.schema.participants import AddedParticipants, AddParticipants
from calls.errors import Conflict
from calls.placing import rules
from calls.reading import read_participants
from calls.states import PARTICIPANT_PRESENT, TERMINAL
from calls.store import CallStore
from calls.tenants.prices import priced


async def add(request: web.Request, body: AddParticipants) -> web.Response:
    invited = people.parse(body.participants)
    tenant_id, call_id = named(request)

    async def work(conn: AsyncConnection) -> Outcome:
        store = CallStore(conn)
        await store.get(tenant_id, call_id)
        call = await store.hold(call_id)  # from here on, nobody else adds to it
        new = priced(request.app[SETTINGS], await rules.with_caller_ids(conn, request[KEY], invited))
        if call.status in TERMINAL:
            raise Conflict("Call is already completed or failed.", code="call_over")
        there = {row.identity for row in await read_participants(conn, call_id) if not _may_come_again(row)}
        if twice := sorted(there & {one.identity for one in new}):
            raise Conflict(f"In this call already: {', '.join(twice)}.", code="participant_exists")
        await rules.check_dnc(conn, tenant_id, new)
        rows = await store.add_participants(tenant_id, call_id, new)
        if rows is None:
            raise Conflict("Call is already completed or failed.", code="call_over")
        here = [row for row in await read_participants(conn, call_id) if row.status in PARTICIPANT_PRESENT]
        rules.check_size(request.app[SETTINGS], len(here), "participants")
        answer = AddedParticipants(participants=people.places(request, call.room_name, rows))
        browsers = tuple(one.identity for one in new if not one.is_phone)
        return Outcome(201 if len(browsers) == len(new) else 202, answer, call_id, browsers, new=False)

    return await answer_once(request, body, work)


def _may_come_again(row: sa.Row[Any]) -> bool:
    """A phone that left can be called again; a browser comes back by itself, with the token that it has."""
    return row.transport == "pstn" and row.status not in PARTICIPANT_PRESENT

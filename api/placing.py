"""`POST /v1/calls`: one call with everybody who shall be in it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api import people, rendering
from api.once import Outcome, answer, answer_once
from api.provider_health import PROVIDER_HEALTH, ask_beforehand
from api.rate_limit import admit_new_call
from api.routing import DATABASE_S, IDEMPOTENCY_KEY, KEY, PASSES, SETTINGS
from api.schema.calls import CreateCall, CreatedCall
from api.together import Together
from calls.agent_config import AgentSnapshot, MachineDetection
from calls.agents import adapted, get_agent, snapshot
from calls.analysis.post_call import PostCall, merge
from calls.database.allowance import limit
from calls.database.engine import Database
from calls.errors import CallroomError
from calls.placing import rules
from calls.placing.creation import NewCall, NewParticipant, create_calls
from calls.states import CallStatus
from calls.store import CallStore
from calls.tenants.prices import priced
from calls.workers import waiting


@dataclass(frozen=True)
class Wanted:
    """One call to be placed together with others."""

    request: web.Request
    body: CreateCall
    invited: list[NewParticipant]


CALLS = web.AppKey("calls", Together[Wanted, Outcome])


async def create(request: web.Request, body: CreateCall) -> web.Response:
    key = request[KEY]
    people.check_publishable(key, body.agent_id, body.participants, body.post_call)
    rules.check_size(request.app[SETTINGS], len(body.participants), "participants")
    invited = people.parse(body.participants)
    await ask_beforehand(request, body.agent_id)
    if not key.publishable and IDEMPOTENCY_KEY not in request.headers:
        return await answer(request, await request.app[CALLS].ask(Wanted(request, body, invited)))

    # What is counted and kept beside the call must not outlive its refusal: it has a transaction of its own.
    async def work(conn: AsyncConnection) -> Outcome:
        outcome, _call = await place(
            request,
            conn,
            body.agent_id,
            invited,
            metadata=body.metadata,
            variables=body.variables,
            post_call=body.post_call,
            machine_detection=body.machine_detection,
        )
        return outcome

    return await answer_once(request, body, work)


async def place_all(database: Database, group: Sequence[Wanted]) -> list[Outcome | Exception]:
    """Write many calls in one transaction, with as few statements as one; who may not have a call gets the error."""
    agents: dict[tuple[str, str], dict[str, Any]] = {}
    of_tenants: defaultdict[str, list[NewCall]] = defaultdict(list)
    rows: dict[str, list[sa.Row[Any]]] = {}
    async with limit(DATABASE_S), database.writing() as conn:
        # In the order of their tenants: two groups that reserve credits of the same ones must not wait crosswise.
        in_order = sorted(enumerate(group), key=lambda numbered: numbered[1].request[KEY].tenant_id)
        checked = {number: await _check_one(conn, one, agents) for number, one in in_order}
        for call in checked.values():
            if isinstance(call, NewCall):
                of_tenants[call.tenant_id].append(call)
        for new in of_tenants.values():
            rows |= await create_calls(conn, new)
            await _tell_workers(conn, new)
    return [
        _placed(one.request, call, rows[call.id])[0] if isinstance(call, NewCall) else call
        for one, call in ((one, checked[number]) for number, one in enumerate(group))
    ]


async def _check_one(
    conn: AsyncConnection,
    wanted: Wanted,
    agents: dict[tuple[str, str], dict[str, Any]],
) -> NewCall | CallroomError:
    body, named = wanted.body, (wanted.request[KEY].tenant_id, wanted.body.agent_id)
    try:
        if named not in agents:
            agents[named] = snapshot(await get_agent(conn, *named))
        return await _check(
            wanted.request,
            conn,
            adapted(agents[named], body.machine_detection),
            wanted.invited,
            metadata=body.metadata,
            variables=body.variables,
            post_call=body.post_call,
        )
    except CallroomError as error:
        return error


async def place(
    request: web.Request,
    conn: AsyncConnection,
    agent_id: str,
    invited: list[NewParticipant],
    *,
    metadata: dict[str, Any],
    variables: dict[str, Any] | None = None,
    post_call: PostCall | None = None,
    machine_detection: MachineDetection | None = None,
    max_duration_s: int | None = None,
    from_paths: list[str] | None = None,
) -> tuple[Outcome, CreatedCall]:
    """Write the call, after what it names, the do-not-call list, the credits and the key's rate were looked at.

    It lasts `max_duration_s` at most, and no longer than its agent says.
    """
    agent = snapshot(await get_agent(conn, request[KEY].tenant_id, agent_id))
    call = await _check(
        request,
        conn,
        adapted(agent, machine_detection, max_duration_s),
        invited,
        metadata=metadata,
        variables=variables,
        post_call=post_call,
        from_paths=from_paths,
    )
    rows = await CallStore(conn).create(call)
    await _tell_workers(conn, [call])
    return _placed(request, call, rows)


async def _tell_workers(conn: AsyncConnection, new: Sequence[NewCall]) -> None:
    """What has no room yet is for LiveKit to offer, when it has one."""
    await waiting.tell(conn, [call.id for call in new if not call.waits_for_room])


async def _check(
    request: web.Request,
    conn: AsyncConnection,
    agent: dict[str, Any],
    invited: list[NewParticipant],
    *,
    metadata: dict[str, Any],
    variables: dict[str, Any] | None,
    post_call: PostCall | None,
    from_paths: list[str] | None = None,
) -> NewCall:
    """The call, if it may be made."""
    key = request[KEY]
    invited = priced(request.app[SETTINGS], await rules.with_caller_ids(conn, key, invited, from_paths))
    await rules.check_dnc(conn, key.tenant_id, invited)
    await admit_new_call(request, conn)
    config = AgentSnapshot.stored(agent)
    return NewCall(
        tenant_id=key.tenant_id,
        agent=agent,
        participants=invited,
        metadata=metadata,
        variables=variables or {},
        post_call=merge(config.post_call, post_call).given(),
        own_post_call=None if post_call is None else post_call.given(),
        reserved_micros=await rules.reserve_credits(conn, key, invited),
        unreachable=request.app[PROVIDER_HEALTH].unreachable(config),
    )


def _placed(request: web.Request, call: NewCall, rows: Sequence[sa.Row[Any]]) -> tuple[Outcome, CreatedCall]:
    created = CreatedCall(
        id=call.id,
        room_name=call.room_name,
        status=call.status,
        participants=people.places(request, call.room_name, rows),
        agent=rendering.agent_name(call.agent),
        call_token=request.app[PASSES].call_token(call.id, request[KEY].id),
        # Publishable keys stand in pages, and what the operator uses is nobody's business there.
        warnings=[] if request[KEY].publishable else [one.message for one in call.unreachable],
    )
    browsers = tuple(one.identity for one in call.participants if not one.is_phone)
    status = 202 if call.status is CallStatus.QUEUED else 201
    return Outcome(status, created, call.id, browsers), created

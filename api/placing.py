"""`POST /v1/calls`: one call with everybody who shall be in it."""

from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api import people, rendering
from api.once import Outcome, answer_once
from api.rate_limit import admit_new_call
from api.routing import KEY, SETTINGS
from api.schema.calls import CreateCall, CreatedCall
from calls.agents import get_agent, snapshot
from calls.creation import NewCall, NewParticipant
from calls.post_call import PostCall, merge
from calls.states import CallStatus
from calls.store import CallStore


async def create(request: web.Request, body: CreateCall) -> web.Response:
    key = request[KEY]
    people.check_publishable(key, body.agent_id, body.participants)
    invited = people.parse(body.participants)

    async def work(conn: AsyncConnection) -> Outcome:
        outcome, _call = await place(
            request,
            conn,
            body.agent_id,
            invited,
            metadata=body.metadata,
            variables=body.variables,
            post_call=body.post_call,
        )
        return outcome

    return await answer_once(request, body, work)


async def place(
    request: web.Request,
    conn: AsyncConnection,
    agent_id: str,
    invited: list[NewParticipant],
    *,
    metadata: dict[str, Any],
    variables: dict[str, Any] | None = None,
    post_call: PostCall | None = None,
    from_paths: list[str] | None = None,
) -> tuple[Outcome, CreatedCall]:
    """Write the call, after what it names, the do-not-call list, the credits and the key's rate were looked at."""
    key = request[KEY]
    agent = snapshot(await get_agent(conn, key.tenant_id, agent_id))
    invited = await people.with_caller_ids(conn, key, invited, from_paths)
    await people.check_dnc(conn, key.tenant_id, invited)
    people.check_credits(key)
    await admit_new_call(request, conn)
    call = NewCall(
        tenant_id=key.tenant_id,
        agent=agent,
        participants=invited,
        metadata=metadata,
        variables=variables or {},
        post_call=resolve(agent, post_call),
        price_micros_per_minute=people.price(request.app[SETTINGS], invited),
    )
    rows = await CallStore(conn).create(call)
    answer = CreatedCall(
        id=call.id,
        room_name=call.room_name,
        status=call.status,
        participants=people.places(request, call.room_name, rows),
        agent=rendering.agent_name(agent),
    )
    browsers = tuple(one.identity for one in invited if not one.is_phone)
    status = 202 if call.status is CallStatus.QUEUED else 201
    return Outcome(status, answer, call.id, browsers), answer


def resolve(agent: dict[str, Any], override: PostCall | None) -> dict[str, Any]:
    """The sections of a call: its agent's, and what it says for itself."""
    return merge(agent.get("post_call"), override.model_dump(exclude_unset=True) if override else None)

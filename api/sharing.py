"""Share links of agents, and the calls of those who come by one: `/v1/shared/CODE` needs no key."""

import uuid
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api import people
from api.once import answer
from api.placing import place
from api.provider_health import ask_beforehand
from api.rate_limit import address_of
from api.routing import DATABASE, KEY, named, own_address, reply
from api.schema.common import Nothing
from api.schema.participants import BrowserPlace, NewParticipant
from api.schema.sharing import PutShareLink, SharedAgent, SharedCall, ShareLink, Testers
from calls import sharing
from calls.agent_config import AgentConfig
from calls.agents import get_agent
from calls.errors import Unavailable
from calls.tools.config import PLACE
from prompts import render

METADATA = {"source": "share_link"}  # of the calls that come by a link


async def put(request: web.Request, body: PutShareLink) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        row = await sharing.put_link(conn, *named(request), body.model_dump(), body.model_fields_set)
        return reply(await _shown(request, conn, row))


async def regenerate(request: web.Request, _body: Nothing) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        return reply(await _shown(request, conn, await sharing.renew_code(conn, *named(request))))


async def testers(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        row = await sharing.get_link(conn, *named(request))
        return reply(Testers(link_feature=True, link=None if row is None else await _shown(request, conn, row)))


async def get_shared(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        link = await sharing.find_link(conn, request.match_info["code"])
    return reply(SharedAgent(agent_name=link.agent_name, max_call_seconds=sharing.longest_s(link)))


async def create_call(request: web.Request, _body: Nothing) -> web.Response:
    code, address = request.match_info["code"], address_of(request)
    async with request.app[DATABASE].reading() as conn:
        link = await sharing.find_link(conn, code)
    request[KEY] = sharing.key_of(link)
    await ask_beforehand(request, link.agent_id)
    invited = people.parse([NewParticipant(transport="webrtc", identity=f"visitor-{uuid.uuid4().hex}")])
    async with request.app[DATABASE].writing() as conn:
        link = await sharing.find_link(conn, code, lock=True)
        granted_s = await sharing.admit(conn, link, address)
        outcome, call = await place(request, conn, link.agent_id, invited, metadata=METADATA, max_duration_s=granted_s)
        visit_id = await sharing.count(conn, link, address, call.id, granted_s)
    [seat] = call.participants
    assert isinstance(seat, BrowserPlace)
    shared = SharedCall(
        call_id=call.id,
        participant_id=seat.id,
        agent=call.agent,
        call_token=call.call_token,
        access=seat.access,
        max_call_seconds=granted_s,
    )
    try:
        return await answer(request, replace(outcome, answer=shared))
    except Unavailable:
        async with request.app[DATABASE].writing() as conn:
            await sharing.forget_visit(conn, visit_id)
        raise


async def _shown(request: web.Request, conn: AsyncConnection, row: sa.Row[Any]) -> ShareLink:
    agent = await get_agent(conn, row.tenant_id, row.agent_id)
    used = await sharing.read_use(conn, row.agent_id)
    kept = {name: getattr(row, name) for name in ShareLink.model_fields if hasattr(row, name)}
    return ShareLink(
        url=f"{own_address(request)}/talk/{row.code}",
        minutes_used=round(used.seconds / 60, 1),
        warnings=[
            f"Visitors give no variables: {name} is filled with nothing. "
            f'Give it a default in the agent\'s words: {{{{ {name} | default: "…" }}}}.'
            for name in _holes(AgentConfig.stored(agent.config))
        ],
        **kept,
    )


def _holes(agent: AgentConfig) -> list[str]:
    """The variables that the agent's words and tools name without a default: nobody who comes by a link gives any."""
    asked = [text for tool in agent.tools for text in (tool.url, *tool.headers.values())]
    asked += [text for server in agent.mcp_servers for text in (server.url, *server.headers.values())]
    texts = (agent.first_message, agent.system_prompt, *(PLACE.sub("x", text) for text in asked))
    return render("\n".join(texts), METADATA)[1]

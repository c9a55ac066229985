"""Agents: `/v1/agents`."""

import asyncio
import re
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from api.once import Outcome, answer_once
from api.providers import check
from api.rendering import call_page
from api.routing import DATABASE, KEY, KEYRING, SETTINGS, named, reply
from api.schema.agents import Agent, AgentNames, AgentPage, CreateAgent, ListedName, UpdateAgent
from api.schema.common import Nothing, Page
from api.schema.listing import AgentCallsQuery
from calls import agent_changes, agents
from calls.addresses import check_url
from calls.agent_config import AgentConfig
from calls.errors import ChangedSince, Invalid
from calls.listing import list_calls as list_rows
from calls.providers.choice import firsts, in_lists
from calls.tools.config import AgentTools, places, without_places
from calls.tools.secrets import check_secrets

_QUOTED = re.compile(r'"(.+)"')


async def create(request: web.Request, body: CreateAgent) -> web.Response:
    await _check_tools(request, body)
    await check(request.app, AgentConfig.stored(body.config()), body.model_fields_set)

    async def work(conn: AsyncConnection) -> Outcome:
        row = await agents.create_agent(conn, request[KEY].tenant_id, body.name, body.config())
        return Outcome(201, _agent(row))

    return await answer_once(request, body, work)


async def get(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        return reply(_agent(await agents.get_agent(conn, *named(request))))


async def list_page(request: web.Request, page: Page) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        rows, total = await agents.list_agents(conn, request[KEY].tenant_id, page.limit, page.offset)
    shown = [_agent(row) for row in rows]
    return reply(AgentPage(agents=shown, total=total, offset=page.offset, limit=page.limit))


async def list_names(request: web.Request, page: Page) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        rows, total = await agents.list_names(conn, request[KEY].tenant_id, page.limit, page.offset)
    shown = [ListedName(id=row.id, name=row.name) for row in rows]
    return reply(AgentNames(agents=shown, total=total, offset=page.offset, limit=page.limit))


async def update(request: web.Request, body: UpdateAgent) -> web.Response:
    read_at = _read_at(request)
    await check_change(request, body)
    async with request.app[DATABASE].writing() as conn:
        return reply(await save(request, conn, body, read_at))


async def check_change(request: web.Request, body: UpdateAgent) -> None:
    """Raise Invalid unless the tools and providers of a change are such as may be used; it may ask other servers."""
    await _check_tools(request, body)
    if body.names_providers:
        async with request.app[DATABASE].reading() as conn:
            before = (await agents.get_agent(conn, *named(request))).config
        await check(request.app, AgentConfig.stored(in_lists(before | body.changes())), body.model_fields_set)


async def save(
    request: web.Request, conn: AsyncConnection, body: UpdateAgent, read_at: datetime | None = None
) -> Agent:
    """Change the agent in the path, and write down who changed what of it.

    Raises:
        ChangedSince: it is not any more as it was with this `updated_at`.
    """
    before = await agents.get_agent(conn, *named(request), lock=True)
    if read_at is not None and before.updated_at != read_at:
        raise ChangedSince("The agent was changed since it was read: read it again.")
    row = await agents.update_agent(conn, *named(request), body.changes())
    await agent_changes.record(conn, request.app[KEYRING], request[KEY].id, before, row)
    return _agent(row)


async def delete(request: web.Request) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        await agents.delete_agent(conn, *named(request))
    return reply(None, 204)


async def clone(request: web.Request, body: Nothing) -> web.Response:
    async def work(conn: AsyncConnection) -> Outcome:
        return Outcome(201, _agent(await agents.clone_agent(conn, *named(request))))

    return await answer_once(request, body, work)


async def list_calls(request: web.Request, query: AgentCallsQuery) -> web.Response:
    tenant_id, agent_id = named(request)
    async with request.app[DATABASE].reading() as conn:
        await agents.get_agent(conn, tenant_id, agent_id)
        page = await list_rows(conn, tenant_id, query.wanted(agent_id), **query.part)
    return reply(call_page(page, query.limit, query.offset))


def _read_at(request: web.Request) -> datetime | None:
    """The `updated_at` that `If-Match` names, if it is there."""
    given = request.headers.get(hdrs.IF_MATCH)
    if given is None:
        return None
    quoted = _QUOTED.fullmatch(given)
    try:
        at = datetime.fromisoformat(quoted[1] if quoted else "")
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Invalid.field(hdrs.IF_MATCH, "expected the agent's updated_at as it was read, in quotes")
    return at


async def _check_tools(request: web.Request, given: AgentTools) -> None:
    """Raise Invalid unless the tools may be called where they are, with what they are to show there."""
    private = request.app[SETTINGS].tool_private_addresses
    urls = [place for place in places(given) if place.path.endswith(".url")]
    await asyncio.gather(
        *(check_url(without_places(one.url), private_addresses=private, path=one.path) for one in urls)
    )
    if given.tools or given.mcp_servers:
        async with request.app[DATABASE].reading() as conn:
            await check_secrets(conn, request[KEY].tenant_id, given, plain_http=private)


def _agent(row: sa.Row[Any]) -> Agent:
    agent = AgentConfig.stored(row.config)
    shown = agent.config() | firsts(agent.choices)
    return Agent(id=row.id, name=row.name, **shown, created_at=row.created_at, updated_at=row.updated_at)

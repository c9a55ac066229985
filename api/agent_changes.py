"""`/v1/agents/:id/changes`: who changed which field of an agent, and undoing one of these changes."""

from typing import Any

import orjson
import sqlalchemy as sa
from aiohttp import web

from api.agents import check_change, save
from api.parsing import parse
from api.routing import DATABASE, KEYRING, named, reply
from api.schema.agent_changes import AgentChange, AgentChangePage, ChangedBy, ChangesQuery
from api.schema.agents import UpdateAgent
from api.schema.common import Nothing
from calls import agent_changes
from calls.agents import get_agent
from calls.errors import Conflict


async def list_page(request: web.Request, page: ChangesQuery) -> web.Response:
    tenant_id, agent_id = named(request)
    async with request.app[DATABASE].reading() as conn:
        agent = await get_agent(conn, tenant_id, agent_id)
        rows, total = await agent_changes.list_changes(conn, agent_id, page.since, page.limit, page.offset)
    changes = [_shown(agent, row) for row in rows]
    return reply(AgentChangePage(changes=changes, total=total, offset=page.offset, limit=page.limit))


async def undo(request: web.Request, _body: Nothing) -> web.Response:
    """Change the field back as a PUT would, whose rules it has to pass."""
    (_, agent_id), change_id = named(request), request.match_info["change_id"].lower()
    keyring = request.app[KEYRING]
    async with request.app[DATABASE].reading() as conn:
        agent = await get_agent(conn, *named(request))
        change = await agent_changes.get_change(conn, agent_id, change_id)
    wanted = agent_changes.undone(agent, change, keyring)
    body = parse(orjson.dumps(wanted), UpdateAgent)
    await check_change(request, body)
    async with request.app[DATABASE].writing() as conn:
        agent = await get_agent(conn, *named(request), lock=True)
        if agent_changes.undone(agent, change, keyring) != wanted:
            raise Conflict("The agent was changed at the same moment; try again.", code="changed_since")
        return reply(await save(request, conn, body))


def _shown(agent: sa.Row[Any], row: sa.Row[Any]) -> AgentChange:
    return AgentChange(
        id=row.id,
        field=row.field,
        before=row.before.get("value"),
        after=row.after.get("value"),
        can_undo=agent_changes.is_as_left(agent, row),
        changed_by=ChangedBy(key_id=row.key_id, label=row.label, key_prefix=row.key_prefix),
        created_at=row.created_at,
    )

"""Agents: what shapes a conversation, kept as it was given."""

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.agent_config import AgentConfig, MachineDetection
from calls.database.clock import moment
from calls.errors import NotFound
from calls.phrases import ask_for_translation, written
from calls.providers.choice import in_lists
from calls.tables import agent_changes, agents, share_links

Row = sa.Row[Any]

_NEWEST_FIRST = (agents.c.created_at.desc(), agents.c.id.desc())


async def create_agent(conn: AsyncConnection, tenant_id: str, name: str, config: dict[str, Any]) -> Row:
    """Make an agent; `config` holds every field but the name."""
    at = moment(conn)
    values = {"id": str(uuid.uuid4()), "tenant_id": tenant_id, "created_at": at, "updated_at": at}
    await _prepare_language(conn, config)
    insert = sa.insert(agents).values(name=name, config=config, **values)
    row: Row = (await conn.execute(insert.returning(agents))).one()
    return row


async def get_agent(conn: AsyncConnection, tenant_id: str, agent_id: str, *, lock: bool = False) -> Row:
    """Give the tenant's agent; NotFound if there is none, or it was deleted."""
    asked = {"tenant_id": tenant_id, "agent_id": agent_id}
    row = (await conn.execute(_FIND_AND_LOCK if lock else _FIND, asked)).one_or_none()
    if row is None:
        raise NotFound("Agent not found.")
    return row


async def list_agents(conn: AsyncConnection, tenant_id: str, limit: int, offset: int) -> tuple[list[Row], int]:
    """Give a page of the tenant's agents, the newest first, and how many there are."""
    query = sa.select(agents).where(_there(tenant_id)).order_by(*_NEWEST_FIRST)
    return list((await conn.execute(query.limit(limit).offset(offset))).all()), await _count(conn, tenant_id)


async def list_names(conn: AsyncConnection, tenant_id: str, limit: int, offset: int) -> tuple[list[Row], int]:
    """Give the `id` and `name` of the same agents in the same order, without a look at what they are told to say."""
    query: sa.Select[Any] = sa.select(agents.c.id, agents.c.name).where(_there(tenant_id)).order_by(*_NEWEST_FIRST)
    return list((await conn.execute(query.limit(limit).offset(offset))).all()), await _count(conn, tenant_id)


async def update_agent(conn: AsyncConnection, tenant_id: str, agent_id: str, changes: dict[str, Any]) -> Row:
    """Change the given fields and no other; of two changes at once neither loses a field of the other."""
    row = await get_agent(conn, tenant_id, agent_id, lock=True)
    config = in_lists(row.config | {field: value for field, value in changes.items() if field != "name"})
    if "language" in changes:
        await _prepare_language(conn, config)
    values = {"name": changes.get("name", row.name), "config": config, "updated_at": moment(conn)}
    update = sa.update(agents).where(agents.c.id == agent_id).values(**values)
    changed: Row = (await conn.execute(update.returning(agents))).one()
    return changed


async def clone_agent(conn: AsyncConnection, tenant_id: str, agent_id: str) -> Row:
    """Make a copy of an agent under its name and " (Copy)"."""
    row = await get_agent(conn, tenant_id, agent_id)
    return await create_agent(conn, tenant_id, f"{row.name} (Copy)", row.config)


async def delete_agent(conn: AsyncConnection, tenant_id: str, agent_id: str) -> None:
    """Delete an agent, its link and the list of its changes; its calls stay. NotFound if it is not there (any more)."""
    deleted = await conn.execute(sa.update(agents).where(*_own(tenant_id, agent_id)).values(deleted_at=moment(conn)))
    if not deleted.rowcount:
        raise NotFound("Agent not found.")
    for table in (share_links, agent_changes):
        await conn.execute(sa.delete(table).where(table.c.agent_id == agent_id))


def snapshot(row: Row) -> dict[str, Any]:
    """The agent as a call keeps it: `{"id", "name", **config}`."""
    return {"id": row.id, "name": row.name, **row.config}


def adapted(
    agent: dict[str, Any], machine_detection: MachineDetection | None, max_duration_s: int | None = None
) -> dict[str, Any]:
    """The snapshot with what a call has settled for itself; it may only be shorter than its agent says."""
    own: dict[str, Any] = {} if machine_detection is None else {"machine_detection": machine_detection}
    if max_duration_s is not None:
        own["max_duration_s"] = min(max_duration_s, AgentConfig.stored(agent).max_duration_s)
    return {**agent, **own}


async def _prepare_language(conn: AsyncConnection, config: dict[str, Any]) -> None:
    """Have what agents say of themselves translated into the agent's language before its first call."""
    language = AgentConfig.stored(config).language
    if language is not None and written(language) is None:
        await ask_for_translation(conn, language)


def _there(tenant_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(agents.c.tenant_id == tenant_id, agents.c.deleted_at.is_(None))


async def _count(conn: AsyncConnection, tenant_id: str) -> int:
    return await conn.scalar(sa.select(sa.func.count()).select_from(agents).where(_there(tenant_id))) or 0


def _own(tenant_id: object, agent_id: object) -> tuple[sa.ColumnElement[bool], ...]:
    return agents.c.tenant_id == tenant_id, agents.c.id == agent_id, agents.c.deleted_at.is_(None)


# Built once: every new call asks for its agent.
_FIND = sa.select(agents).where(*_own(sa.bindparam("tenant_id"), sa.bindparam("agent_id")))
_FIND_AND_LOCK = _FIND.with_for_update()

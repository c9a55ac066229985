"""An agent's share link: a code by which anybody talks to it, within limits that hold also for two at one moment."""

import re
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.agent_config import AgentConfig
from calls.agents import get_agent
from calls.database.clock import moment
from calls.database.engine import upsert
from calls.errors import Conflict, NotFound, RateLimited
from calls.states import TERMINAL
from calls.tables import agents, calls, share_calls, share_links, share_visits, tenants
from calls.tenants.keys import SHARE, Key, create_share_key

SHORTEST_S = 10  # no call is begun that could not last so long
VISITS_KEPT = timedelta(hours=1)
_AGAIN_S = 10  # when to ask again whether somebody has hung up

_CODE = re.compile(r"[A-Za-z0-9_-]{22}")  # anything else could also be what no database takes

Row = sa.Row[Any]

_IS_OVER = calls.c.status.in_(sorted(TERMINAL))
_USED_S = sa.func.coalesce(sa.func.sum(sa.case((_IS_OVER, calls.c.bill_duration), else_=share_calls.c.granted_s)), 0)
_RUNNING = sa.func.coalesce(sa.func.sum(sa.case((_IS_OVER, 0), else_=1)), 0)


@dataclass(frozen=True)
class Use:
    """What has been used of a link: seconds, where a call that is not over counts in full, and calls that run."""

    seconds: int
    running: int


async def put_link(
    conn: AsyncConnection, tenant_id: str, agent_id: str, limits: dict[str, Any], changes: Collection[str]
) -> Row:
    """Make the agent's link with these limits, or change those of `changes`; NotFound without such an agent."""
    known = await get_link(conn, tenant_id, agent_id)
    key_id = known.key_id if known is not None else await create_share_key(conn, tenant_id, agent_id)
    new = {"agent_id": agent_id, "tenant_id": tenant_id, "key_id": key_id, "code": _new_code(), **limits}
    statement = upsert(conn, share_links).values(new)
    await conn.execute(
        statement.on_conflict_do_update(index_elements=["agent_id"], set_={name: limits[name] for name in changes})
        if changes
        else statement.on_conflict_do_nothing()
    )
    row: Row = (await conn.execute(sa.select(share_links).where(share_links.c.agent_id == agent_id))).one()
    return row


async def get_link(conn: AsyncConnection, tenant_id: str, agent_id: str) -> Row | None:
    """Give the agent's link, if it has one; NotFound without such an agent."""
    await get_agent(conn, tenant_id, agent_id)
    return (await conn.execute(sa.select(share_links).where(share_links.c.agent_id == agent_id))).one_or_none()


async def renew_code(conn: AsyncConnection, tenant_id: str, agent_id: str) -> Row:
    """Give the link another code, at once the only one. NotFound without a link."""
    await get_agent(conn, tenant_id, agent_id)
    renewed = sa.update(share_links).where(share_links.c.agent_id == agent_id).values(code=_new_code())
    row: Row | None = (await conn.execute(renewed.returning(share_links))).one_or_none()
    if row is None:
        raise NotFound("Share link not found.")
    return row


async def find_link(conn: AsyncConnection, code: str, *, lock: bool = False) -> Row:
    """Give the link of a code with its agent and its tenant's name; NotFound if it leads nowhere (any more).

    While it is locked no other call comes by it: what `use` says stays true until the transaction is over.
    """
    of_agent = (agents.c.name.label("agent_name"), agents.c.config.label("agent_config"))
    of_tenant = (tenants.c.name.label("tenant_name"), tenants.c.metered, tenants.c.credits_micros)
    there = (share_links.c.code == code, share_links.c.enabled, agents.c.deleted_at.is_(None))
    query = (
        sa.select(share_links, *of_agent, *of_tenant)
        .join(agents, agents.c.id == share_links.c.agent_id)
        .join(tenants, tenants.c.id == share_links.c.tenant_id)
        .where(*there)
    )
    asked = query.with_for_update(of=share_links) if lock else query
    row = (await conn.execute(asked)).one_or_none() if _CODE.fullmatch(code) else None
    if row is None:
        raise NotFound("This link leads nowhere, or no more.")
    return row


def key_of(link: Row) -> Key:
    """For whom a visitor of the link asks."""
    return Key(
        id=link.key_id,
        kind=SHARE,
        tenant_id=link.tenant_id,
        tenant_name=link.tenant_name,
        metered=link.metered,
        credits_micros=link.credits_micros,
        declared_kind=None,
        scopes=None,
        agent_id=link.agent_id,
        allowed_channels=["web"],
        default_from_number=None,
    )


def longest_s(link: Row) -> int:
    """How many seconds a call by the link may last, which is no longer than its agent's calls do."""
    return min(int(link.max_call_seconds), AgentConfig.stored(link.agent_config).max_duration_s)


async def read_use(conn: AsyncConnection, agent_id: str) -> Use:
    """What has been used of the agent's link."""
    query = sa.select(_USED_S, _RUNNING).join_from(share_calls, calls).where(share_calls.c.agent_id == agent_id)
    seconds, running = (await conn.execute(query)).one()
    return Use(int(seconds), int(running))


async def admit(conn: AsyncConnection, link: Row, address: str) -> int:
    """How many seconds one more call from this address may last, of a link that is locked.

    Raises:
        Conflict: its minutes are used up.
        RateLimited: as many talk as may at once, or the address had its calls of this hour.
    """
    use = await read_use(conn, link.agent_id)
    left_s = int(link.minutes_limit) * 60 - use.seconds
    if use.running >= link.max_concurrent:
        message = "As many people as may talk to this agent at once do so now; try again in a moment."
        raise RateLimited(message, retry_after=_AGAIN_S, code="too_many_at_once")
    if left_s < SHORTEST_S:
        raise Conflict("The minutes of this link are used up.", code="minutes_used_up")
    await _check_visits(conn, link, address)
    return min(longest_s(link), left_s)


async def count(conn: AsyncConnection, link: Row, address: str, call_id: str, granted_s: int) -> str:
    """Note a call that came by the link from this address; give the id of this visit."""
    await conn.execute(sa.insert(share_calls).values(call_id=call_id, agent_id=link.agent_id, granted_s=granted_s))
    visit_id = str(uuid.uuid4())
    visit = {"id": visit_id, "agent_id": link.agent_id, "address": address, "created_at": moment(conn)}
    await conn.execute(sa.insert(share_visits).values(visit))
    return visit_id


async def forget_visit(conn: AsyncConnection, visit_id: str) -> None:
    """Count a visit no more, of which there came no call."""
    await conn.execute(sa.delete(share_visits).where(share_visits.c.id == visit_id))


async def _check_visits(conn: AsyncConnection, link: Row, address: str) -> None:
    recent = (
        share_visits.c.agent_id == link.agent_id,
        share_visits.c.address == address,
        share_visits.c.created_at > moment(conn) - VISITS_KEPT,
    )
    newest = sa.select(share_visits.c.created_at).where(*recent).order_by(share_visits.c.created_at.desc())
    visits = list(await conn.scalars(newest.limit(link.calls_per_ip_hour)))
    if len(visits) >= link.calls_per_ip_hour:
        wait = visits[-1] + VISITS_KEPT - moment(conn)
        message = "You have talked to this agent as often as you may in an hour; try again later."
        raise RateLimited(message, retry_after=max(1, round(wait.total_seconds())), code="too_many_calls")


def _new_code() -> str:
    return secrets.token_urlsafe(16)

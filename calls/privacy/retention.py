"""How long transcripts and recordings are kept: as the agent says, else its tenant, else for ever."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.engine import Database
from calls.privacy.erasure import Part, erase
from calls.tables import agents, calls, recordings, results, segments, tenants, tool_calls, turns
from calls.tenants.keys import get_tenant

FOREVER = 0
SLICE = 20  # calls in one transaction, so that nobody waits
AGENTS = 500  # that one question asks about
PAUSE_S = 0.05

# Part -> its name among the days of an agent, and the tenant's days.
_DAYS = {
    Part.TRANSCRIPT: ("transcripts", tenants.c.transcripts_days),
    Part.RECORDING: ("recordings", tenants.c.recordings_days),
}


async def set_retention(
    conn: AsyncConnection,
    tenant_id: str,
    *,
    recordings: int | None,
    transcripts: int | None,
) -> sa.Row[Any]:
    """Set after how many days, or FOREVER, something is erased where an agent does not say; None leaves it as it is.

    Returns the tenant's row; NotFound if there is none.
    """
    given = {"recordings_days": recordings, "transcripts_days": transcripts}
    values = {name: None if days == FOREVER else days for name, days in given.items() if days is not None}
    if values:
        await conn.execute(sa.update(tenants).where(tenants.c.id == tenant_id).values(values))
    return await get_tenant(conn, tenant_id)


async def erase_expired(database: Database) -> None:
    """Erase what has been kept for long enough, by the configuration of now, until nothing is left that has."""
    for part in _DAYS:
        async with database.reading() as conn:
            kept = await _kept(conn, part)
        for days, agent_ids in kept.items():
            for first in range(0, len(agent_ids), AGENTS):
                erased = SLICE
                while erased == SLICE:
                    some = agent_ids[first : first + AGENTS]
                    erased = await _erase_some(database, part, timedelta(days=days), some)
                    await asyncio.sleep(PAUSE_S)


async def _kept(conn: AsyncConnection, part: Part) -> dict[int, list[str]]:
    """Days -> the agents, deleted ones too, of whose calls that part is kept for so long."""
    name, of_tenant = _DAYS[part]
    days = sa.func.coalesce(agents.c.config["retention_days", name].as_integer(), of_tenant)
    kept: dict[int, list[str]] = defaultdict(list)
    query = sa.select(agents.c.id, days.label("days")).join(tenants, tenants.c.id == agents.c.tenant_id)
    for agent_id, after in await conn.execute(query.where(days.is_not(None))):
        kept[after].append(agent_id)
    return kept


async def _erase_some(database: Database, part: Part, kept: timedelta, agent_ids: list[str]) -> int:
    async with database.writing() as conn:
        over = (calls.c.transcript_closed_at.is_not(None), calls.c.ended_at < moment(conn) - kept)
        due = sa.select(calls.c.id).where(calls.c.agent_id.in_(agent_ids), part.erased_at.is_(None), *over)
        # Those that another pipeline is just erasing are its own.
        call_ids = list(await conn.scalars(due.limit(SLICE).with_for_update(skip_locked=True)))
        for call_id in call_ids:
            if await _is_there(conn, part, call_id):
                await erase(conn, call_id, {part})
        # Those that had nothing of the kind are not asked about again.
        unmarked = (calls.c.id.in_(call_ids), part.erased_at.is_(None))
        await conn.execute(sa.update(calls).where(*unmarked).values({part.erased_at: moment(conn)}))
        return len(call_ids)


async def _is_there(conn: AsyncConnection, part: Part, call_id: str) -> bool:
    tables = (recordings,) if part is Part.RECORDING else (segments, turns, tool_calls, results)
    found = [sa.exists().where(table.c.call_id == call_id) for table in tables]
    return bool(await conn.scalar(sa.select(sa.or_(*found))))

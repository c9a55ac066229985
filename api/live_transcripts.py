"""What is said in all running calls of some tenants, read as it is written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from api.rendering import segment
from api.schema.stream import CallSegment
from calls.states import CallStatus
from calls.tables import calls, segments
from calls.transcript import read_transcript, spoken

LAST_SAID = 5  # segments of each call with which a stream begins


@dataclass(frozen=True)
class Said:
    """A segment that is new or has changed, and whose call it is."""

    tenant_id: str
    segment: CallSegment


def is_one_of(tenant_id: str, statuses: Collection[CallStatus]) -> sa.ColumnElement[bool]:
    """Whether a call is one of the tenant's that have these statuses, of which there are few.

    By their ids: asked for directly, SQLite goes through all calls, as most have one status and it knows no more.
    """
    one = calls.alias()
    return calls.c.id.in_(sa.select(one.c.id).where(one.c.tenant_id == tenant_id, one.c.status.in_(statuses)))


async def read_last_said(conn: AsyncConnection, tenant_id: str) -> list[CallSegment]:
    """The last words of each running call of a tenant, call by call, as they are now."""
    running = sa.select(calls.c.id).where(is_one_of(tenant_id, [CallStatus.IN_PROGRESS]))
    of_call = segments.alias()
    last = sa.select(sa.func.max(of_call.c.sequence)).where(of_call.c.call_id == segments.c.call_id).scalar_subquery()
    query = sa.select(segments).where(segments.c.call_id.in_(running), segments.c.sequence > last - LAST_SAID)
    rows = sorted((await conn.execute(query)).all(), key=lambda row: (row.call_id, row.sequence))
    return [_segment(row) for row in spoken(rows)]


def _segment(row: sa.Row[Any]) -> CallSegment:
    return CallSegment(call_id=row.call_id, **dict(segment(row)))


class Transcripts:
    """How far each transcript was read: from the moment on at which somebody of its tenant wanted to know."""

    def __init__(self) -> None:
        self._tenants: set[str] = set()
        self._read: dict[str, int] = {}  # call -> revision

    def forget(self) -> None:
        """Nobody wants to know any more."""
        self._tenants.clear()
        self._read.clear()

    async def read(self, conn: AsyncConnection, tenants: Collection[str], started: Collection[str] = ()) -> list[Said]:
        """What was written in calls of these tenants since the last time; nothing for a tenant that is new.

        `started` are calls that have begun since then, and may be over.
        """
        said: list[Said] = []
        read: dict[str, int] = {}
        for call in await self._calls(conn, tenants, {*self._read, *started}):
            after = self._read.get(call.id, 0 if call.tenant_id in self._tenants else call.revision)
            if call.revision > after:
                rows = spoken(await read_transcript(conn, call.id, after_revision=after))
                said += [Said(call.tenant_id, _segment(row)) for row in rows]
            if call.transcript_closed_at is None:
                read[call.id] = call.revision
        self._read, self._tenants = read, set(tenants)
        return said

    async def _calls(self, conn: AsyncConnection, tenants: Collection[str], others: Collection[str]) -> Sequence[Any]:
        """Those that run, and others of which something may be unread: a call's last words come behind its end."""
        if not tenants:
            return []
        revision = sa.select(sa.func.max(segments.c.revision)).where(segments.c.call_id == calls.c.id)
        one = calls.alias()
        running = sa.select(one.c.id).where(one.c.tenant_id.in_(tenants), one.c.status == CallStatus.IN_PROGRESS)
        # Not by OR, for which SQLite goes through all calls of the tenants.
        wanted = calls.c.id.in_(running.union_all(sa.select(one.c.id).where(one.c.id.in_(others))))
        query = sa.select(
            calls.c.id,
            calls.c.tenant_id,
            sa.func.coalesce(revision.scalar_subquery(), 0).label("revision"),
            calls.c.transcript_closed_at,
        ).where(calls.c.tenant_id.in_(tenants), wanted)
        rows: Sequence[Any] = (await conn.execute(query)).all()
        return rows

"""Reading calls page by page: by offset, or by cursor along (created_at, id), newest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.counts import total
from calls.errors import Invalid
from calls.search.index import call_words, matches, number_of, within
from calls.search.words import Phrase
from calls.tables import calls, participants

# What a list shows. Decoding the rest, the agent's snapshot above all, would take most of the time.
SHOWN = (
    "id",
    "room_name",
    "agent_id",
    "status",
    "end_reason",
    "created_at",
    "started_at",
    "ended_at",
    "bill_duration",
    "cost_micros",
    "metadata",
    "intelligence_status",
    "participant_count",
    "primary_identity",
    "primary_transport",
    "erased_at",
)
MOST_COUNTED = 1_000
_COLUMNS = [calls.c[name] for name in SHOWN]


@dataclass(frozen=True)
class Wanted:
    """Which of a tenant's calls: those of which all of this is true.

    `participant` is the identity or number of anybody in them, `transport` that of their primary participant. They were
    created at `created_from` or later, and before `created_to`. All `phrases` stand in their transcripts; while a call
    runs it is not found by them.
    """

    status: str | None = None
    agent_id: str | None = None
    end_reason: str | None = None
    batch_id: str | None = None
    transport: str | None = None
    participant: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    phrases: tuple[Phrase, ...] = ()

    @property
    def are_counted(self) -> bool:
        """Whether counters say how many there are."""
        return self == Wanted(status=self.status, agent_id=self.agent_id)


@dataclass(frozen=True)
class Page:
    """One page of calls.

    `rows` begin with what is `SHOWN`; `total` counts all that match, but those of which there are no counters only up
    to one more than MOST_COUNTED; `next_cursor` is the id to go on from, None at the end.
    """

    rows: list[sa.Row[Any]]
    total: int
    next_cursor: str | None


async def list_calls(
    connection: AsyncConnection,
    tenant_id: str,
    wanted: Wanted,
    *,
    limit: int,
    offset: int = 0,
    cursor: str | None = None,
) -> Page:
    """A page of a tenant's calls, newest first; a cursor that names none of its calls is Invalid."""
    source = _source(connection.dialect.name, tenant_id, wanted)
    conditions = _conditions(connection.dialect.name, tenant_id, wanted, source)
    found: sa.Select[Any] = sa.select().select_from(source.tables).where(*conditions)
    # All in one statement: each visit to the database costs more than what it has to do there.
    matching = _count(tenant_id, wanted, found)
    query = found.add_columns(*_COLUMNS, matching.label("total"))
    last = sa.select(*source.place).where(calls.c.tenant_id == tenant_id, calls.c.id == cursor)
    if cursor is not None:
        query = query.where(sa.tuple_(*source.order) < last.scalar_subquery())
    query = query.order_by(*(column.desc() for column in source.order)).limit(limit + 1).offset(offset)
    rows = list((await connection.execute(query)).all())
    if rows:
        return Page(rows[:limit], rows[0].total, rows[limit - 1].id if len(rows) > limit else None)
    if cursor is not None and (await connection.execute(last)).one_or_none() is None:
        raise Invalid.field("cursor", "expected the id of a call")
    return Page([], (await connection.execute(sa.select(matching))).scalar_one(), None)


@dataclass(frozen=True)
class _Source:
    """Where to look first: the tables, in which order the calls are found there, and at what place a call stands."""

    tables: sa.FromClause
    order: tuple[sa.ColumnElement[Any], ...]
    place: tuple[sa.ColumnElement[Any], ...] = (calls.c.created_at, calls.c.id)
    conditions: tuple[sa.ColumnElement[bool], ...] = ()
    created_at: sa.Column[datetime] = calls.c.created_at


def _source(dialect: str, tenant_id: str, wanted: Wanted) -> _Source:
    """Each is an index that has the calls in their order, so that it is read only as far as a page goes."""
    if wanted.participant is not None:
        again = participants.alias()
        same = (again.c.call_id == participants.c.call_id, again.c.identity == participants.c.identity)
        return _Source(
            participants.join(calls, calls.c.id == participants.c.call_id),
            order=(participants.c.call_created_at, participants.c.call_id),
            conditions=(
                participants.c.tenant_id == tenant_id,
                participants.c.identity == wanted.participant,
                # A phone that is called again is in a call twice.
                ~sa.exists().where(*same, again.c.position < participants.c.position),
            ),
            created_at=participants.c.call_created_at,
        )
    if wanted.phrases:
        return _Source(
            call_words.join(calls, calls.c.id == call_words.c.call_id),
            order=(call_words.c.rowid,),
            place=(number_of(calls.c.id),),
            conditions=(
                matches(dialect, tenant_id, wanted.phrases),
                *within(tenant_id, wanted.created_from, wanted.created_to),
            ),
        )
    return _Source(calls, order=(calls.c.created_at, calls.c.id))


def _conditions(dialect: str, tenant_id: str, wanted: Wanted, source: _Source) -> Iterator[sa.ColumnElement[bool]]:
    yield from source.conditions
    yield calls.c.tenant_id == tenant_id
    equal = {
        calls.c.status: wanted.status,
        calls.c.agent_id: wanted.agent_id,
        calls.c.end_reason: wanted.end_reason,
        calls.c.batch_id: wanted.batch_id,
        calls.c.primary_transport: wanted.transport,
    }
    for column, value in equal.items():
        if value is not None:
            yield column == value
    if wanted.created_from is not None:
        yield source.created_at >= wanted.created_from
    if wanted.created_to is not None:
        yield source.created_at < wanted.created_to
    if wanted.phrases and wanted.participant is not None:
        number = call_words.c.rowid == number_of(calls.c.id)
        yield sa.exists().select_from(call_words).where(number, matches(dialect, tenant_id, wanted.phrases))


def _count(tenant_id: str, wanted: Wanted, found: sa.Select[Any]) -> sa.Cast[int]:
    if wanted.are_counted:
        return total(tenant_id, status=wanted.status, agent_id=wanted.agent_id)
    some = found.add_columns(sa.literal(1)).limit(MOST_COUNTED + 1).subquery()
    return sa.cast(sa.select(sa.func.count()).select_from(some).scalar_subquery(), sa.BigInteger)

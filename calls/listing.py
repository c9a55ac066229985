"""Reading calls page by page: by offset, or by cursor along (created_at, id)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.analysis.findings import NOTHING, Finding, read_findings
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
# And the name that the agent had: of one that was deleted since nothing else tells it.
LISTED = (*SHOWN, "agent_name")
MOST_COUNTED = 1_000
Order = Literal["asc", "desc"]
LISTED_COLUMNS = [*(calls.c[name] for name in SHOWN), calls.c.agent["name"].as_string().label("agent_name")]


@dataclass(frozen=True)
class Wanted:
    """Which of a tenant's calls: those of which all of this is true.

    `participants` are identities or numbers, of which anybody in them has one, `transport` is that of their primary
    participant. They were created at `created_from` or later, and before `created_to`. All `phrases` stand in their
    transcripts; while a call runs it is not found by them.
    """

    status: str | None = None
    agent_id: str | None = None
    end_reason: str | None = None
    batch_id: str | None = None
    transport: str | None = None
    participants: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    phrases: tuple[Phrase, ...] = ()


@dataclass(frozen=True)
class Page:
    """One page of calls.

    `rows` begin with what is `LISTED`; `total` counts all that match, but those of which there are no counters only up
    to one more than MOST_COUNTED; `next_cursor` is the id to go on from, None at the end; `findings` are by call.
    """

    rows: list[sa.Row[Any]]
    total: int
    next_cursor: str | None
    findings: dict[str, Finding]

    def found(self, row: sa.Row[Any]) -> Finding:
        """What is known of how the call of one of its rows went."""
        return self.findings.get(row.id, NOTHING)


async def list_calls(
    connection: AsyncConnection,
    tenant_id: str,
    wanted: Wanted,
    *,
    limit: int,
    offset: int = 0,
    cursor: str | None = None,
    order: Order = "desc",
) -> Page:
    """A page of a tenant's calls, by default the newest first; a cursor that names none of its calls is Invalid."""
    source = await _choose(connection, tenant_id, wanted)
    conditions = _conditions(connection.dialect.name, tenant_id, wanted, source)
    found: sa.Select[Any] = sa.select().select_from(source.tables).where(*conditions)
    # All in one statement: each visit to the database costs more than what it has to do there.
    are_counted = wanted == Wanted(status=wanted.status, agent_id=wanted.agent_id)
    matching = total(tenant_id, status=wanted.status, agent_id=wanted.agent_id) if are_counted else _count(found)
    query = found.add_columns(*LISTED_COLUMNS, matching.label("total"))
    last = sa.select(*source.place).where(calls.c.tenant_id == tenant_id, calls.c.id == cursor)
    if cursor is not None:
        place, behind = sa.tuple_(*source.order), last.scalar_subquery()
        query = query.where(place < behind if order == "desc" else place > behind)
    ordered = [column.desc() if order == "desc" else column for column in source.order]
    query = query.order_by(*ordered).limit(limit + 1).offset(offset)
    rows = list((await connection.execute(query)).all())
    if rows:
        shown = rows[:limit]
        findings = await read_findings(connection, [row.id for row in shown])
        return Page(shown, rows[0].total, shown[-1].id if len(rows) > limit else None, findings)
    if cursor is not None and (await connection.execute(last)).one_or_none() is None:
        raise Invalid.field("cursor", "expected the id of a call")
    return Page([], (await connection.execute(sa.select(matching))).scalar_one(), None, {})


@dataclass(frozen=True)
class _Source:
    """Where to look first: an index that has some calls in their order, so that it is read only as far as a page goes.

    `conditions` of `table` say which calls these are; a call's `place` is what is compared with the `order`.
    """

    table: sa.FromClause
    conditions: list[sa.ColumnElement[bool]]
    tables: sa.FromClause = calls
    order: tuple[sa.ColumnElement[Any], ...] = (calls.c.created_at, calls.c.id)
    place: tuple[sa.ColumnElement[Any], ...] = (calls.c.created_at, calls.c.id)


async def _choose(connection: AsyncConnection, tenant_id: str, wanted: Wanted) -> _Source:
    """Of several sources one that finds few calls: of each that it finds the other conditions have to be asked."""
    sources = list(_sources(connection.dialect.name, tenant_id, wanted))
    for source in sources if len(sources) > 1 or wanted.phrases else ():
        some = sa.select().select_from(source.table).where(*source.conditions)
        if (await connection.execute(sa.select(_count(some)))).scalar_one() <= MOST_COUNTED:
            # Postgres takes any rare word for one that comes soon in their order: it is to find the few, and sort them.
            by_words = source.table is call_words
            return replace(source, order=(call_words.c.rowid + 0,)) if by_words else source
    # Of a call in particular it takes the longest to say which words it has.
    return next((source for source in sources if source.table is call_words), sources[-1])


def _sources(dialect: str, tenant_id: str, wanted: Wanted) -> Iterator[_Source]:
    """Those that there are for these conditions, at least one."""
    if wanted.participants:
        yield _by_participant(tenant_id, wanted)
    if wanted.phrases:
        found = [matches(dialect, tenant_id, wanted.phrases)]
        yield _Source(
            call_words,
            found + within(tenant_id, wanted.created_from, wanted.created_to),
            tables=call_words.join(calls, calls.c.id == call_words.c.call_id),
            order=(call_words.c.rowid,),
            place=(number_of(calls.c.id),),
        )
    equal = list(_equal(wanted))
    if equal or not (wanted.participants or wanted.phrases):
        yield _Source(calls, [calls.c.tenant_id == tenant_id, *equal, *_created(calls.c.created_at, wanted)])


def _by_participant(tenant_id: str, wanted: Wanted) -> _Source:
    again = participants.alias()
    same = (again.c.call_id == participants.c.call_id, again.c.identity.in_(wanted.participants))
    return _Source(
        participants,
        [
            participants.c.tenant_id == tenant_id,
            participants.c.identity.in_(wanted.participants),
            *_created(participants.c.call_created_at, wanted),
            # A phone that is called again is in a call twice.
            ~sa.exists().where(*same, again.c.position < participants.c.position),
        ],
        tables=participants.join(calls, calls.c.id == participants.c.call_id),
        order=(participants.c.call_created_at, participants.c.call_id),
    )


def _conditions(dialect: str, tenant_id: str, wanted: Wanted, source: _Source) -> Iterator[sa.ColumnElement[bool]]:
    yield from source.conditions
    if source.table is not calls:
        yield calls.c.tenant_id == tenant_id
        yield from _equal(wanted)
        yield from _created(calls.c.created_at, wanted)
    if wanted.participants and source.table is not participants:
        mine = participants.c.call_id == calls.c.id
        yield sa.exists().where(mine, participants.c.identity.in_(wanted.participants))
    if wanted.phrases and source.table is not call_words:
        number = call_words.c.rowid == number_of(calls.c.id)
        yield sa.exists().select_from(call_words).where(number, matches(dialect, tenant_id, wanted.phrases))


def _equal(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    values = {
        calls.c.status: wanted.status,
        calls.c.agent_id: wanted.agent_id,
        calls.c.end_reason: wanted.end_reason,
        calls.c.batch_id: wanted.batch_id,
        calls.c.primary_transport: wanted.transport,
    }
    for column, value in values.items():
        if value is not None:
            yield column == value


def _created(column: sa.Column[datetime], wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.created_from is not None:
        yield column >= wanted.created_from
    if wanted.created_to is not None:
        yield column < wanted.created_to


def _count(found: sa.Select[Any]) -> sa.Cast[int]:
    """How many there are, up to one more than MOST_COUNTED; to be selected."""
    some = found.add_columns(sa.literal(1)).limit(MOST_COUNTED + 1).subquery()
    return sa.cast(sa.select(sa.func.count()).select_from(some).scalar_subquery(), sa.BigInteger)

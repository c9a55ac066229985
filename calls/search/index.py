"""The index of the words of all transcripts that are closed: FTS5 in SQLite, a `tsvector` in Postgres.

A `tsvector` keeps too few places of a word to tell which words follow each other in a long call: Postgres has the words
once more as a text, with a space before each and behind the last, in which a phrase is looked for.

A call's words stand there from the transaction that closes its transcript to the one that erases it. What nobody can
change any more is indexed once: a running call writes no slower for it.

A call is known there by its number, that of its first event: calls are numbered as they are created, so that the newest
of those that match are found first, however many match.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.search.words import BREAK, Phrase, words_of
from calls.tables import PRESSED, call_events, calls, segments

# FTS5 makes its own tables: this is none of those whose differences make a migration.
call_words = sa.table(
    "call_words",
    sa.column("rowid", sa.BigInteger),  # the call's number
    sa.column("call_id", sa.Text),
    sa.column("tenant_id", sa.Text),
    sa.column("words", sa.Text),
    sa.column("text", sa.Text),  # in Postgres
)

# Of two calls that are created within this, the one with the lower number may be the later one.
_AT_ONCE = timedelta(minutes=1)


async def add_words(conn: AsyncConnection, tenant_id: str, call_id: str) -> None:
    """Index the words of a call whose transcript is closed."""
    said = sa.select(segments.c.text).where(segments.c.call_id == call_id, segments.c.source != PRESSED)
    texts = (await conn.scalars(said.order_by(segments.c.sequence))).all()
    dialect = conn.dialect.name
    # An hour of talk takes some 30 ms: others in this process need not wait for it.
    row = await asyncio.to_thread(indexed, dialect, tenant_id, call_id, texts)
    await conn.execute(INSERT[dialect], row)


async def forget_words(conn: AsyncConnection, call_id: str) -> None:
    """Take the words of a call out of the index."""
    await conn.execute(sa.delete(call_words).where(call_words.c.rowid == number_of(sa.literal(call_id))))


def number_of(call_id: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    """The number by which the index knows a call."""
    events = call_events.alias()
    first = sa.select(sa.func.min(events.c.id)).where(events.c.call_id == call_id)
    return first.correlate(calls).scalar_subquery()


def within(tenant_id: str, since: datetime | None, until: datetime | None) -> list[sa.ColumnElement[bool]]:
    """Bounds of the numbers of a tenant's calls from `since` to `until`, so that no others are looked at.

    Some others may be within them.
    """
    bounds: list[sa.ColumnElement[bool]] = []
    if since is not None:
        bounds.append(call_words.c.rowid >= _first_number(tenant_id, since - _AT_ONCE))
    if until is not None:
        no_later = sa.func.coalesce(_first_number(tenant_id, until + _AT_ONCE), sa.literal(2**62))
        bounds.append(call_words.c.rowid < no_later)
    return bounds


def _first_number(tenant_id: str, since: datetime) -> sa.ScalarSelect[int]:
    others = calls.alias()
    first = sa.select(others.c.id).where(others.c.tenant_id == tenant_id, others.c.created_at >= since)
    return number_of(first.order_by(others.c.created_at, others.c.id).limit(1).scalar_subquery())


def matches(dialect: str, tenant_id: str, phrases: Sequence[Phrase]) -> sa.ColumnElement[bool]:
    """Whether a row of the index is of this tenant and has all of these phrases."""
    tenant = _tenant(dialect, tenant_id)
    if dialect == "sqlite":
        asked = " AND ".join([f'tenant_id : "{tenant}"', *(f"words : {_fts5(phrase)}" for phrase in phrases)])
        return sa.literal_column("call_words").op("MATCH")(sa.literal(asked))
    # Written into the statement: only so does the planner know whether it is a common word or a rare one.
    asked = " & ".join(map(_tsquery, phrases))
    query = sa.bindparam(None, asked, sa.Text, literal_execute=True, unique=True)
    found = call_words.c.words.op("@@")(sa.cast(query, TSQUERY))
    stands = (sa.func.strpos(call_words.c.text, _in_text(one)) > 0 for one in phrases if len(one.words) > 1)
    return sa.and_(call_words.c.tenant_id == tenant, found, *stands)


def indexed(dialect: str, tenant_id: str, call_id: str, texts: Iterable[str]) -> dict[str, str]:
    """The parameters of INSERT for a call in which this was said."""
    words = words_of(texts)
    row = {"call_id": call_id, "tenant_id": _tenant(dialect, tenant_id)}
    if dialect == "sqlite":
        return {**row, "words": " ".join(words)}
    return {**row, "words": " ".join(f"'{word}'" for word in {*words} - {BREAK}), "text": f" {' '.join(words)} "}


def _tenant(dialect: str, tenant_id: str) -> str:
    """The tenant as the index has it: for FTS5 as one word."""
    return tenant_id.replace("-", "") if dialect == "sqlite" else tenant_id


def _fts5(phrase: Phrase) -> str:
    return f'"{" ".join(phrase.words)}"' + (" *" if phrase.goes_on else "")


def _tsquery(phrase: Phrase) -> str:
    words = [f"'{word}'" for word in phrase.words]
    if phrase.goes_on:
        words[-1] += ":*"
    return " & ".join(words)


def _in_text(phrase: Phrase) -> str:
    return f" {' '.join(phrase.words)}" + ("" if phrase.goes_on else " ")


def _insert(**words: sa.ColumnElement[Any]) -> sa.Insert:
    call_id, tenant_id = (sa.bindparam(name, type_=sa.Text) for name in ("call_id", "tenant_id"))
    row = sa.select(number_of(call_id), call_id, tenant_id, *words.values())
    return sa.insert(call_words).from_select(["rowid", "call_id", "tenant_id", *words], row)


_WORDS, _TEXT = (sa.bindparam(name, type_=sa.Text) for name in ("words", "text"))
INSERT = {"sqlite": _insert(words=_WORDS), "postgresql": _insert(words=sa.cast(_WORDS, TSVECTOR), text=_TEXT)}

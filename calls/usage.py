"""What calls come to, day by day: counted where it happens, so that a million calls are read as quickly as one.

A call counts on the day (UTC) on which it was asked for, and goes on counting when it is erased. How long callers
waited for answers is kept as how many answers took how long, in steps of `STEP_MS`.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.engine import upsert
from calls.states import CallStatus
from calls.tables import answer_times, usage

STEP_MS = 50
LAST_STEP = 400  # and all that took longer
BATCH = 5000  # rows: some 20 ms


@dataclass(frozen=True)
class Place:
    """Where something is counted."""

    tenant_id: str
    day: date
    agent_id: str

    @classmethod
    def of(cls, call: sa.Row[Any]) -> Self:
        """Where a call is counted, and its answers."""
        created_at: datetime = call.created_at
        return cls(call.tenant_id, created_at.date(), call.agent_id)


@dataclass
class Figures:
    """What some calls came to.

    Args:
        failures: end reason -> how many failed so.
        answers: step -> how many answers took so long.
    """

    completed: int = 0
    seconds: int = 0
    cost_micros: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        """How many there were."""
        return self.completed + self.failures.total()

    def percentile_ms(self, share: float) -> int | None:
        """So long or shorter took this share of the answers, to less than a step.

        None if there were none, or if it is more than the steps tell apart: `STEP_MS * LAST_STEP` or longer.
        """
        rank = share * self.answers.total()
        below = 0
        for step, count in sorted(self.answers.items()):
            if count and below + count >= rank:
                return None if step == LAST_STEP else round(STEP_MS * (step + (rank - below) / count))
            below += count
        return None


async def count_call(
    conn: AsyncConnection, place: Place, status: str, reason: str, *, calls: int = 0, seconds: int = 0, micros: int = 0
) -> None:
    """Add to what the calls that ended so come to, in the transaction that ends one, or finds out more about it."""
    values = {"status": status, "end_reason": reason, "calls": calls, "seconds": seconds, "cost_micros": micros}
    await conn.execute(_add_calls(conn.dialect.name), {**vars(place), **values})


async def count_answers(conn: AsyncConnection, place: Place, more: Mapping[int, int]) -> None:
    """Add to how many answers took so long, `{step: how many more}`."""
    # In a fixed order: two transactions that lock the same counters must not wait for each other crosswise.
    rows = [{**vars(place), "step": step, "answers": count} for step, count in sorted(more.items()) if count]
    if rows:
        await conn.execute(_add_answers(conn.dialect.name), rows)


def steps(waits_ms: Iterable[int]) -> Counter[int]:
    """How many of these waits are in each step."""
    return Counter(min(max(ms, 0) // STEP_MS, LAST_STEP) for ms in waits_ms)


async def read_usage(
    conn: AsyncConnection,
    tenant_id: str,
    first: date,
    last: date,
    *,
    agent_id: str | None,
    by: Collection[str],
) -> dict[tuple[Any, ...], Figures]:
    """Give the figures of these days for each `day`, each `agent_id`, or each of both, as `by` says, in that order."""
    groups: dict[tuple[Any, ...], Figures] = {}
    sums = [sa.func.sum(usage.c[name]).label(name) for name in ("calls", "seconds", "cost_micros")]
    kinds = (usage.c.status, usage.c.end_reason)
    query = _grouped(usage, by, kinds, sums, tenant_id, first, last, agent_id)
    async for *key, status, reason, calls, seconds, micros in _rows(conn, query):
        figures = groups.setdefault(tuple(key), Figures())
        figures.seconds += int(seconds)
        figures.cost_micros += int(micros)
        if status == CallStatus.FAILED:
            figures.failures[reason] += int(calls)
        else:
            figures.completed += int(calls)
    answers = [sa.func.sum(answer_times.c.answers)]
    query = _grouped(answer_times, by, (answer_times.c.step,), answers, tenant_id, first, last, agent_id)
    async for *key, step, count in _rows(conn, query):
        groups.setdefault(tuple(key), Figures()).answers[step] += int(count)
    return dict(sorted(groups.items()))


def total(groups: Iterable[Figures]) -> Figures:
    """What they come to together."""
    whole = Figures()
    for one in groups:
        whole.completed += one.completed
        whole.seconds += one.seconds
        whole.cost_micros += one.cost_micros
        whole.failures += one.failures
        whole.answers += one.answers
    return whole


async def _rows(conn: AsyncConnection, query: sa.Select[Any]) -> AsyncIterator[Sequence[Any]]:
    """The rows, a few at a time: a year of many agents has so many that others wait if they come at once."""
    async with conn.stream(query) as result:
        async for some in result.partitions(BATCH):
            for row in some:
                yield row


def _grouped(
    table: sa.Table,
    by: Collection[str],
    kinds: Sequence[sa.Column[Any]],
    sums: Sequence[sa.ColumnElement[Any]],
    tenant_id: str,
    first: date,
    last: date,
    agent_id: str | None,
) -> sa.Select[Any]:
    columns = [*(table.c[name] for name in by), *kinds]
    query = sa.select(*columns, *sums).where(table.c.tenant_id == tenant_id, table.c.day.between(first, last))
    if agent_id is not None:
        query = query.where(table.c.agent_id == agent_id)
    return query.group_by(*columns)


@cache
def _add_calls(dialect: str) -> sa.Insert:
    statement = upsert(dialect, usage)
    names = ("calls", "seconds", "cost_micros")
    return statement.on_conflict_do_update(
        index_elements=list(usage.primary_key.columns),
        set_={name: usage.c[name] + statement.excluded[name] for name in names},
    )


@cache
def _add_answers(dialect: str) -> sa.Insert:
    statement = upsert(dialect, answer_times)
    return statement.on_conflict_do_update(
        index_elements=list(answer_times.primary_key.columns),
        set_={"answers": answer_times.c.answers + statement.excluded.answers},
    )

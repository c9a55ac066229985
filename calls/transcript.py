"""The transcript: segments in the order in which they began, written while the call runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.changes import CALLS, mark
from calls.database.engine import upsert
from calls.settling import next_revision
from calls.tables import PRESSED, segments
from calls.workers import leases

CALLER = "user"
AGENT = "agent"

SPOKEN = "runtime"  # where a segment comes from, unless it was PRESSED


@dataclass(frozen=True)
class Segment:
    """One utterance so far; times in milliseconds from the call's `started_at`."""

    sequence: int
    speaker: str
    text: str
    started_at_ms: int
    ended_at_ms: int
    is_final: bool
    participant_id: str | None = None
    participant_identity: str | None = None
    source: str = SPOKEN
    is_cut: bool = False  # who said it was interrupted, or lost


async def write_segments(
    connection: AsyncConnection,
    call_id: str,
    token: int,
    new: Sequence[Segment],
) -> bool:
    """Insert or overwrite segments by sequence; False, and nothing written, if `token` is not the current lease's."""
    if not await leases.hold(connection, call_id, token):
        return False
    if not new:
        return True
    mark(connection, CALLS)
    first = await next_revision(connection, call_id)
    rows = [{"call_id": call_id, "revision": number, **vars(segment)} for number, segment in enumerate(new, first)]
    await connection.execute(_overwrite(connection.dialect.name), rows)
    return True


@cache
def _overwrite(dialect: str) -> sa.Insert:
    statement = upsert(dialect, segments)
    fixed = {"call_id", "sequence"}
    return statement.on_conflict_do_update(
        index_elements=["call_id", "sequence"],
        set_={column.name: statement.excluded[column.name] for column in segments.c if column.name not in fixed},
    )


_OF_CALL = sa.select(segments).where(segments.c.call_id == sa.bindparam("call_id"))
_SEGMENTS = _OF_CALL.order_by(segments.c.sequence)
_LATER_SEGMENTS = _OF_CALL.where(segments.c.revision > sa.bindparam("after")).order_by(segments.c.revision)


async def read_transcript(
    connection: AsyncConnection,
    call_id: str,
    *,
    after_revision: int | None = None,
) -> list[sa.Row[Any]]:
    """The call's segments in order; with `after_revision`, those that were written later than that."""
    query = _SEGMENTS if after_revision is None else _LATER_SEGMENTS
    return list((await connection.execute(query, {"call_id": call_id, "after": after_revision})).all())


def spoken(rows: Sequence[sa.Row[Any]]) -> list[sa.Row[Any]]:
    """What was said, without what was pressed."""
    return [row for row in rows if row.source != PRESSED]


def as_text(rows: Sequence[Any]) -> str:
    """What was said, as lines `Caller: …` and `Agent: …`; with several callers, their names stand for "Caller"."""
    several = len({row.participant_identity for row in rows if row.speaker != AGENT}) > 1
    return "\n".join(f"{_speaker(row, several=several)}: {' '.join(row.text.split())}" for row in spoken(rows))


def _speaker(row: Any, *, several: bool) -> str:  # noqa: ANN401 - a row of `segments`
    if row.speaker == AGENT:
        return "Agent"
    # A name may hold anything: it is not to end before its line does, nor to pass for somebody else's.
    name = " ".join((row.participant_identity or "").replace(":", " ").split())
    if not several or not name:
        return "Caller"
    return f"Caller ({name})" if name.casefold() in {"agent", "caller"} else name

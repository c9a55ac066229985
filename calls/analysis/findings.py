"""What a list shows of what was found in calls."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.tables import results


@dataclass(frozen=True)
class Finding:
    """How a call went: None where nobody asked, or nothing is known yet."""

    sentiment: str | None = None
    passed: bool | None = None


NOTHING = Finding()
_SUMMARY, _EVALUATION = "summary", "evaluation"

# Of what is extracted, which may be large, nothing is shown: only that it was asked for counts.
_VALUE = sa.case((results.c.stage.in_([_SUMMARY, _EVALUATION]), results.c.value))
_FOUND = (
    sa.select(results.c.call_id, results.c.generation, results.c.stage, _VALUE)
    .where(results.c.call_id.in_(sa.bindparam("call_ids", expanding=True)))
    .order_by(results.c.call_id, results.c.generation.desc())
)


async def read_findings(conn: AsyncConnection, call_ids: Collection[str]) -> dict[str, Finding]:
    """What is known of these calls: of each part of the latest generation what it found, or what was found before."""
    if not call_ids:
        return {}
    rows = (await conn.execute(_FOUND, {"call_ids": list(call_ids)})).all()
    return {call_id: _finding(list(parts)) for call_id, parts in groupby(rows, key=lambda row: row[0])}


def _finding(parts: list[sa.Row[str, int, str, dict[str, Any] | None]]) -> Finding:
    _, latest, _, _ = parts[0]
    asked = {stage for _, generation, stage, _ in parts if generation == latest}
    found = {stage: value for _, _, stage, value in reversed(parts) if value is not None and stage in asked}
    return Finding(found.get(_SUMMARY, {}).get("sentiment"), found.get(_EVALUATION, {}).get("passed"))

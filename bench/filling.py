"""Calls of a year, put into a database as they are kept when they are over."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.engine import DEFAULT_TENANT, Database
from calls.search.index import INSERT, indexed
from calls.tables import call_counts, call_events, calls, generations, participants, results, segments

CHUNK = 20_000
PATIENCE_S = 600.0  # of a statement: the planner's statistics of a million calls
WITH_TRANSCRIPT = 1_000
SPOKEN_S = 4  # seconds of a call per segment
SENTENCE = "Of course, I can book that table for you. For how many people shall it be?"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


async def fill(url: str, agent: dict[str, Any], call_ids: list[str], count: int) -> None:
    """Make so many more completed calls that there are `count`, of which the latest 1,000 have a transcript.

    Args:
        url: the database's.
        agent: `{"id", "name", **config}`, whom they are with.
        call_ids: of those that are there; gets those of the new ones, the latest at the end.
        count: how many there are to be.
    """
    database = Database(url, patience_s=PATIENCE_S)
    try:
        while len(call_ids) < count:
            numbers = range(len(call_ids), min(len(call_ids) + CHUNK, count))
            new = [str(uuid.uuid4()) for _ in numbers]
            async with database.writing() as connection:
                await _insert(connection, calls, map(_call, new, numbers, repeat(agent)))
                await _insert(connection, participants, map(_participant, new, numbers))
                await _insert(connection, generations, map(_generation, new))
                await _insert(connection, results, map(_summary, new))
                await _insert(connection, call_events, map(_event, new))
                words = [indexed(connection.dialect.name, DEFAULT_TENANT, call_id, [SENTENCE]) for call_id in new]
                await connection.execute(INSERT[connection.dialect.name], words)
            call_ids += new
        async with database.writing() as connection:
            with_transcript = call_ids[-WITH_TRANSCRIPT:]
            await _insert(connection, segments, (row for call_id in with_transcript for row in _segments(call_id)))
            counted = {"tenant_id": DEFAULT_TENANT, "agent_id": agent["id"], "status": "completed", "calls": count}
            await connection.execute(sa.delete(call_counts).where(call_counts.c.status == "completed"))
            await connection.execute(sa.insert(call_counts), counted)
        async with database.writing() as connection:
            await connection.execute(sa.text("ANALYZE"))
    finally:
        await database.close()


async def _insert(connection: AsyncConnection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    await connection.execute(sa.insert(table), list(rows))


def _call(call_id: str, number: int, agent: dict[str, Any]) -> dict[str, Any]:
    created = _created_at(number)
    ended = created + timedelta(seconds=61)
    return {
        "id": call_id,
        "tenant_id": DEFAULT_TENANT,
        "agent_id": agent["id"],
        "agent": agent,
        "room_name": f"call_{call_id}",
        "status": "completed",
        "end_reason": "caller_hung_up",
        "metadata": {"source": "bench"},
        "variables": {},
        "post_call": {"summary": {"enabled": True}},
        "intelligence_status": "completed",
        "participant_count": 1,
        "primary_identity": "ada",
        "primary_transport": "webrtc",
        "bill_duration": 60,
        "created_at": created,
        "started_at": created + timedelta(seconds=1),
        "ended_at": ended,
        "transcript_closed_at": ended,
        "dispatches": 1,
    }


def _created_at(number: int) -> datetime:
    return BEGAN + timedelta(seconds=number)


def _participant(call_id: str, number: int) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "call_id": call_id,
        "tenant_id": DEFAULT_TENANT,
        "position": 0,
        "transport": "webrtc",
        "identity": "ada",
        "room_identity": "ada",
        "status": "left",
        "metadata": {},
        "call_created_at": _created_at(number),
        "created_at": _created_at(number),
    }


def _generation(call_id: str) -> dict[str, Any]:
    times = {"asked_at": BEGAN, "created_at": BEGAN, "concluded_at": BEGAN}
    return {"call_id": call_id, "number": 1, "status": "completed", "post_call": {}, **times}


def _summary(call_id: str) -> dict[str, Any]:
    value = {"summary": SENTENCE, "sentiment": "positive"}
    part = {"generation": 1, "stage": "summary", "status": "completed"}
    return {"call_id": call_id, **part, "value": value, "created_at": BEGAN, "ended_at": BEGAN}


def _event(call_id: str) -> dict[str, Any]:
    what = {"kind": "call.created", "level": "info", "source": "lifecycle", "message": "Call created"}
    return {"call_id": call_id, "created_at": BEGAN, **what}


def _segments(call_id: str) -> Iterator[dict[str, Any]]:
    for number in range(20):
        yield {
            "call_id": call_id,
            "sequence": number,
            "speaker": "user" if number % 2 else "agent",
            "text": SENTENCE,
            "started_at_ms": number * SPOKEN_S * 1000,
            "ended_at_ms": (number + 1) * SPOKEN_S * 1000 - 500,
            "is_final": True,
            "source": "runtime",
            "revision": number + 1,
        }

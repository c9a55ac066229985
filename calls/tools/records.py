"""Calls of an agent's tools as they are kept: each has a row before it is made, and what came of it afterwards."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.tables import tool_calls

Row = sa.Row[Any]


class ToolCallStatus(StrEnum):
    """What is known of a call of a tool."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"  # whoever made it is gone: nobody can say whether it was done


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that is about to be made; `id` names it for its server."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    started_at_ms: int


@dataclass(frozen=True)
class Outcome:
    """What came of it; of a failure `error` says why."""

    status: ToolCallStatus
    duration_ms: int
    answer: str | None = None
    error: str | None = None


_READ = sa.select(tool_calls).where(tool_calls.c.call_id == sa.bindparam("call_id"))
_IN_ORDER = _READ.order_by(tool_calls.c.started_at_ms, tool_calls.c.created_at, tool_calls.c.id)


async def begin_tool_call(conn: AsyncConnection, call_id: str, made: ToolCall) -> None:
    """Write it down before it is made."""
    await conn.execute(sa.insert(tool_calls).values(call_id=call_id, status=ToolCallStatus.RUNNING, **vars(made)))


async def end_tool_call(conn: AsyncConnection, tool_call_id: str, outcome: Outcome) -> None:
    """Write down what came of it."""
    await conn.execute(sa.update(tool_calls).where(tool_calls.c.id == tool_call_id).values(**vars(outcome)))


async def read_tool_calls(conn: AsyncConnection, call_id: str) -> list[Row]:
    """Give the call's calls of tools in the order in which they began."""
    return list((await conn.execute(_IN_ORDER, {"call_id": call_id})).all())


async def settle_tool_calls(conn: AsyncConnection, call_id: str) -> None:
    """Of those that were still running nobody will learn any more what came of them."""
    running = (tool_calls.c.call_id == call_id, tool_calls.c.status == ToolCallStatus.RUNNING)
    await conn.execute(sa.update(tool_calls).where(*running).values(status=ToolCallStatus.UNKNOWN))

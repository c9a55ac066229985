"""Calls that LiveKit Egress records, and what is there of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from livekit import api

from calls.events import EventKind
from calls.tables import call_events, egresses, jobs
from pipeline.deps import Deps
from pipeline.recorder import keep_recording
from tests.egress import EgressStandIn
from tests.pipeline.finished import running_call, working
from tests.pipeline.sound import Pcm

RECORDED = {"recording": {"enabled": True}}
LOW, HIGH = 400, 1100
Recorded = Callable[[], AbstractAsyncContextManager[tuple[str, int, api.EgressInfo]]]


@asynccontextmanager
async def recording(deps: Deps, pipelines: int = 1) -> AsyncIterator[None]:
    """So many pipelines at work."""
    stop = asyncio.Event()
    async with working(deps), asyncio.TaskGroup() as loops:
        for _ in range(pipelines):
            loops.create_task(keep_recording(deps, stop, every_s=0.2))
        try:
            yield
        finally:
            stop.set()


async def talking(deps: Deps, post_call: dict[str, Any] = RECORDED) -> tuple[str, int]:
    """A call with its room: its id and the token of its agent."""
    call_id, token = await running_call(deps.db, post_call, said=())
    await deps.rooms.create_room(f"call_{call_id}", call_id)
    return call_id, token


async def is_recorded(stand_in: EgressStandIn, call_id: str, number: int = 1) -> api.EgressInfo | None:
    """The call's first egress, or second, …, once it is there."""
    found = stand_in.of(f"call_{call_id}")
    return found[number - 1] if len(found) >= number else None


async def rows(deps: Deps, table: sa.Table, call_id: str) -> list[sa.Row[Any]]:
    mine = sa.select(table).where(table.c.call_id == call_id).order_by(*table.primary_key)
    async with deps.db.reading() as conn:
        return list((await conn.execute(mine)).all())


async def is_over(deps: Deps, call_id: str) -> bool:
    """Whether there is nothing more to do for the call."""
    unfinished = (jobs.c.call_id == call_id, jobs.c.finished_at.is_(None))
    async with deps.db.reading() as conn:
        return not await conn.scalar(sa.select(sa.exists().where(*unfinished)))


async def events(deps: Deps, call_id: str) -> list[str]:
    return [row.kind for row in await rows(deps, call_events, call_id) if row.kind.startswith("recording.")]


def as_egress_hears(pcm: Pcm) -> Pcm:
    """The agent on the left."""
    return np.ascontiguousarray(pcm[:, ::-1])


async def began(deps: Deps, call_id: str) -> bool:
    return any(row.started_at for row in await rows(deps, egresses, call_id))


async def interrupted(deps: Deps, call_id: str) -> bool:
    return EventKind.RECORDING_INTERRUPTED in await events(deps, call_id)


def stored_files(deps: Deps) -> list[Path]:
    return [file for file in (deps.settings.state_dir / "storage").rglob("*") if file.is_file()]


async def nothing_left(deps: Deps, call_id: str) -> bool:
    return not await rows(deps, egresses, call_id)

"""Calls that are over, as the worker leaves them: in the database, with what was said, and their work queued."""

import asyncio
import fcntl
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT, Database
from calls.placing.creation import NewCall, NewParticipant
from calls.settings import Settings
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents, call_events, deliveries, jobs, results
from calls.tenants import webhooks
from calls.transcript import Segment, write_segments
from calls.workers import leases
from pipeline.__main__ import runner
from pipeline.admission import admit
from pipeline.deps import Deps
from pipeline.watch import Watcher, watch
from worker.uploads import Uploads

SAID = (("agent", "Hello, this is Aria."), ("user", "I need a table for four."), ("agent", "It is booked."))
EVERYTHING = {
    "summary": {"enabled": True},
    "structured_extraction": {
        "json_schema": {"type": "object", "properties": {"guests": {"type": "integer"}}, "required": ["guests"]},
    },
    "evaluation": {"rubric": "Did the agent book a table?"},
}
GOOD: dict[str, dict[str, Any]] = {
    "summary": {"summary": "A table for four was booked.", "sentiment": "positive"},
    "extraction": {"guests": 4},
    "evaluation": {"passed": True, "score": 0.9, "reasoning": "The agent booked it."},
}


def segment(sequence: int, speaker: str, text: str) -> Segment:
    return Segment(sequence, speaker, text, sequence * 1000, sequence * 1000 + 900, is_final=True)


async def running_call(
    db: Database,
    post_call: dict[str, Any],
    *,
    said: Any = SAID,
    features: dict[str, Any] | None = None,
    tenant_id: str = DEFAULT_TENANT,
) -> tuple[str, int]:
    """A call in progress: its id and the token of its agent's lease."""
    agent = {"id": str(uuid.uuid4()), "name": "Aria", "features": features or {}, "post_call": post_call}
    call = NewCall(tenant_id, agent, [NewParticipant("webrtc", "ada")], post_call=post_call)
    async with db.writing() as conn:
        row = {"id": agent["id"], "tenant_id": tenant_id, "name": "Aria", "config": agent}
        await conn.execute(sa.insert(agents).values(row))
        store = CallStore(conn)
        await store.create(call)
        token = await leases.take(conn, call.id, "worker", "agent-1")
        assert token is not None
        await store.agent_joined(call.id, token)
        await store.participant_joined(call.id, "ada")
        await store.start(call.id)
        await write_segments(conn, call.id, token, [segment(i, *line) for i, line in enumerate(said)])
    return call.id, token


async def hang_up(db: Database, call_id: str, token: int | None) -> None:
    """End the call; with a token the worker has also let go of it."""
    async with db.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
        if token is not None:
            await leases.release(conn, call_id, token)


async def finished_call(db: Database, post_call: dict[str, Any], **options: Any) -> str:
    call_id, token = await running_call(db, post_call, **options)
    await hang_up(db, call_id, token)
    return call_id


async def listen(db: Database, keyring: Keyring) -> None:
    """An endpoint of the tenant that is told everything, at an address where nobody is."""
    async with db.writing() as conn:
        events = list(webhooks.WebhookEvent)
        await webhooks.create_webhook(conn, keyring, DEFAULT_TENANT, url="http://127.0.0.1:9/", events=events)


async def bring(settings: Settings) -> None:
    """What a worker on this machine does with what its agents have recorded."""
    uploads = Uploads(settings)
    uploads.start()
    await uploads.stop()


@contextmanager
def written(file: Path) -> Iterator[None]:
    """As long as the block lasts, the file is that of an agent that still records."""
    with file.open("rb") as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)
        yield


async def long_ago(deps: Deps, call_id: str) -> None:
    """Let the call have been over for an hour."""
    async with deps.db.writing() as conn:
        before = moment(conn) - timedelta(hours=1)
        await conn.execute(sa.update(jobs).where(jobs.c.call_id == call_id).values(created_at=before, run_at=before))


@asynccontextmanager
async def working(deps: Deps) -> AsyncIterator[None]:
    """The real runner, and what admits calls, for the length of the block."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(runner(deps).run(stop)), asyncio.create_task(admit(deps, stop))]
    try:
        yield
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


@asynccontextmanager
async def watching(deps: Deps) -> AsyncIterator[None]:
    """Watcher and judge as the pipeline runs them, for the length of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(watch(deps, Watcher(deps.db, deps.rooms, deps.settings), stop))
    try:
        yield
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await task


async def call_row(db: Database, call_id: str) -> sa.Row[Any]:
    async with db.reading() as conn:
        return await CallStore(conn).get(None, call_id)


async def analysed(db: Database, call_id: str) -> bool:
    """Whether every post-call job of the call has ended."""
    unfinished = (jobs.c.call_id == call_id, jobs.c.queue.in_(["post_call", "reprocess"]), jobs.c.finished_at.is_(None))
    async with db.reading() as conn:
        return not await conn.scalar(sa.select(sa.exists().where(*unfinished)))


async def queued(conn: AsyncConnection, call_id: str) -> list[str]:
    """The kinds of the call's jobs, without those that tell somebody of it."""
    mine = (jobs.c.call_id == call_id, jobs.c.kind != "deliver")
    return sorted(await conn.scalars(sa.select(jobs.c.kind).where(*mine)))


async def made(db: Database, call_id: str) -> dict[str, Any]:
    """Stage -> its value, or its error, in the latest generation."""
    latest = sa.select(sa.func.max(results.c.generation)).where(results.c.call_id == call_id).scalar_subquery()
    query = sa.select(results).where(results.c.call_id == call_id, results.c.generation == latest)
    async with db.reading() as conn:
        return {row.stage: row.error or row.value for row in await conn.execute(query)}


async def events(db: Database, call_id: str, source: str = "post_call") -> list[str]:
    mine = (call_events.c.call_id == call_id, call_events.c.source == source)
    async with db.reading() as conn:
        return list(await conn.scalars(sa.select(call_events.c.message).where(*mine).order_by(call_events.c.id)))


async def announced(db: Database, call_id: str) -> list[str]:
    query = sa.select(deliveries.c.event).where(deliveries.c.call_id == call_id)
    async with db.reading() as conn:
        return sorted(await conn.scalars(query))

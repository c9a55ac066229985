"""How far each followed call is: one watcher of the database for all streams of this process."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from aiohttp import web

from api.routing import DATABASE
from api.watcher import Watcher
from calls import latency
from calls.database.changes import Watch
from calls.database.engine import Database
from calls.states import TERMINAL, IntelligenceStatus
from calls.tables import call_events, calls, jobs, recordings, segments, turns

PAUSE_S = 0.05
CALL = ("id", "status", "end_reason", "intelligence_status", "created_at", "started_at")
_CHUNK = 500


def progress(call_ids: Collection[str]) -> sa.Select[Any]:
    """How far these calls are: a row differs from an earlier one of its call if there is something to send.

    `settled`: the call is over and nothing will be added to it, unless somebody asks for it; `told`: nobody in it will
    say or hear anything any more, and all of that is written.
    """
    events = sa.select(sa.func.max(call_events.c.id)).where(call_events.c.call_id == calls.c.id)
    revision = sa.select(sa.func.max(segments.c.revision)).where(segments.c.call_id == calls.c.id)
    turn = sa.select(sa.func.max(turns.c.decided_at_ms)).where(turns.c.call_id == calls.c.id)
    work = sa.exists().where(
        jobs.c.dedup.in_([sa.literal(f"{kind}:") + calls.c.id for kind in ("store_recording", latency.JOB)]),
        sa.text("jobs.state IN ('waiting', 'active')"),
    )
    recording = sa.exists().where(recordings.c.call_id == calls.c.id, recordings.c.status == "pending")
    told = sa.and_(calls.c.status.in_(TERMINAL), calls.c.transcript_closed_at.is_not(None))
    settled = sa.and_(
        told,
        calls.c.intelligence_status != IntelligenceStatus.PENDING,
        ~work,
        ~recording,
    )
    return sa.select(
        *(calls.c[name] for name in CALL),
        sa.func.coalesce(events.scalar_subquery(), 0).label("last_event"),
        sa.func.coalesce(revision.scalar_subquery(), 0).label("last_revision"),
        sa.func.coalesce(turn.scalar_subquery(), 0).label("last_turn"),
        told.label("told"),
        settled.label("settled"),
    ).where(calls.c.id.in_(call_ids))


class Feed:
    """Wakes the streams of a call when there is something to send."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._streams: defaultdict[str, set[Watch]] = defaultdict(set)
        self._seen: dict[str, tuple[object, ...]] = {}
        self._watcher = Watcher("feed", database, self._look, pause_s=PAUSE_S)
        self.closed = False

    @asynccontextmanager
    async def follow(self, call_id: str) -> AsyncIterator[Watch]:
        """Follow a call for the length of the block: the watch wakes up when the call should be read again."""
        stream = Watch()
        self._streams[call_id].add(stream)
        self._watcher.begin()
        try:
            yield stream
        finally:
            self._streams[call_id].discard(stream)
            if not self._streams[call_id]:
                del self._streams[call_id]
                self._seen.pop(call_id, None)

    async def close(self) -> None:
        """Wake every stream for the last time: it sees that the feed is closed, and ends."""
        self.closed = True
        await self._watcher.close()
        for streams in self._streams.values():
            for stream in streams:
                stream.wake()

    async def _look(self) -> bool:
        followed = list(self._streams)
        for start in range(0, len(followed), _CHUNK):
            async with self._database.reading() as conn:
                rows = (await conn.execute(progress(followed[start : start + _CHUNK]))).all()
            for row in rows:
                self._compare(row)
        return False

    def _compare(self, row: sa.Row[Any]) -> None:
        written = (row.last_event, row.last_revision, row.last_turn)
        state = (row.status, row.intelligence_status, written, row.told, row.settled)
        if row.id in self._streams and self._seen.get(row.id) != state:
            self._seen[row.id] = state
            for stream in self._streams[row.id]:
                stream.wake()


FEED = web.AppKey("feed", Feed)


async def open_feed(app: web.Application) -> AsyncIterator[None]:
    """Keep one feed while the application runs (a `cleanup_ctx`); streams end before the server stops."""
    app[FEED] = Feed(app[DATABASE])
    yield


async def close_feed(app: web.Application) -> None:
    """End every stream, so that nobody waits for them (an `on_shutdown`)."""
    await app[FEED].close()

"""What happens in all calls of a tenant: read once for all who follow it, whenever somebody has written something.

The log of events tells which calls have changed: whatever a list shows of a call changes together with an event.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api import rendering, sse
from api.credentials import Credential, find
from api.event_log import BATCH, EventLog
from api.live_transcripts import Said, Transcripts
from api.routing import DATABASE
from api.schema.participants import Participant
from api.schema.stream import LiveCall, StreamQueue
from api.watcher import Watcher
from calls.analysis.findings import NOTHING, read_findings
from calls.database.changes import Watch
from calls.database.engine import Database
from calls.errors import RateLimited
from calls.events import EventKind
from calls.listing import LISTED_COLUMNS
from calls.states import CallStatus
from calls.tables import calls, participants

MOST_OF_TENANT = 50  # streams at once, in one process
MOST_UNSENT = 5_000  # messages that wait for one client: it is let go, and begins again with what there is
PAUSE_S = 0.1
RETRY_AFTER_S = 5

_QUEUE = "queue"  # among the calls' ids
_IS_TRANSCRIBED = sa.func.coalesce(calls.c.agent[("features", "transcription_enabled")].as_boolean(), sa.true())


class Follower:
    """One client: what it is still to be sent. Of each call that is only its latest state.

    Args:
        tenant_id: whose calls it follows.
        credential: what it showed; when that is worth nothing any more, it is sent nothing any more.
        kinds: what it wants to have besides the calls: `events`, `segments`.
    """

    def __init__(self, tenant_id: str, credential: Credential, kinds: Collection[str]) -> None:
        self.tenant_id = tenant_id
        self.credential = credential
        self.kinds = kinds
        self.is_over = False
        self._calls: dict[str, bytes] = {}
        self._queued: int | None = None  # as it was told last
        self._messages: list[bytes] = []
        self._watch = Watch()

    def change(self, call_id: str, message: bytes) -> None:
        """A call is now as the message says."""
        self._calls[call_id] = message
        self._watch.wake()

    def begin(self, queued: int) -> None:
        """It is told first that so many calls wait for their turn, unless it is to be told another number already."""
        if self._queued is None:
            self._queued = queued

    def queue(self, queued: int) -> None:
        """So many calls wait for their turn now."""
        if queued == self._queued:
            return
        self._queued = queued
        self._calls[_QUEUE] = queue_message(queued)
        self._watch.wake()

    def tell(self, kind: str, message: bytes) -> None:
        """Something has happened, which it may want to have."""
        if kind not in self.kinds:
            return
        self._messages.append(message)
        if len(self._messages) > MOST_UNSENT:
            self.end()
        self._watch.wake()

    def end(self) -> None:
        """Send nothing more."""
        self.is_over = True
        self._watch.wake()

    async def wait(self, timeout_s: float) -> bool:
        """Return True once there is something to send, or nothing any more, False after `timeout_s` seconds."""
        return await self._watch.wait(timeout_s)

    def take(self) -> list[bytes]:
        """What is to be sent now; who is to be sent nothing any more has none."""
        taken = [] if self.is_over else [*self._calls.values(), *self._messages]
        self._calls, self._messages = {}, []
        return taken


class LiveFeed:
    """Tells who follows a tenant's calls what happens in them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers: set[Follower] = set()
        self._log = EventLog()
        self._transcripts = Transcripts()
        self._reading = asyncio.Lock()
        self._watcher = Watcher("live feed", database, self._look, pause_s=PAUSE_S)

    @asynccontextmanager
    async def follow(self, tenant_id: str, credential: Credential, kinds: Collection[str]) -> AsyncIterator[Follower]:
        """Follow a tenant's calls for the length of the block, first as they are now; RateLimited if too many do."""
        if sum(one.tenant_id == tenant_id for one in self._followers) >= MOST_OF_TENANT:
            raise RateLimited("Too many streams at once.", retry_after=RETRY_AFTER_S)
        follower = Follower(tenant_id, credential, kinds)
        self._followers.add(follower)
        try:
            await self._begin()
            yield follower
        finally:
            self._followers.discard(follower)

    async def close(self) -> None:
        """End every stream."""
        await self._watcher.close()
        for follower in self._followers:
            follower.end()

    async def _begin(self) -> None:
        """From now on nothing that happens is missed."""
        async with self._reading:
            async with self._database.reading() as conn:
                if not self._log.has_begun:
                    await self._log.begin(conn)
                said = await self._transcripts.read(conn, self._listening())
            self._tell_said(said)
        self._watcher.begin()

    async def _look(self) -> bool:
        async with self._reading:
            return await self._tell_news()

    async def _tell_news(self) -> bool:
        """Tell what is new; whether there may be more to read at once."""
        followers = list(self._followers)
        if not followers:
            self._log.forget()
            self._transcripts.forget()
            return False
        tenants = {one.tenant_id for one in followers}
        async with self._database.reading() as conn:
            keys = await find(conn, [one.credential for one in followers])
            rows = await self._log.read(conn)
            events = [row for row in rows if row.tenant_id in tenants]
            tenant_of = {row.call_id: row.tenant_id for row in events}
            changed = await read_live(conn, calls.c.id.in_(tenant_of)) if events else []
            queues = await read_queues(conn, set(tenant_of.values())) if events else Counter()
            started = {row.call_id for row in events if row.kind == EventKind.CALL_STARTED}
            said = await self._transcripts.read(conn, self._listening(), started)
        self._log.note(row.id for row in rows)
        for follower, key in zip(followers, keys, strict=True):
            if key is None:
                follower.end()
        for call in changed:
            message = sse.message("call", call)
            for one in self._of(tenant_of[call.id]):
                one.change(call.id, message)
        for tenant_id in set(tenant_of.values()):
            for one in self._of(tenant_id):
                one.queue(queues[tenant_id])
        for row in events:
            self._tell(row.tenant_id, "events", sse.message("event", rendering.event(row)))
        self._tell_said(said)
        return len(rows) == BATCH

    def _listening(self) -> set[str]:
        return {one.tenant_id for one in self._followers if "segments" in one.kinds}

    def _tell_said(self, said: Sequence[Said]) -> None:
        for one in said:
            self._tell(one.tenant_id, "segments", sse.message("segment", one.segment))

    def _of(self, tenant_id: str) -> list[Follower]:
        return [one for one in self._followers if one.tenant_id == tenant_id]

    def _tell(self, tenant_id: str, kind: str, message: bytes) -> None:
        for one in self._of(tenant_id):
            one.tell(kind, message)


async def read_live(conn: AsyncConnection, which: sa.ColumnElement[bool]) -> list[LiveCall]:
    """These calls as they are now, the oldest first."""
    query: sa.Select[Any] = sa.select(*LISTED_COLUMNS, _IS_TRANSCRIBED.label("is_transcribed")).where(which)
    found = (await conn.execute(query)).all()
    # They are few. Asked for in this order, SQLite goes through all calls in it.
    rows = sorted(found, key=lambda row: (row.created_at, row.id))
    people: defaultdict[str, list[Participant]] = defaultdict(list)
    there = participants.c.call_id.in_(sa.select(calls.c.id).where(which))
    for one in await conn.execute(sa.select(participants).where(there).order_by(participants.c.position)):
        people[one.call_id].append(rendering.participant(one))
    went = await read_findings(conn, [row.id for row in rows])
    return [
        LiveCall(
            **rendering.listed_call(row, went.get(row.id, NOTHING)),
            participants=people[row.id],
            is_transcribed=row.is_transcribed,
        )
        for row in rows
    ]


async def read_queues(conn: AsyncConnection, tenants: Collection[str]) -> Counter[str]:
    """How many calls of each of these tenants wait for their turn."""
    queued = sa.and_(calls.c.tenant_id.in_(tenants), calls.c.status == CallStatus.QUEUED)
    query = sa.select(calls.c.tenant_id, sa.func.count().label("number")).where(queued).group_by(calls.c.tenant_id)
    return Counter({row.tenant_id: row.number for row in await conn.execute(query)})


def queue_message(queued: int) -> bytes:
    """The message of how many calls wait for their turn."""
    return sse.message("queue", StreamQueue(calls=queued))


LIVE_FEED = web.AppKey("live_feed", LiveFeed)


async def open_live_feed(app: web.Application) -> AsyncIterator[None]:
    """Keep one feed while the application runs (a `cleanup_ctx`); streams end before the server stops."""
    app[LIVE_FEED] = LiveFeed(app[DATABASE])
    yield


async def close_live_feed(app: web.Application) -> None:
    """End every stream, so that nobody waits for them (an `on_shutdown`)."""
    await app[LIVE_FEED].close()

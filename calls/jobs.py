"""The durable queue: rows of one table, enqueued in the transaction that causes the work.

A job is `waiting` until a process claims it, then `active` under a lease that the process renews. It ends `completed`,
`failed` (refused) or `dead` (every attempt used up). Each claim writes a new token and only
its holder may settle the job, so a process that was given up for dead changes nothing when it returns. Every time
is the database's, so that processes on hosts whose clocks differ agree on what is due and what is lost.
"""

import logging
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.changes import CALLS, JOBS, TURNS, mark
from calls.database.clock import moment
from calls.database.engine import Database, upsert
from calls.tables import jobs

log = logging.getLogger(__name__)

LANE_WIDTH = 4
# Queues whose lanes share the places: the one with the fewest jobs at work is served first, and none takes all of one
# process.
SHARED_LANE_WIDTHS = {"post_call": 24, "recording": 3, "erasure": 3}
MAX_BACKOFF_S = 300
LOST = "The process that ran the job died."
DOUBT = 0.6  # of a lease's time: one with less left was not renewed when it was due
NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # when a job runs that waits for its `start`

# Written out, not bound: only then do both databases use the partial indexes on these states.
_WAITING: sa.ColumnElement[str] = sa.literal_column("'waiting'")
_ACTIVE: sa.ColumnElement[str] = sa.literal_column("'active'")
_DEAD = sa.text("state = 'dead'")
_UNFINISHED = sa.text("state IN ('waiting', 'active')")


class JobState(StrEnum):
    """Where a job is in its life."""

    WAITING = "waiting"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    DEAD = "dead"


@dataclass(frozen=True)
class Job:
    """One claimed job; `attempt` counts from 1, `token` proves the claim."""

    id: int
    queue: str
    kind: str
    payload: dict[str, Any]
    tenant_id: str | None
    call_id: str | None
    attempt: int
    max_attempts: int
    token: str
    created_at: datetime

    @property
    def last_attempt(self) -> bool:
        """Whether another failure makes the job dead."""
        return self.attempt >= self.max_attempts


# Called with the reason in the transaction that makes a job failed or dead: what waits for the job learns of it.
GiveUp = Callable[[AsyncConnection, Job, str], Awaitable[None]]
# The same of a job that is tried again later, with the moment of that.
PutOff = Callable[[AsyncConnection, Job, str, datetime], Awaitable[None]]

_FIELDS = [jobs.c[name] for name in Job.__dataclass_fields__]

_ADD_ALL = sa.insert(jobs).returning(jobs.c.id, sort_by_parameter_order=True)


async def enqueue(
    conn: AsyncConnection,
    kind: str,
    payload: dict[str, Any],
    *,
    queue: str,
    tenant_id: str | None,
    call_id: str | None = None,
    run_at: datetime | None = None,
    dedup: str | None = None,
    ordering_key: str | None = None,
    lane: str | None = None,
    max_attempts: int = 5,
) -> int:
    """Add a job in the caller's transaction and return its id.

    dedup         while an unfinished job has this value, no second is added and the id of the first is returned.
    ordering_key  jobs of one key run one after the other in the order of their ids, retries included.
    lane          at most `LANE_WIDTH` jobs of one lane run at a time, so that a slow receiver takes few of the places;
                  on some queues each lane has its share of the places instead.
    """
    at = moment(conn)
    values = {
        "queue": queue,
        "kind": kind,
        "payload": payload,
        "tenant_id": tenant_id,
        "call_id": call_id,
        "run_at": run_at or at,
        "dedup": dedup,
        "ordering_key": ordering_key,
        "lane": lane,
        "max_attempts": max_attempts,
        "created_at": at,
    }
    mark(conn, JOBS)
    add = upsert(conn, jobs).values(values)
    unless_there = add.on_conflict_do_nothing(index_elements=["dedup"], index_where=_UNFINISHED)
    same = sa.select(jobs.c.id).where(jobs.c.dedup == dedup, _UNFINISHED)
    while True:
        job_id = (await conn.execute(unless_there.returning(jobs.c.id))).scalar()
        if job_id is None:  # and should the other one finish just now, add ours after all
            job_id = (await conn.execute(same)).scalar()
        if job_id is not None:
            return int(job_id)


async def enqueue_all(
    conn: AsyncConnection,
    kind: str,
    new: Sequence[tuple[str, dict[str, Any]]],
    *,
    queue: str,
    tenant_id: str,
    max_attempts: int,
    run_at: datetime | None = None,
) -> list[int]:
    """Add many jobs at once, each a call's id and a payload; their ids in the same order."""
    at = moment(conn)
    same = {"queue": queue, "kind": kind, "tenant_id": tenant_id, "max_attempts": max_attempts}
    times = {"run_at": run_at or at, "created_at": at}
    rows = [{**same, **times, "call_id": call_id, "payload": payload} for call_id, payload in new]
    mark(conn, JOBS)
    return list(await conn.scalars(_ADD_ALL, rows))


async def start(conn: AsyncConnection, which: sa.Select[tuple[int]]) -> None:
    """Let those of these jobs, given by their ids, that would never run do so now."""
    waiting = (jobs.c.id.in_(which), jobs.c.state == _WAITING, jobs.c.run_at == NEVER)
    if (await conn.execute(sa.update(jobs).where(*waiting).values(run_at=moment(conn)))).rowcount:
        mark(conn, JOBS)


async def call_off(conn: AsyncConnection, which: sa.Select[tuple[int]], why: str) -> None:
    """Fail those of these jobs, given by their ids, that wait: there is nothing more for them to do."""
    waiting = (jobs.c.id.in_(which), jobs.c.state == _WAITING)
    over = {"state": JobState.FAILED, "finished_at": moment(conn), "error": why}
    await conn.execute(sa.update(jobs).where(*waiting).values(over))


async def park(conn: AsyncConnection, job: Job) -> bool:
    """Run the claimed job again when it is told to `start`; no attempt is used up. False if it is no longer ours.

    In the transaction that found that it must wait, so that no `start` comes before it waits.
    """
    mark(conn, TURNS)
    return await _settle(conn, job, state=JobState.WAITING, run_at=NEVER, attempt=job.attempt - 1)


async def hold(conn: AsyncConnection, job: Job) -> bool:
    """Whether the claimed job is still ours, which it stays until the commit.

    For what a handler writes last, if that would be wrong beside what another process has made of the job. To be called
    before anything else is locked.
    """
    return await conn.scalar(sa.select(jobs.c.id).where(_mine(job)).with_for_update()) is not None


async def hurry(conn: AsyncConnection, call_id: str, kinds: Sequence[str]) -> None:
    """Let the call's jobs of these kinds that wait for a later time run now: what they wait for may have come."""
    at = moment(conn)
    later = (jobs.c.call_id == call_id, jobs.c.kind.in_(kinds), jobs.c.state == _WAITING)
    due = (jobs.c.run_at > at, jobs.c.run_at < NEVER)
    if (await conn.execute(sa.update(jobs).where(*later, *due).values(run_at=at))).rowcount:
        mark(conn, JOBS)


async def count_jobs(conn: AsyncConnection, tenant_id: str, queue: str) -> dict[str, int]:
    """A tenant's jobs on a queue, as far as they are kept: waiting, active, completed, failed (dead ones included)."""
    rows = await conn.execute(
        sa.select(jobs.c.state, sa.func.count())
        .where(jobs.c.tenant_id == tenant_id, jobs.c.queue == queue)
        .group_by(jobs.c.state),
    )
    counts = Counter({state: int(count) for state, count in rows})
    return {
        "waiting": counts["waiting"],
        "active": counts["active"],
        "completed": counts["completed"],
        "failed": counts["failed"] + counts["dead"],
    }


async def list_dead(conn: AsyncConnection, tenant_id: str, limit: int, offset: int) -> tuple[list[sa.Row[Any]], int]:
    """Give a page of the tenant's dead jobs, as far as they are kept, the newest first, and how many there are."""
    dead = (jobs.c.tenant_id == tenant_id, _DEAD)
    query = sa.select(jobs).where(*dead).order_by(jobs.c.finished_at.desc(), jobs.c.id.desc())
    rows = (await conn.execute(query.limit(limit).offset(offset))).all()
    total = await conn.scalar(sa.select(sa.func.count()).select_from(jobs).where(*dead))
    return list(rows), total or 0


def backoff_s(attempt: int) -> float:
    """Seconds to wait after the failed attempt of that number: doubling, at most five minutes, spread by half."""
    return float(min(MAX_BACKOFF_S, 2**attempt)) * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, no secret


_EARLIER, _RUNNING = jobs.alias(), jobs.alias()
_LANE_LOAD = (
    sa.select(sa.func.count())
    .select_from(_RUNNING)
    .where(_RUNNING.c.lane == jobs.c.lane, _RUNNING.c.state == _ACTIVE)
    .correlate(jobs)
    .scalar_subquery()
)
_BLOCKED = sa.exists().where(
    _EARLIER.c.ordering_key == jobs.c.ordering_key,
    _EARLIER.c.id < jobs.c.id,
    _EARLIER.c.state.in_([_WAITING, _ACTIVE]),
)
_MOMENT: sa.BindParameter[datetime] = sa.bindparam("moment", type_=jobs.c.run_at.type)


def _width(queue: str) -> int:
    return SHARED_LANE_WIDTHS.get(queue, LANE_WIDTH)


def _claimable(queue: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        jobs.c.queue == queue,
        jobs.c.state == _WAITING,
        jobs.c.run_at <= _MOMENT,
        sa.or_(jobs.c.ordering_key.is_(None), ~_BLOCKED),
        sa.or_(jobs.c.lane.is_(None), _width(queue) > _LANE_LOAD),
    )


@cache
def _candidates(queue: str) -> sa.Select[*tuple[Any, ...]]:
    load = _LANE_LOAD.label("load")
    # Only where it matters: the oldest alone are found without a look at all that wait.
    first = [load] if queue in SHARED_LANE_WIDTHS else []
    return (
        sa.select(jobs.c.id, jobs.c.lane, load)
        .where(_claimable(queue))
        .order_by(*first, jobs.c.run_at, jobs.c.id)
        .limit(sa.bindparam("places", type_=sa.Integer))
        .with_for_update(skip_locked=True, of=jobs)
    )


@cache  # asked at every wake-up, and slower to build than to run
def _ready_queues(names: tuple[str, ...]) -> sa.Select[*tuple[Any, ...]]:
    """One row: for each queue whether it has a job to claim at `moment`, then when the next one of any is due."""
    later = (jobs.c.queue.in_(names), jobs.c.state == _WAITING, jobs.c.run_at > _MOMENT)
    next_due = sa.select(sa.func.min(jobs.c.run_at)).where(*later).scalar_subquery()
    has_job = [sa.exists().where(_claimable(name)).label(f"queue_{i}") for i, name in enumerate(names)]
    return sa.select(*has_job, next_due.label("next_due"))


class JobQueue:
    """The consuming side, for one process named `worker`.

    `give_up` and `put_off` say what is to be left behind where a job of a kind fails, or an attempt at it does.
    """

    def __init__(
        self,
        db: Database,
        worker: str,
        lease_s: float,
        give_up: Mapping[str, GiveUp] | None = None,
        put_off: Mapping[str, PutOff] | None = None,
    ) -> None:
        self._db = db
        self._worker = worker
        self._lease = timedelta(seconds=lease_s)
        self._give_up = give_up or {}
        self._put_off = put_off or {}

    async def ready(self, queues: Iterable[str]) -> tuple[list[str], float | None]:
        """The queues that have a job to claim now, and the seconds until the next one of any is due (None: none is)."""
        names = tuple(queues)
        if not names:
            return [], None
        async with self._db.reading() as conn:
            at = moment(conn)
            *found, due = (await conn.execute(_ready_queues(names), {"moment": at})).one()
        ready = [name for name, is_ready in zip(names, found, strict=True) if is_ready]
        return ready, None if due is None else max(0.0, (due - at).total_seconds())

    async def claim(self, queue: str, limit: int) -> list[Job]:
        """Take up to `limit` due jobs; of several processes that ask at once, each job goes to one."""
        async with self._db.writing() as conn:
            at = moment(conn)
            asked = {"moment": at, "places": limit}
            chosen: list[int] = []
            taken: Counter[str] = Counter()
            for job_id, lane, load in await conn.execute(_candidates(queue), asked):
                if lane is not None and load + taken[lane] >= _width(queue):
                    continue
                taken[lane] += 1
                chosen.append(job_id)
            if not chosen:
                return []
            lease = {"worker": self._worker, "token": uuid.uuid4().hex, "lease_until": at + self._lease}
            claim = sa.update(jobs).where(jobs.c.id.in_(chosen)).returning(*_FIELDS)
            rows = await conn.execute(claim.values(state=JobState.ACTIVE, attempt=jobs.c.attempt + 1, **lease))
            return sorted((_job(row) for row in rows.mappings()), key=lambda job: job.id)

    async def renew(self, running: Iterable[Job]) -> list[Job]:
        """Extend the leases of the jobs that run here; returns those that are no longer ours."""
        jobs_by_claim = {(job.id, job.token): job for job in running}
        claims = sa.tuple_(jobs.c.id, jobs.c.token).in_(list(jobs_by_claim))
        hold = sa.update(jobs).where(jobs.c.state == _ACTIVE, claims).returning(jobs.c.id, jobs.c.token)
        async with self._db.writing() as conn:
            for job_id, token in await conn.execute(hold.values(lease_until=moment(conn) + self._lease)):
                jobs_by_claim.pop((job_id, token))
        return list(jobs_by_claim.values())

    async def complete(self, job: Job) -> bool:
        """The job is done; False if it is no longer ours."""
        async with self._db.writing() as conn:
            return await _settle(conn, job, state=JobState.COMPLETED, finished_at=moment(conn), error=None)

    async def postpone(self, job: Job, after_s: float) -> bool:
        """Run the job again after that many seconds; no attempt is used up. False if it is no longer ours."""
        async with self._db.writing() as conn:
            run_at = moment(conn) + timedelta(seconds=after_s)
            return await _settle(conn, job, state=JobState.WAITING, run_at=run_at, attempt=job.attempt - 1)

    async def retry(self, job: Job, reason: str, after_s: float | None = None) -> bool:
        """The attempt failed: run again after `after_s` or the usual backoff, or be dead if it was the last."""
        if job.last_attempt:
            return await self.give_up(job, reason, JobState.DEAD)
        pause = timedelta(seconds=backoff_s(job.attempt) if after_s is None else after_s)
        async with self._db.writing() as conn:
            run_at = moment(conn) + pause
            settled = await _settle(conn, job, state=JobState.WAITING, run_at=run_at, error=reason)
            if settled and pause and job.kind in self._put_off:
                await self._put_off[job.kind](conn, job, reason, run_at)
            return settled

    async def give_up(self, job: Job, reason: str, state: JobState = JobState.FAILED) -> bool:
        """The job ends without success and its kind's `give_up` runs in the same transaction; False if not ours."""
        async with self._db.writing() as conn:
            settled = await _settle(conn, job, state=state, finished_at=moment(conn), error=reason)
            if settled and job.kind in self._give_up:
                await self._give_up[job.kind](conn, job, reason)
            return settled

    async def probe(self) -> None:
        """Write to the jobs of any process whose leases were not renewed when that was due.

        DatabaseAway where no renewal can be written either: on a full disk one can read.
        """
        async with self._db.reading() as conn:
            if not await conn.scalar(sa.select(sa.exists().where(*self._in_doubt(moment(conn))))):
                return
        async with self._db.writing() as conn:
            doubted = sa.select(jobs.c.id, jobs.c.lease_until).where(*self._in_doubt(moment(conn))).with_for_update()
            for job_id, until in (await conn.execute(doubted)).all():
                sooner = until - timedelta(microseconds=1)  # what stays as it was, SQLite would not write
                await conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(lease_until=sooner))

    async def rescue(self) -> int:
        """Let the jobs of any process whose lease ran out be tried again; returns how many there were."""
        async with self._db.reading() as conn:
            if not await conn.scalar(sa.select(sa.exists().where(*_lost_at(moment(conn))))):
                return 0
        async with self._db.writing() as conn:
            at = moment(conn)
            # Taken over under a token of our own: from here on its former holder, alive or not, can settle nothing.
            ours = {"worker": self._worker, "token": uuid.uuid4().hex, "lease_until": at + self._lease}
            take = sa.update(jobs).where(*_lost_at(at)).values(**ours).returning(*_FIELDS)
            lost = [_job(row) for row in (await conn.execute(take)).mappings()]
        for job in lost:
            try:
                await self.retry(job, LOST, after_s=0)
            except Exception:  # one job that cannot be settled must not keep the others lost
                log.exception("a lost job could not be settled", extra={"job_id": job.id, "kind": job.kind})
        return len(lost)

    def _in_doubt(self, at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
        return jobs.c.state == _ACTIVE, jobs.c.lease_until < at + self._lease * DOUBT


def _job(row: sa.RowMapping) -> Job:
    return Job(**{name: row[name] for name in Job.__dataclass_fields__})


def _lost_at(at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return jobs.c.state == _ACTIVE, jobs.c.lease_until < at


async def _settle(conn: AsyncConnection, job: Job, **values: object) -> bool:
    mark(conn, JOBS, CALLS)  # the next one of its key or lane may be claimed; a call may be settled by its last job
    settled = await conn.execute(sa.update(jobs).where(_mine(job)).values(lease_until=None, **values))
    return settled.rowcount == 1


def _mine(job: Job) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.id == job.id, jobs.c.token == job.token, jobs.c.state == _ACTIVE)

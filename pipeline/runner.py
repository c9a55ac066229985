"""Runs jobs: claim -> handler -> fate -> one update; renews leases, rescues the jobs of the dead, drains on stop."""

import asyncio
import logging
import math
import os
import platform
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import assert_never

from calls.database.changes import JOBS, Watch
from calls.database.engine import Database
from calls.database.pruning import prune
from calls.errors import DatabaseAway
from calls.jobs import Job, JobQueue
from calls.log.lines import current_call
from calls.privacy.retention import erase_expired
from calls.search.backlog import index_backlog
from pipeline.fate import Done, Fail, Fate, Parked, Retry, Wait

log = logging.getLogger(__name__)

LOOK_S = 5.0  # the longest sleep between two looks at the queue, should a wake-up be missed
AFTER_ERROR_S = 1.0
RACE_S = 0.02
SLOW_LOOK_S = 0.01
RENEWALS = 4  # of a lease, while it lasts: one that is in doubt can be renewed once more before it ends
PRUNE_S = 600.0
DRAIN_S = 5.0  # whoever stops a process kills it after some eight: what it has not handed back by then comes late

Run = Callable[[Job], Awaitable[Fate]]


class Runner:
    """The jobs of one process.

    Args:
        db: where the jobs are.
        queue: the consuming side of the job table, named for this process.
        handlers: kind of job -> what runs it.
        limits: queue -> how many of its jobs may run here at a time; other queues are left alone.
        lease_s: how long a job stays ours without a sign of life.
    """

    def __init__(
        self,
        db: Database,
        queue: JobQueue,
        handlers: Mapping[str, Run],
        limits: Mapping[str, int],
        lease_s: float,
    ) -> None:
        self._db = db
        self._queue = queue
        self._handlers = handlers
        self._limits = limits
        self._lease_s = lease_s
        self._running: dict[asyncio.Task[None], Job] = {}
        # When the database was last looked at for lost jobs, and since when that went without a gap.
        self._looked = self._looking_since = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then let running jobs finish for `DRAIN_S` seconds and hand back the rest."""
        upkeep = [
            asyncio.create_task(_every(self._lease_s / RENEWALS, self._keep_leases), name="leases"),
            asyncio.create_task(_every(PRUNE_S, partial(prune, self._db)), name="prune"),
            asyncio.create_task(_every(PRUNE_S, partial(erase_expired, self._db)), name="retention"),
            asyncio.create_task(_every(PRUNE_S, partial(index_backlog, self._db)), name="backlog"),
        ]
        try:
            await self._claim_until(stop)
            await self._drain()
        finally:
            for task in upkeep:
                task.cancel()
            await asyncio.gather(*upkeep, return_exceptions=True)

    async def _claim_until(self, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait())
        try:
            async with self._db.changes.watch(JOBS) as watch:
                while not stop.is_set():
                    began = time.monotonic()
                    sleep_s = await self._claim()
                    if (took_s := time.monotonic() - began) > SLOW_LOOK_S:
                        await asyncio.sleep(took_s)  # a long backlog of jobs that must wait leaves time for others
                    await woken(watch, stopped, sleep_s)
        finally:
            stopped.cancel()

    async def _claim(self) -> float:
        """Start every job that is due and has room; returns the seconds until there may be more."""
        try:
            while True:
                load = Counter(job.queue for job in self._running.values())
                room = {name: limit - load[name] for name, limit in self._limits.items() if load[name] < limit}
                ready, next_s = await self._queue.ready(room)
                if not ready:
                    return LOOK_S if next_s is None else min(next_s, LOOK_S)
                before = sum(load.values())
                for name in ready:
                    for job in await self._queue.claim(name, room[name]):
                        self._start(job)
                if len(self._running) == before:  # another process was quicker, or is just now
                    return RACE_S
        except Exception as error:  # noqa: BLE001 - the database may be away for a while; it is asked again
            log.warning("no jobs could be claimed", extra={"error": type(error).__name__})
            return AFTER_ERROR_S

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job), name=f"{job.kind}-{job.id}")
        self._running[task] = job
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        job = self._running.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease runs out and the job is rescued.
            log.error("a job could not be settled", exc_info=error, extra={"job_id": job.id, "kind": job.kind})
        self._db.changes.wake({JOBS})  # there is room again

    async def _work(self, job: Job) -> None:
        current_call.set(job.call_id)
        try:
            fate = await self._attempt(job)
        except Exception as error:
            log.exception("a job failed", extra={"job_id": job.id, "kind": job.kind, "attempt": job.attempt})
            fate = Retry(f"{type(error).__name__} in {job.kind}")
        while True:
            try:
                await self._settle(job, fate)
            except DatabaseAway:  # what was done is told when it is back, however long that takes
                await asyncio.sleep(AFTER_ERROR_S)
            else:
                return

    async def _attempt(self, job: Job) -> Fate:
        try:
            return await self._handlers[job.kind](job)
        except DatabaseAway:
            log.warning("a job waits for the database", extra={"job_id": job.id, "kind": job.kind})
            return Wait(AFTER_ERROR_S)

    async def _settle(self, job: Job, fate: Fate) -> None:
        match fate:
            case Done():
                settled = await self._queue.complete(job)
            case Wait(after_s):
                settled = await self._queue.postpone(job, after_s)
            case Parked():
                settled = True
            case Retry(reason, after_s):
                settled = await self._queue.retry(job, reason, after_s)
            case Fail(reason):
                settled = await self._queue.give_up(job, reason)
            case _:
                assert_never(fate)
        if not settled:
            log.warning("a job was no longer ours when it ended", extra={"job_id": job.id, "kind": job.kind})

    async def _keep_leases(self) -> None:
        looked, self._looked = self._looked, -math.inf  # should this look fail, the next one begins anew
        # Ours first: should this process have been slow, it does not take its own jobs for those of a dead one.
        if self._running:
            for lost in await self._queue.renew(self._running.values()):
                for task in [task for task, job in self._running.items() if job == lost]:
                    task.cancel()
        # Should the database have been away, or have taken no writes, or this machine have stood still, so that leases
        # ran out without anybody's death, everybody is given the time of a lease to renew before any job is taken away.
        now = time.monotonic()
        if now - looked > self._lease_s * (1 - 1 / RENEWALS):
            self._looking_since = now
        await self._queue.probe()
        if now - self._looking_since >= self._lease_s:
            await self._queue.rescue()
        self._looked = time.monotonic()

    async def _drain(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=DRAIN_S)
        unfinished = [self._running[task] for task in late]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        with suppress(DatabaseAway):  # then they are rescued
            for job in unfinished:
                await self._queue.postpone(job, 0)


def process_name() -> str:
    """A name for this process that no other has, now or later."""
    return f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"[:100]


async def _every(seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await act()
        except Exception as error:  # noqa: BLE001 - the database may be away for a while; the next round comes
            log.warning("upkeep of the queue failed", extra={"error": type(error).__name__})
        await asyncio.sleep(seconds)


async def woken(watch: Watch, stopped: "asyncio.Task[bool]", timeout_s: float) -> None:
    """Wait until the watch wakes, or it is time to stop, but no longer than that."""
    changed = asyncio.create_task(watch.wait(timeout_s))
    try:
        await asyncio.wait({changed, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        changed.cancel()
        with suppress(asyncio.CancelledError):
            await changed

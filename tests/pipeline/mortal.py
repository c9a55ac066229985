"""A runner that is killed at a chosen commit.

Each line on stdin, `<call id> <n>`, is one life in a process of its own: it works on the call until it is about to
commit for the `n`-th time, where it is killed, or until nothing is left to do. `killed` or `finished` is answered on
stdout. The processes are forks of this one, which first lives through the call of its argument itself, so that what
Python and its packages do only once is done by then; it says `ready`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from calls.changes import JOBS
from calls.database import Database
from calls.encryption import Keyring
from calls.jobs import JobQueue
from calls.rooms import Rooms
from calls.settings import Settings
from calls.storage import Storage
from calls.tables import jobs
from pipeline import post_call, recording
from pipeline.deps import Deps
from pipeline.llm import Llm
from pipeline.runner import Runner, process_name


class MortalDatabase(Database):
    def __init__(self, url: str, fatal: int) -> None:
        super().__init__(url)
        self._left = fatal

    @override
    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        self._left -= 1
        fatal = self._left == 0
        async with super().writing() as connection:
            yield connection
            if fatal:
                os.kill(os.getpid(), signal.SIGKILL)


async def live(settings: Settings, call_id: str, fatal: int) -> None:
    db = MortalDatabase(settings.database, fatal)
    async with Rooms.connect(settings) as rooms, Llm.connect(settings) as llm:
        deps = Deps(settings, db, Keyring.of(settings), rooms, Storage(settings), llm)
        give_up = {"post_call": post_call.give_up, "store_recording": recording.give_up}
        handlers = {
            "post_call": lambda job: post_call.run(job, deps),
            "store_recording": lambda job: recording.run(job, deps),
        }
        queue = JobQueue(db, process_name(), settings.lease_s, give_up)
        stop = asyncio.Event()
        runner = Runner(db, queue, handlers, {"post_call": 2, "recording": 2}, settings.lease_s)
        running = asyncio.create_task(runner.run(stop))
        unfinished = sa.exists().where(
            jobs.c.call_id == call_id, jobs.c.finished_at.is_(None), jobs.c.kind.in_(handlers)
        )
        async with db.changes.watch(JOBS) as watch:
            while await _is_true(db, unfinished):
                await watch.wait(1)
        stop.set()
        await running
    await db.close()


async def _is_true(db: Database, condition: sa.ColumnElement[bool]) -> bool:
    async with db.reading() as connection:
        return bool(await connection.scalar(sa.select(condition)))


def main() -> None:
    settings = Settings()
    asyncio.run(live(settings, sys.argv[1], 0))
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    for line in sys.stdin:
        call_id, fatal = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(live(settings, call_id, int(fatal)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "finished" if status == 0 else f"failed: {status}", flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    main()

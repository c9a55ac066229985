"""A runner of some queues that is killed at a chosen commit: `mortal.py CALL QUEUE...`.

Each line on stdin, `<call id> <n>`, is one life in a process of its own: it works on the call until it is about to
commit for the `n`-th time, where it is killed, or until nothing is left to do. `killed` or `finished` is answered on
stdout. The processes are forks of this one, which first lives through the call of its argument itself, so that what
Python and its packages do only once is done by then; it says `ready`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from calls.changes import JOBS
from calls.database import Database
from calls.encryption import Keyring
from calls.settings import Settings
from calls.tables import jobs
from pipeline.__main__ import runner
from pipeline.deps import connect
from tests.servers import ROOT, environment


@asynccontextmanager
async def mortal(
    settings: Settings, first_call: str, *queues: str
) -> AsyncIterator[Callable[[str, int], Awaitable[str]]]:
    """`await live(call_id, n)`: a life of a runner that ends before its `n`-th commit."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.pipeline.mortal",
        first_call,
        *queues,
        env=environment(settings),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    lines_in, lines_out = program.stdin, program.stdout
    assert lines_in is not None
    assert lines_out is not None

    async def live(call_id: str, fatal: int) -> str:
        lines_in.write(f"{call_id} {fatal}\n".encode())
        return (await asyncio.wait_for(lines_out.readline(), 60)).decode().strip()

    try:
        assert await asyncio.wait_for(lines_out.readline(), 60) == b"ready\n"
        yield live
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        await program.communicate()


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


async def live(settings: Settings, queues: list[str], call_id: str, fatal: int) -> None:
    db = MortalDatabase(settings.database, fatal)
    async with connect(settings, db, Keyring.of(settings)) as deps:
        stop = asyncio.Event()
        running = asyncio.create_task(runner(deps, dict.fromkeys(queues, 2)).run(stop))
        unfinished = sa.exists().where(
            jobs.c.call_id == call_id, jobs.c.finished_at.is_(None), jobs.c.queue.in_(queues)
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
    _, first_call, *queues = sys.argv
    asyncio.run(live(settings, queues, first_call, 0))
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    for line in sys.stdin:
        call_id, fatal = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(live(settings, queues, call_id, int(fatal)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "finished" if status == 0 else f"failed: {status}", flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    main()

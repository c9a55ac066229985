"""Lives that end at a chosen step.

A module such as `mortal_runner` serves them: each line on its stdin is one life in a process of its own, a fork of one
that has lived before, so that what Python and its packages do only once is done by then. The line's last word is the
number of the step at which the life is killed. `killed` or `finished` is answered on stdout.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from calls.database.engine import Database
from calls.settings import Settings
from tests.servers import ROOT, environment

# On a busy machine database and LiveKit are late, and a life that gives up for that was neither killed nor finished.
PATIENCE_S = 60
BEFORE_THE_CALL = -1  # the step of a runner between noting a dial and asking for it


class Steps:
    """Counts them, and ends the process at the fatal one.

    Transactions of several tasks may come in another order each time: what has to be met for certain has a number of
    its own, below 0.
    """

    def __init__(self, fatal: int) -> None:
        self._fatal = self._left = fatal

    def take(self, own: int = 0) -> None:
        self._left -= 1
        if self._left == 0 or (own and own == self._fatal):
            os.kill(os.getpid(), signal.SIGKILL)


class MortalDatabase(Database):
    """Each transaction that is about to be committed is a step."""

    def __init__(self, url: str, steps: Steps) -> None:
        super().__init__(url, patience_s=PATIENCE_S)
        self._steps = steps

    @override
    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        async with super().writing() as connection:
            yield connection
            self._steps.take()


@asynccontextmanager
async def mortal(module: str, settings: Settings, *arguments: str) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """`await live(*words, n)`: a life of `tests.pipeline.MODULE` that ends at its `n`-th step; with 0 it does not."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tests.pipeline.{module}",
        *arguments,
        env=environment(settings),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        process_group=0,
    )
    lines_in, lines_out = program.stdin, program.stdout
    assert lines_in is not None
    assert lines_out is not None

    async def live(*words: str | int) -> str:
        lines_in.write(f"{' '.join(map(str, words))}\n".encode())
        return (await asyncio.wait_for(lines_out.readline(), 60)).decode().strip()

    try:
        assert await asyncio.wait_for(lines_out.readline(), 60) == b"ready\n"
        yield live
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        await program.communicate()


def serve(live: Callable[..., Coroutine[Any, Any, None]], *first: str) -> None:
    """Live once with the words `first`, say `ready`, and then serve what stdin asks for, until it ends."""
    asyncio.run(live(*first, Steps(0)))
    gc.collect()
    gc.freeze()  # a life that collected garbage would write into all that is shared
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    for line in sys.stdin:
        *words, fatal = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(live(*words, Steps(int(fatal))))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "finished" if status == 0 else f"failed: {status}", flush=True)  # noqa: T201 - the same

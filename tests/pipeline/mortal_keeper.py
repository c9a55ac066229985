"""A keeper of trunks that is killed at a chosen step.

Each line on stdin, a number `n`, is one life in a process of its own: one look at LiveKit's trunks, which is killed as
it is about to commit, or has just been answered by LiveKit, for the `n`-th time in all. `killed` or `finished` is
answered on stdout. The processes are forks of this one, which first looks itself; then it says `ready`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from calls.database import Database
from calls.encryption import Keyring
from calls.settings import Settings
from pipeline.sip import Part, Sip
from pipeline.telephony import TrunkKeeper


class Steps:
    """Counts them, and ends the process at the fatal one."""

    def __init__(self, fatal: int) -> None:
        self._left = fatal

    def take(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalDatabase(Database):
    def __init__(self, url: str, steps: Steps) -> None:
        super().__init__(url)
        self._steps = steps

    @override
    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        async with super().writing() as connection:
            yield connection
            self._steps.take()


class MortalSip(Sip):
    steps: Steps

    @override
    async def save(self, part: Part) -> str:
        made = await super().save(part)
        self.steps.take()
        return made

    @override
    async def remove(self, part: Part) -> None:
        await super().remove(part)
        self.steps.take()

    @override
    async def find_bridge(self) -> None:
        """There is none here, and to find that out each time takes a second."""


async def live(settings: Settings, fatal: int) -> None:
    steps = Steps(fatal)
    db = MortalDatabase(settings.database, steps)
    async with MortalSip.connect(settings) as sip:
        assert isinstance(sip, MortalSip)
        sip.steps = steps
        keeper = TrunkKeeper(db, Keyring.of(settings), sip, settings, every_s=0)
        while not await keeper.look():  # noqa: ASYNC110 - nobody tells of a killed one's lease that ran out
            await asyncio.sleep(0.05)
    await db.close()


def main() -> None:
    settings = Settings()
    asyncio.run(live(settings, 0))
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(live(settings, int(line)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "finished" if status == 0 else f"failed: {status}", flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    main()

"""The database is away for a while: the talk has to go on, and everything is there afterwards."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from drills.conversation import BOOKING, GOODBYE, NAME, PATIENCE_S, TIME, Conversation, Outcome, conversation
from drills.ground import Ground
from drills.postgres import PostgresCluster


@dataclass(frozen=True)
class Outage:
    """One way in which a database is away for some seconds."""

    name: str
    seconds: float
    take_away: Callable[[], Awaitable[None]]
    give_back: Callable[[], Awaitable[None]]


class Stage(Enum):
    """When it begins."""

    START = "at the start"
    MIDDLE = "in the middle"
    END = "at the end"


class _Lock:
    """SQLite's write lock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._holder: sqlite3.Connection | None = None

    async def take(self) -> None:
        self._holder = sqlite3.connect(self._file, timeout=60, isolation_level=None, check_same_thread=False)
        await asyncio.to_thread(self._holder.execute, "BEGIN IMMEDIATE")

    async def free(self) -> None:
        assert self._holder is not None, "not taken"
        await asyncio.to_thread(self._holder.close)


def locked(file: Path, seconds: float) -> Outage:
    """Another process holds SQLite's write lock."""
    lock = _Lock(file)
    return Outage(f"SQLite is locked for {seconds:.0f} s", seconds, lock.take, lock.free)


def killed(cluster: PostgresCluster, seconds: float) -> Outage:
    """Postgres dies by SIGKILL, and is started again."""
    return Outage(
        f"Postgres is killed for {seconds:.0f} s",
        seconds,
        partial(asyncio.to_thread, cluster.kill),
        partial(_start_again, cluster),
    )


def restarted(cluster: PostgresCluster) -> Outage:
    """Postgres dies by SIGKILL, and is started again at once."""
    kill = partial(asyncio.to_thread, cluster.kill)
    return Outage("Postgres is killed and started at once", 0, kill, partial(_start_again, cluster))


def frozen(cluster: PostgresCluster, seconds: float) -> Outage:
    """Postgres accepts connections and never answers."""
    return Outage(
        f"Postgres does not answer for {seconds:.0f} s",
        seconds,
        partial(asyncio.to_thread, cluster.freeze),
        partial(asyncio.to_thread, cluster.thaw),
    )


async def _start_again(cluster: PostgresCluster) -> None:
    cluster.launch()  # in this thread: the server ends with the one that starts it
    await asyncio.to_thread(cluster.wait_ready)


async def meet(outage: Outage, stage: Stage, ground: Ground, broken: str) -> Outcome:
    """One call that is met by it."""
    await ground.need_two_workers()
    async with conversation(ground.client) as talk:
        silence_s = await _COURSES[stage](talk, outage)
        # To take a call, an agent needs the database.
        patience_s = PATIENCE_S + (outage.seconds if stage is Stage.START else 0)
        return await talk.outcome(broken, silence_s, taken_over=False, patience_s=patience_s)


async def _at_the_start(talk: Conversation, outage: Outage) -> float:
    """The call was made, and its caller is about to come."""
    async with _happening(outage):
        silence_s = max(await talk.greet(), await talk.ask(BOOKING))
        await talk.part()
    return silence_s


async def _in_the_middle(talk: Conversation, outage: Outage) -> float:
    """What the caller has just said is not written yet."""
    await talk.greet()
    asked = await talk.say(BOOKING)
    async with _happening(outage) as back:
        silence_s = await talk.hear_answer_since(asked)
        while not back.done():
            silence_s = max(silence_s, await talk.ask(NAME), await talk.ask(TIME))
        await talk.part()
    return silence_s


async def _at_the_end(talk: Conversation, outage: Outage) -> float:
    """The agent is about to say goodbye, and the caller hangs up."""
    await talk.greet()
    silence_s = await talk.ask(BOOKING)
    await talk.silence_since(await talk.say(GOODBYE))
    async with _happening(outage):
        await talk.caller.leave()
    return silence_s


_COURSES = {Stage.START: _at_the_start, Stage.MIDDLE: _in_the_middle, Stage.END: _at_the_end}


@asynccontextmanager
async def _happening(outage: Outage) -> AsyncIterator[asyncio.Task[None]]:
    """It has begun; the task ends when it is over, and so does the block, unless that fails."""
    await outage.take_away()
    over = asyncio.create_task(_give_back(outage))
    try:
        yield over
        await over
    finally:
        over.cancel()
        await asyncio.wait([over])


async def _give_back(outage: Outage) -> None:
    try:
        await asyncio.sleep(outage.seconds)
    finally:
        await outage.give_back()

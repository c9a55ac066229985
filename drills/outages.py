"""The database is locked by another process: the talk has to go on, and everything is there afterwards."""

import asyncio
import sqlite3
import time
from contextlib import closing
from enum import Enum
from pathlib import Path

from drills.conversation import BOOKING, NAME, TIME, Conversation, Outcome, conversation
from drills.ground import Ground


class Stage(Enum):
    """When it is locked."""

    MIDDLE = "in the middle"
    END = "at the end"


async def lock(seconds: float, stage: Stage, ground: Ground, broken: str) -> Outcome:
    """One call during which nobody can write."""
    await ground.need_two_workers()
    async with conversation(ground.client) as talk:
        await talk.greet()
        if stage is Stage.END:
            silence_s = await _ask(talk, BOOKING)
        locked = asyncio.create_task(asyncio.to_thread(_hold, ground.database, seconds))
        if stage is Stage.MIDDLE:
            silence_s = await _ask(talk, BOOKING)
            while not locked.done():
                silence_s = max(silence_s, await _ask(talk, NAME), await _ask(talk, TIME))
        await talk.part()
        await locked
        return await talk.outcome(broken, silence_s, taken_over=False)


async def _ask(talk: Conversation, sentence: int) -> float:
    """Say that, and hear the answer to its end; for how long it was silent before."""
    silence_s = await talk.silence_since(await talk.say(sentence))
    await talk.caller.hear_answer()
    return silence_s


def _hold(database: Path, seconds: float) -> None:
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")

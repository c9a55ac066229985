"""Courses of calls: when a provider fails, what the caller does then, and when all is well again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from typing import TypeAlias

from drills.conversation import BOOKING, GOODBYE, NAME, TIME
from drills.providers.talk import WITHIN_S, Reply, Talk

Course: TypeAlias = Callable[[Talk, Callable[[], None], Callable[[], None]], Awaitable[None]]

AWAY_S = 20.0
DEAD_WITHIN_S = 60.0
IMPATIENT_AFTER_S = 3.5
IMPATIENT_TIMES = 8
INTO_THE_SENTENCE_S = 1.5
GREETING_AFTER_S = 6.0


async def ask_once(talk: Talk, fail: Callable[[], None], _: Callable[[], None]) -> None:
    """The failure lasts, and the question is asked once."""
    await talk.hear_greeting()
    fail()
    await talk.ask(BOOKING)


async def ask_twice(talk: Talk, fail: Callable[[], None], _: Callable[[], None]) -> None:
    """The failure lasts, and what is not answered is asked again."""
    await ask_again(talk, fail, lambda: None)


async def ask_again(talk: Talk, fail: Callable[[], None], heal: Callable[[], None]) -> None:
    """What is not answered is asked again, and the failure is over by then."""
    await talk.hear_greeting()
    fail()
    reply = await talk.ask(BOOKING)
    heal()
    if reply not in {Reply.ANSWERED, Reply.HUNG_UP}:
        await talk.ask(BOOKING)


async def fail_at_the_greeting(talk: Talk, fail: Callable[[], None], _: Callable[[], None]) -> None:
    """The failure is there before the caller is, and lasts."""
    fail()
    await talk.hear_greeting()
    await talk.ask(BOOKING)


async def heal_at_the_greeting(talk: Talk, fail: Callable[[], None], heal: Callable[[], None]) -> None:
    """The failure is there before the caller is, and for some seconds more."""
    fail()
    with _after(GREETING_AFTER_S, heal):
        await talk.hear_greeting()
        await talk.ask(BOOKING)


async def come_back(talk: Talk, fail: Callable[[], None], heal: Callable[[], None]) -> None:
    """The failure lasts for a while, and the caller waits."""
    await talk.hear_greeting()
    fail()
    with _after(AWAY_S, heal):
        await talk.ask(BOOKING, AWAY_S + WITHIN_S)


async def fail_in_the_sentence(talk: Talk, fail: Callable[[], None], heal: Callable[[], None]) -> None:
    """It fails for a moment while the caller speaks."""
    await talk.hear_greeting()
    with _after(INTO_THE_SENTENCE_S, fail), _after(INTO_THE_SENTENCE_S + 0.1, heal):
        await talk.ask(BOOKING)


async def say_goodbye(talk: Talk, fail: Callable[[], None], _: Callable[[], None]) -> None:
    """The caller says goodbye, and waits for the agent to hang up."""
    await talk.hear_greeting()
    fail()
    await talk.ask(GOODBYE)


async def never_heal(talk: Talk, fail: Callable[[], None], _: Callable[[], None]) -> None:
    """The failure lasts, and the caller asks whenever it is his turn."""
    await talk.hear_greeting()
    fail()
    deadline = time.monotonic() + DEAD_WITHIN_S
    for sentence in cycle((BOOKING, TIME, NAME)):
        left_s = deadline - time.monotonic()
        if left_s <= 0 or await talk.ask(sentence, left_s) is Reply.HUNG_UP:
            return


async def keep_asking(talk: Talk, fail: Callable[[], None], _: Callable[[], None]) -> None:
    """The failure lasts, and the caller does not wait for long."""
    await talk.hear_greeting()
    fail()
    for sentence in islice(cycle((BOOKING, TIME, NAME)), IMPATIENT_TIMES):
        if await talk.ask(sentence, IMPATIENT_AFTER_S) is Reply.HUNG_UP:
            return
    await talk.ask(BOOKING)


@contextmanager
def _after(seconds: float, do: Callable[[], None]) -> Iterator[None]:
    """Do it then, unless the block was left before."""
    timer = asyncio.get_running_loop().call_later(seconds, do)
    try:
        yield
    finally:
        timer.cancel()

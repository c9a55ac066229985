"""The agent's process or its whole worker is killed: another agent has to go on."""

import asyncio
import time
from enum import Enum

from drills.conversation import BOOKING, TIME, Conversation, Outcome, conversation
from drills.ground import Ground

INTO_THE_SENTENCE_S = 1.5
PAUSE_S = 0.6  # nobody is back sooner, and no voice rests so long in a sentence


class Victim(Enum):
    """What is killed."""

    JOB = "the job process"
    WORKER = "the worker, one of two"
    ONLY_WORKER = "the only worker"


class When(Enum):
    """What happens in the call at that moment."""

    AGENT_SPEAKS = "the agent speaks"
    CALLER_SPEAKS = "the caller speaks"
    PAUSE = "in the pause"


async def kill(victim: Victim, when: When, ground: Ground, broken: str) -> Outcome:
    """One call in which that is killed."""
    if victim is Victim.ONLY_WORKER:
        await ground.need_one_worker()
    else:
        await ground.need_two_workers()
    async with conversation(ground.client) as talk:
        await talk.greet()
        await talk.say(BOOKING)
        speaking = await _reach(talk, when)
        if victim is Victim.JOB:
            ground.kill_job()
        else:
            ground.kill_worker()
        silence_s = await talk.silence_since(time.monotonic(), at_least=PAUSE_S)
        if speaking is not None:
            await speaking
        await talk.caller.hear_answer()
        await talk.part()
        return await talk.outcome(broken, silence_s, taken_over=True)


async def _reach(talk: Conversation, when: When) -> asyncio.Task[float] | None:
    """Return at that moment; the caller's sentence, if it is in the middle of one."""
    if when is When.AGENT_SPEAKS:
        await talk.silence_since(time.monotonic())
        await asyncio.sleep(INTO_THE_SENTENCE_S)
        return None
    await talk.caller.hear_answer()
    if when is When.PAUSE:
        return None
    speaking = asyncio.create_task(talk.say(TIME))
    await asyncio.sleep(INTO_THE_SENTENCE_S)
    return speaking

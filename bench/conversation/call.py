"""One call from the caller's side: sentences in turn, then a long answer that is agreed to and interrupted."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.conversation.caller import Caller
from bench.conversation.material import Sentence
from bench.conversation.sound import Span
from bench.conversation.systems import System

GREETING_WITHIN_S = 20
ANSWER_WITHIN_S = 10
REPLY_WITHIN_S = 15
QUIET_S = 1.0  # so long the agent is silent before the caller speaks again
AGREES_AFTER_S = 2.0
INTERRUPTS_AFTER_S = 4.0  # after having agreed

Announce = Callable[[str, Sentence], Awaitable[None]]


@dataclass(frozen=True)
class Closing:
    """What is said at the end of each call: a question with a long answer, an "mm-hm" into it, an interruption."""

    question: Sentence
    agreement: Sentence
    interruption: Sentence


@dataclass(frozen=True)
class Turn:
    """What was said, when, and until when the answer to it was waited for."""

    sentence: Sentence
    said: Span
    until: float


@dataclass
class Call:
    """What was said in a call and what was heard of its agent: the raw material of every figure."""

    system: str
    model: str  # by which the stand-ins' log names it
    caller: Caller
    turns: list[Turn] = field(default_factory=list)
    agreed: Span | None = None
    interrupted: Span | None = None

    async def begin(self, system: System) -> None:
        """Join, and hear the greeting."""
        access = await system.place(self.model)
        await self.caller.join(access.url, access.token)
        await self.caller.hears(self.caller.joined_at, GREETING_WITHIN_S)
        await self.caller.hears_nothing(QUIET_S, REPLY_WITHIN_S)

    async def talk(self, sentences: Sequence[Sentence], closing: Closing, announce: Announce) -> None:
        """Say the sentences one after the other, each after the answer to the one before, then close."""
        for sentence in sentences:
            said = await self._say(sentence, announce)
            await self.caller.hears(said.ended, ANSWER_WITHIN_S)
            await self.caller.hears_nothing(QUIET_S, REPLY_WITHIN_S)
            self.turns.append(Turn(sentence, said, time.monotonic()))
        await self._close(closing, announce)

    async def _close(self, closing: Closing, announce: Announce) -> None:
        asked = await self._say(closing.question, announce)
        if await self.caller.hears(asked.ended, ANSWER_WITHIN_S) is None:
            return
        await asyncio.sleep(AGREES_AFTER_S)
        self.agreed = await self._say(closing.agreement, announce)
        await asyncio.sleep(INTERRUPTS_AFTER_S)
        self.interrupted = await self._say(closing.interruption, announce)
        await self.caller.hears_nothing(QUIET_S * 2, REPLY_WITHIN_S)

    async def _say(self, sentence: Sentence, announce: Announce) -> Span:
        await announce(self.model, sentence)
        return await self.caller.say(sentence.samples)

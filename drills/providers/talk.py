"""A caller who waits for answers: how long he hears nothing meanwhile is measured from the sound."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from calls.phrases import ENGLISH
from demo.client import Client, Json
from drills.conversation import AGENT, Conversation, conversation

GREETING = "Hello, this is the Blue Door."
ANSWER = "We have a table at seven, near the window."  # the language model's, to whatever it is asked
LOOK_EVERY_S = 0.05
WITHIN_S = 20.0  # longer nobody waits


class Reply(Enum):
    """What comes of waiting."""

    ANSWERED = "answered"
    ASKED_AGAIN = "was asked to say it again"
    HUNG_UP = "the agent hung up"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Wait:
    """One time of waiting: what came of it, and the longest silence in it."""

    reply: Reply
    silence_s: float


class Talk:
    """One call, from the caller's side; all that he waits for is taken down."""

    def __init__(self, side: Conversation) -> None:
        self.side = side
        self.waits: list[Wait] = []  # the first is for the greeting
        self._failing_from = 0
        self._segments: dict[int, str] = {}

    @property
    def said(self) -> str:
        """What the agent has said so far, by the transcript."""
        return " ".join(text for _, text in sorted(self._segments.items()))

    @property
    def silence_s(self) -> float:
        """The longest silence while the caller waited, since something failed."""
        return max((wait.silence_s for wait in self.waits[self._failing_from :]), default=0.0)

    def note_failure(self) -> None:
        """Something fails from now on."""
        self._failing_from = len(self.waits)

    async def read(self, client: Client) -> None:
        """The transcript as it is written, to its end."""
        async for kind, data in client.stream(self.side.id):
            if kind == "segment" and data["speaker"] == "agent":
                self._segments[data["sequence"]] = data["text"]

    async def hear_greeting(self) -> Reply:
        """Join, and wait for the greeting."""
        return await self._wait(await self.side.join(), lambda: GREETING in self.said, WITHIN_S)

    async def ask(self, sentence: int, within_s: float = WITHIN_S) -> Reply:
        """Say one of the recorded sentences, and wait for the answer."""
        answers = self.said.count(ANSWER)
        since = await self.side.say(sentence)
        return await self._wait(since, lambda: self.said.count(ANSWER) > answers, within_s)

    async def _wait(self, since: float, is_answered: Callable[[], bool], within_s: float) -> Reply:
        """Until the answer was heard to its end, or the agent waits for the caller."""
        asked_again = self.said.count(str(ENGLISH.sorry))
        reply = Reply.NOTHING
        while reply is Reply.NOTHING and time.monotonic() < since + within_s:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self.side.caller.connected:
                reply = Reply.HUNG_UP
            elif self.side.caller.last_heard_at > since and not self.side.caller.agent_speaks:
                if is_answered():
                    reply = Reply.ANSWERED
                elif self.said.count(str(ENGLISH.sorry)) > asked_again:
                    reply = Reply.ASKED_AGAIN
        over = reply in {Reply.ANSWERED, Reply.ASKED_AGAIN}
        silence_s = longest_silence(self.side.caller.heard, since, None if over else time.monotonic())
        self.waits.append(Wait(reply, silence_s))
        return reply


def longest_silence(heard: Sequence[float], since: float, until: float | None) -> float:
    """The longest pause between sounds that were heard at these moments, from one moment on to another, or the last."""
    end = [] if until is None else [until]
    moments = [since, *(at for at in heard if since < at < min([math.inf, *end])), *end]
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


@asynccontextmanager
async def talking(client: Client, agent: Json) -> AsyncIterator[Talk]:
    """A new call of an agent that differs in that from the drills' usual one; its caller has left at the end."""
    async with conversation(client, {**AGENT, "first_message": GREETING, **agent}) as side:
        talk = Talk(side)
        reading = asyncio.create_task(talk.read(client))
        try:
            yield talk
        finally:
            reading.cancel()
            await asyncio.wait([reading])

"""A caller who waits for answers: how long he hears nothing meanwhile is measured from the sound."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
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
PATIENCE_S = 3.5  # after a part of an answer, and he asks again


class Reply(Enum):
    """What comes of waiting."""

    ANSWERED = "answered"
    ASKED_AGAIN = "was asked to say it again"
    BROKEN_OFF = "heard a part of the answer"
    HUNG_UP = "the agent hung up"
    NOTHING = "no answer"


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
        before = self.said
        return await self._wait(await self.side.join(), before, GREETING, WITHIN_S)

    async def ask(self, sentence: int, within_s: float = WITHIN_S) -> Reply:
        """Say one of the recorded sentences, and wait for the answer."""
        before = self.said
        return await self._wait(await self.side.say(sentence), before, ANSWER, within_s)

    async def _wait(self, since: float, before: str, wanted: str, within_s: float) -> Reply:
        """Until that was heard to its end, or the agent waits for the caller; `before` is what it had said by then."""
        reply = Reply.NOTHING
        while reply is Reply.NOTHING and time.monotonic() < since + within_s:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self.side.caller.connected:
                reply = Reply.HUNG_UP
            elif self.side.caller.last_heard_at > since and not self.side.caller.agent_speaks:
                reply = reply_in(before, self.said, wanted)
                if reply is Reply.BROKEN_OFF and time.monotonic() - self.side.caller.last_heard_at < PATIENCE_S:
                    reply = Reply.NOTHING  # it may go on
        over = reply not in {Reply.NOTHING, Reply.HUNG_UP}
        silence_s = longest_silence(self.side.caller.heard, since, None if over else time.monotonic())
        self.waits.append(Wait(reply, silence_s))
        return reply


def reply_in(before: str, said: str, wanted: str) -> Reply:
    """What an agent that is silent now has replied, by what it had said before and has by now."""

    def is_new(text: str) -> bool:
        return said.count(text) > before.count(text)

    if is_new(wanted):
        return Reply.ANSWERED
    if is_new(str(ENGLISH.sorry)):
        return Reply.ASKED_AGAIN
    return Reply.BROKEN_OFF if is_new(" ".join(wanted.split()[:2])) else Reply.NOTHING


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

"""What the model is sent of a long conversation: its prompt, a summary of the beginning, and the latest turns."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from livekit.agents import APIConnectOptions, APIError, APIStatusError, llm, utils

import prompts
from calls.model_refusals import speaks_of_length
from worker.ranking import Ranking

logger = logging.getLogger(__name__)

ROOM = 64_000.0  # bytes, some 16,000 tokens: more would be slow and dear, even where a model takes it
LONG = 8_000  # bytes: every model that is in use takes a request of this size
SHORTEST = 1_500
LEAST = 1_500.0  # bytes of the latest turns, beside a prompt of whatever length
ROOM_HOLDS_S = 600.0
FILLED = 0.6  # of the room, after turns were left out: so that this happens seldom, and many at once
GREW = 1.25  # a request that is so much longer than another, and of no more tokens, was cut by the server
SUMMARY_S = 30.0
ONCE = APIConnectOptions(max_retry=0, timeout=SUMMARY_S)
_OF_LENGTH = frozenset({400, 413, 422})
_OF_ANYTHING = frozenset({429, 500})


class Memory:
    """The memory of one agent's model.

    How much the model takes is found out: a request that it refuses is made half as long, whatever the server says.

    Args:
        models: the best of them makes the summaries.
        on_cut: called once when the server leaves out a part of what it is sent, and says nothing.
    """

    def __init__(self, models: Ranking[llm.LLM[Any]], on_cut: Callable[[], None]) -> None:
        self._models = models
        self._on_cut = on_cut
        self._room = ROOM
        self._room_until = math.inf
        self._summary = ""
        self._forgotten: list[str] = []  # lines that are left out and not in the summary yet
        self._first = ""  # the id of the first item that is not left out
        self._summing_up: asyncio.Task[None] | None = None
        self._largest: dict[int, tuple[int, int]] = {}  # of each model, bytes and tokens
        self._cut = False

    def fit(self, chat: llm.ChatContext) -> llm.ChatContext:
        """The conversation as it is sent."""
        if time.monotonic() > self._room_until:  # servers change, and it may have been something else
            self._room, self._room_until = ROOM, math.inf
        head, turns = _divided(chat)
        ids = [item.id for item in turns]
        turns = turns[ids.index(self._first) :] if self._first in ids else turns
        if _size(head) + len(self._summary) + _size(turns) > self._room:
            turns = self._leave_out(head, turns)
        if self._summary:
            head = [_with_summary(head, self._summary)]
        return llm.ChatContext([*head, *turns])

    def shorten(self, chat: llm.ChatContext, sent: llm.ChatContext, error: APIError) -> bool:
        """Whether less is sent of this `chat` from now on, because of what the model's server said to what was `sent`.

        A prompt that is too long by itself cannot be helped.
        """
        size = _size(sent.items)
        if not isinstance(error, APIStatusError):
            return False
        of_length = speaks_of_length(f"{error.message} {error.body}")
        statuses = _OF_LENGTH | _OF_ANYTHING if of_length else _OF_LENGTH
        if error.status_code not in statuses or size < (SHORTEST if of_length else LONG):
            return False
        before, self._room = self._room, size / 2
        self._room_until = time.monotonic() + ROOM_HOLDS_S
        if _size(self.fit(chat).items) < size:
            return True
        self._room = before
        return False

    def learn(self, sent: llm.ChatContext, tokens: int, model: int) -> None:
        """The server of that model says that it has read so many tokens of what was sent."""
        size = _size(sent.items)
        largest_size, largest_tokens = self._largest.get(model, (0, 0))
        if tokens > largest_tokens:
            self._largest[model] = (size, tokens)
        elif largest_size >= SHORTEST and size >= GREW * largest_size:
            self._room, self._room_until = largest_size, time.monotonic() + ROOM_HOLDS_S
            if not self._cut:
                self._cut = True
                self._on_cut()

    async def aclose(self) -> None:
        """Make no summary any more."""
        if self._summing_up is not None:
            await utils.aio.cancel_and_wait(self._summing_up)

    def _leave_out(self, head: list[llm.ChatItem], turns: list[llm.ChatItem]) -> list[llm.ChatItem]:
        room = max(FILLED * self._room - _size(head) - len(self._summary), LEAST)
        kept = len(turns)
        while kept > 0 and (kept == len(turns) or _size(turns[kept - 1 :]) <= room):
            kept -= 1
        # A tool's answer without its question is refused: what is kept begins with what somebody has said.
        begins = [place for place, item in enumerate(turns) if _role(item) == "user"]
        kept = next((place for place in begins if place >= kept), begins[-1] if begins else 0)
        if kept == 0:
            return turns
        self._forgotten += [line for item in turns[:kept] if (line := _line(item))]
        self._first = turns[kept].id
        if self._summing_up is None or self._summing_up.done():
            self._summing_up = asyncio.create_task(self._sum_up())
        return turns[kept:]

    async def _sum_up(self) -> None:
        while self._forgotten:
            lines: list[str] = []
            while self._forgotten and (not lines or len("\n".join(lines)) < self._room / 3):
                lines.append(self._forgotten.pop(0))
            try:
                async with asyncio.timeout(SUMMARY_S):
                    self._summary = await self._summed_up(lines)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises; its text may quote what was said
                self._forgotten = [*lines, *self._forgotten]
                logger.warning("the beginning of the conversation was not summed up: %s", type(error).__name__)
                return

    async def _summed_up(self, lines: list[str]) -> str:
        told, _ = prompts.render(prompts.load("rolling_summary"), {})
        chat = llm.ChatContext.empty()
        chat.add_message(role="system", content=told)
        before = [f"Summary of what was said before: {self._summary}"] if self._summary else []
        chat.add_message(role="user", content="\n".join([*before, *lines]))
        answer = await self._models[self._models.best].chat(chat_ctx=chat, conn_options=ONCE).collect()
        return answer.text.strip()[: int(self._room / 4)] or self._summary


def _divided(chat: llm.ChatContext) -> tuple[list[llm.ChatItem], list[llm.ChatItem]]:
    """The prompt, if there is one, and the turns."""
    begins = 1 if chat.items and _role(chat.items[0]) in {"system", "developer"} else 0
    return chat.items[:begins], chat.items[begins:]


def _role(item: llm.ChatItem) -> str:
    return item.role if item.type == "message" else ""


def _with_summary(head: list[llm.ChatItem], summary: str) -> llm.ChatItem:
    prompt = head[0].text_content or "" if head and head[0].type == "message" else ""
    text = f"{prompt}\n\nEarlier in this conversation: {summary}".strip()
    return llm.ChatMessage(role="system", content=[text])


def _line(item: llm.ChatItem) -> str:
    if item.type == "message":
        return f"{'Agent' if item.role == 'assistant' else 'Caller'}: {item.text_content or ''}"
    if item.type == "function_call":
        return f"(the agent used {item.name} with {item.arguments})"
    return f"(which gave {item.output})" if item.type == "function_call_output" else ""


def _size(items: Sequence[llm.ChatItem]) -> int:
    """Bytes of what is said in them."""
    return sum(len(_line(item).encode()) for item in items)

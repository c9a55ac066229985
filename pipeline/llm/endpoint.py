"""One model of one endpoint: a request and its answer, put in the way that this endpoint takes."""

import asyncio
import json
import math
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import openai
from openai import AsyncOpenAI

from pipeline.llm.errors import LlmFailed, LlmUnavailable, TooLong
from pipeline.llm.refusals import PLAINEST, Form, Refusal, Ways

TIMEOUT_S = 180.0  # of a request, to the last byte of its answer
ROOM_HOLDS_S = 3600.0  # then a long request is tried again: servers change, and it may have been something else
LONG = 8_000  # bytes; every model that is in use takes a request of this size, some 2000 tokens
BYTES_PER_TOKEN = 6  # hardly ever more, but 9 in languages that a model's tokens are made for, as Hindi
AS_MANY = 0.95  # of the tokens: what reports as many without a quarter of the text has not read that quarter

_BAD_REQUEST = frozenset({400, 404, 405, 415, 422, 501})
_TOO_LARGE = 413
_PASSING = frozenset({408, 409, 425, 429})  # and those of the server itself
_INTERNAL_ERROR = 500
_UNCLEAR = frozenset({429, 500})  # the length, a limit that passes, or anything else

_NO_ANSWER = "The language model's server sent something that is no answer."


class Endpoint:
    """Sends requests and remembers what the server does not take, and for a while which size."""

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self._client = client
        self._model = model
        self._ways = Ways()
        self._room = math.inf
        self._room_until = 0.0
        self._whole = 0.0  # tokens of a request that it is known to have read to its end

    @property
    def room(self) -> float:
        """Bytes of a request, as far as is known: longer ones failed not long ago."""
        return self._room if time.monotonic() < self._room_until else math.inf

    def fitted(self, size: float) -> None:
        """Remember that longer requests than `size` bytes failed, and one of that size did not."""
        if size < self.room:
            self._room, self._room_until = size, time.monotonic() + ROOM_HOLDS_S

    async def complete(self, instructions: str, content: str, form: Form | None = None) -> str:
        """What the model says to `content`, by the `instructions` of the system; with a `form`, it is asked for JSON.

        Raises LlmUnavailable, LlmFailed or TooLong.
        """
        size = len(instructions.encode()) + len(content.encode())
        ways, refusal, passed_over = self._ways.known(form), None, False
        while ways:
            way = ways.pop(0)
            try:
                answer = await self._send(_body(instructions, content, way.options(form)), size)
            except Refusal as problem:
                # Its words only say what to try first: servers word this as they like, and repeat what they were sent.
                if problem.speaks_of_length and size >= LONG:
                    ways, passed_over = [PLAINEST] if way != PLAINEST else [], True
                ways.sort(key=partial(problem.speaks_against, tried=way))
                refusal = problem
            else:
                if not passed_over:
                    self._ways.learn(form, way)
                if await self._cut_off(answer, instructions, content, way.options(form)):
                    raise TooLong(size, lasting=False)
                return _content(answer, size)
        assert refusal is not None
        of_length = refusal.speaks_of_length and size >= LONG
        raise TooLong(size, None if of_length else refusal.failure) from refusal

    async def _cut_off(
        self, answer: Mapping[str, Any], instructions: str, content: str, options: Mapping[str, Any]
    ) -> bool:
        """Whether the answer is to a part of the request only: some servers leave out the rest, and say nothing."""
        size, read = len(instructions.encode()) + len(content.encode()), _read(answer)
        if size < LONG or read <= self._whole or read * BYTES_PER_TOKEN >= size:
            return False
        kept = len(content) * 3 // 8  # at each end, so that the tags there stay
        shorter = _body(instructions, content[:kept] + content[-kept:], options)
        try:
            read_of_shorter = _read(await self._send(shorter, size))
        except (Refusal, TooLong) as problem:
            raise LlmUnavailable("The language model's server refused less than it had taken.") from problem
        if AS_MANY * read <= read_of_shorter < math.inf:
            return True
        self._whole = read
        return False

    async def _send(self, body: dict[str, Any], size: int) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await self._client.chat.completions.with_raw_response.create(model=self._model, **body)
        except TimeoutError as error:
            raise LlmUnavailable(f"The language model's server did not answer in {TIMEOUT_S:g} s.") from error
        except openai.APIStatusError as error:
            raise _trouble(error.status_code, error.response.text, error.response.headers, size) from error
        except openai.OpenAIError as error:
            raise LlmUnavailable("The language model's server could not be reached.") from error
        return _answer(response.text, size)


def _body(instructions: str, content: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messages": [{"role": "system", "content": instructions}, {"role": "user", "content": content}],
        **options,
    }


def _answer(body: str, size: int) -> Mapping[str, Any]:
    """What a successful answer holds, which may be none for all that."""
    try:
        answer = json.loads(body.lstrip("\ufeff"))
    except (ValueError, RecursionError) as problem:
        raise LlmUnavailable(_NO_ANSWER) from problem
    match answer:
        case {"choices": [dict() as choice, *_]} if isinstance(choice.get("message") or {}, dict):
            return dict(answer)
        case dict() if not answer.get("choices"):
            error = answer.get("error")
            inner = error.get("code") if isinstance(error, dict) else None
            status = inner if isinstance(inner, int) and inner in range(400, 600) else _INTERNAL_ERROR
            raise _trouble(status, json.dumps(error), {}, size)
        case _:
            raise LlmUnavailable(_NO_ANSWER)


def _read(answer: Mapping[str, Any]) -> float:
    """How many tokens of the request the server says that the model has read; no end of them if it says nothing."""
    match answer.get("usage"):
        case {"prompt_tokens": int(read)} if read > 0:
            return read
        case _:
            return math.inf


def _content(answer: Mapping[str, Any], size: int) -> str:
    choice = answer["choices"][0]
    message = choice.get("message") or {}
    if message.get("refusal"):
        raise LlmFailed("The model refused to answer.")
    match choice.get("finish_reason"):
        case "length":  # the context may have been full
            raise TooLong(size, LlmFailed("The model's answer was cut off at its length limit."), lasting=False)
        case "content_filter":
            raise LlmFailed("The model's answer was withheld by a content filter.")
        case _:
            pass
    content = message.get("content") or ""
    if isinstance(content, list):  # in parts, some of them thoughts
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return str(content)


def _trouble(status: int, text: str, headers: Mapping[str, str], size: int) -> Exception:
    """What an answer of this status means for who asked; `text` is its body, in words that every provider chooses."""
    away = LlmUnavailable(f"The language model's server answered {status}.")
    refusal = Refusal(text, LlmFailed(f"The language model's server refused the request with {status}."))
    if status in _BAD_REQUEST:
        return refusal
    if status == _TOO_LARGE:
        return TooLong(size)
    if status in _UNCLEAR and (refusal.speaks_of_length or "retry-after" not in headers):
        return TooLong(size, away, lasting=False)
    return away if status in _PASSING or status >= _INTERNAL_ERROR else refusal.failure

"""One model of one endpoint: a request and its answer, put in the way that this endpoint takes."""

import json
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import openai
from openai import AsyncOpenAI

from pipeline.llm.errors import LlmFailed, LlmUnavailable, TooLong
from pipeline.llm.refusals import Form, Refusal, Ways

LONG = 8_000  # bytes; every model that is in use takes a request of this size, some 2000 tokens
BYTES_PER_TOKEN = 6  # at most, on average, in any language

_BAD_REQUEST = frozenset({400, 404, 405, 415, 422, 501})
_TOO_LARGE = 413
_PASSING = frozenset({408, 409, 425, 429})  # and those of the server itself
_INTERNAL_ERROR = 500
_UNCLEAR = frozenset({429, 500})  # the length, a limit that passes, or anything else


class Endpoint:
    """Sends requests and remembers what the server does not take, and which size.

    Attributes:
        room: bytes of a request, as far as is known: longer ones failed.
    """

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self._client = client
        self._model = model
        self._ways = Ways()
        self.room: float = math.inf

    async def complete(self, instructions: str, content: str, form: Form | None = None) -> str:
        """What the model says to `content`, by the `instructions` of the system; with a `form`, it is asked for JSON.

        Raises LlmUnavailable, LlmFailed or TooLong.
        """
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": content}]
        size = len(instructions.encode()) + len(content.encode())
        ways, refusal = self._ways.known(form), None
        while ways:
            way = ways.pop(0)
            try:
                text = await self._send({"messages": messages, **way.options(form)}, size)
            except Refusal as problem:
                if problem.speaks_of_length and size >= LONG:
                    raise TooLong(size) from problem
                # Its words only say what to try first: servers word this as they like, and repeat what they were sent.
                ways.sort(key=partial(problem.speaks_against, tried=way))
                refusal = problem
            else:
                self._ways.learn(form, way)
                return text
        assert refusal is not None
        raise TooLong(size, refusal.failure) from refusal

    async def _send(self, body: dict[str, Any], size: int) -> str:
        try:
            response = await self._client.chat.completions.with_raw_response.create(model=self._model, **body)
        except openai.APIStatusError as error:
            raise _trouble(error.status_code, error.response.text, error.response.headers, size) from error
        except openai.OpenAIError as error:  # timeouts too
            raise LlmUnavailable("The language model's server could not be reached.") from error
        return _said(response.text, size)


def _said(body: str, size: int) -> str:
    """The text in a successful answer, which may be none for all that."""
    try:
        answer = json.loads(body.lstrip("\ufeff"))
        choices, error = answer.get("choices"), answer.get("error")
    except (ValueError, AttributeError, RecursionError) as problem:
        raise LlmUnavailable("The language model's server sent something that is no answer.") from problem
    if not choices:
        inner = error.get("code") if isinstance(error, dict) else None
        status = inner if isinstance(inner, int) and inner in range(400, 600) else _INTERNAL_ERROR
        raise _trouble(status, json.dumps(error), {}, size)
    read = (answer.get("usage") or {}).get("prompt_tokens") or math.inf
    if size >= LONG and read * BYTES_PER_TOKEN < size:
        raise TooLong(size)  # some servers cut off what does not fit, and say nothing
    return _content(choices[0], size)


def _content(choice: Mapping[str, Any], size: int) -> str:
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
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return str(content)


def _trouble(status: int, text: str, headers: Mapping[str, str], size: int) -> Exception:
    """What an answer of this status means for who asked; `text` is its body, in words that every provider chooses."""
    away = LlmUnavailable(f"The language model's server answered {status}.")
    refusal = Refusal(text, LlmFailed(f"The language model's server refused the request with {status}."))
    if status in _BAD_REQUEST:
        return refusal
    if status == _TOO_LARGE or (status in _UNCLEAR and refusal.speaks_of_length):
        return TooLong(size)
    if status in _UNCLEAR and "retry-after" not in headers:
        return TooLong(size, away, lasting=False)
    return away if status in _PASSING or status >= _INTERNAL_ERROR else refusal.failure

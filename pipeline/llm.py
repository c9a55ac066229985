"""Asking a language model for JSON about a transcript, over any OpenAI-compatible endpoint."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Never

import openai
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import validator_for
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from openai.types.shared_params.response_format_json_schema import JSONSchema
from referencing import Registry

import prompts
from calls.settings import Settings

TIMEOUT_S = 180.0
SHORTEST = 1000  # characters of a transcript; an answer about less than this would be about something else
OMISSION = "[… {} lines of the call are left out here …]"


class LlmUnavailable(Exception):
    """The model's server does not answer as it should just now; the same request may succeed later."""


class LlmFailed(Exception):
    """No usable answer, and asking again would not bring one; the text says why."""


@dataclass(frozen=True)
class Answer:
    """What the model said, valid against the schema; `lines_left_out` of the transcript it has not seen."""

    value: dict[str, Any]
    lines_left_out: int


@dataclass(frozen=True)
class Question:
    """What to ask: `instructions` (the system prompt) and the JSON `schema` of the answer, called `name`.

    `strict` asks servers that can for decoding that cannot leave the schema; it forbids optional properties.
    """

    name: str
    instructions: str
    schema: Mapping[str, Any]
    strict: bool = False


class Llm:
    """One model of one endpoint."""

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self._client = client
        self._model = model

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator["Llm"]:
        """A client for the length of the block."""
        key = settings.openai_api_key.get_secret_value() or "none"  # local servers ask for no key, the client does
        # The job queue repeats what fails; a client that does so as well only hides how long it takes.
        async with AsyncOpenAI(api_key=key, base_url=settings.llm, timeout=TIMEOUT_S, max_retries=0) as client:
            yield cls(client, settings.llm_model)

    async def ask(self, question: Question, transcript: str) -> Answer:
        """Ask about a transcript, shortened in its middle as far as the model's context demands.

        An answer that does not fit the schema is sent back once for correction. Raises LlmUnavailable or LlmFailed.
        """
        lines, size = transcript.splitlines(), len(transcript)
        while True:
            text, left_out = shorten(lines, size)
            if left_out == len(lines):
                raise LlmFailed("The model's context is too small for the transcript.")
            try:
                return Answer(await self._converse(question, text), left_out)
            except _TooLong as error:
                size = min(size, len(text)) // 2
                if size < SHORTEST:
                    raise LlmFailed("The model's context is too small for the transcript.") from error

    async def _converse(self, question: Question, transcript: str) -> dict[str, Any]:
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": question.instructions},
            {"role": "user", "content": f"<transcript>\n{transcript}\n</transcript>"},
        ]
        text = await self._complete(question, messages)
        try:
            return parse(text, question.schema)
        except LlmFailed as problem:
            repair, _ = prompts.render(prompts.load("repair"), {"problem": str(problem)})
            messages += [{"role": "assistant", "content": text}, {"role": "user", "content": repair}]
            return parse(await self._complete(question, messages), question.schema)

    async def _complete(self, question: Question, messages: list[ChatCompletionMessageParam]) -> str:
        form = JSONSchema(name=question.name, schema=dict(question.schema), strict=question.strict)
        try:
            completion = await self._client.chat.completions.create(
                model=self._model,
                messages=messages,
                response_format={"type": "json_schema", "json_schema": form},
            )
        except openai.OpenAIError as error:
            _explain(error)
        if not completion.choices:
            raise LlmFailed("The model's server sent no answer.")
        choice = completion.choices[0]
        if choice.message.refusal:
            raise LlmFailed("The model refused to answer.")
        if choice.finish_reason == "length":
            raise LlmFailed("The model's answer was cut off at its length limit.")
        if choice.finish_reason == "content_filter":
            raise LlmFailed("The model's answer was withheld by a content filter.")
        return choice.message.content or ""


class _TooLong(Exception):
    """The request does not fit into the model's context."""


def _explain(error: openai.OpenAIError) -> Never:
    match error:
        case openai.APIConnectionError():  # timeouts too
            raise LlmUnavailable("The language model's server could not be reached.") from error
        case openai.APIStatusError(status_code=code) if code in {408, 409, 429} or code >= 500:  # noqa: PLR2004 - HTTP's
            raise LlmUnavailable(f"The language model's server answered {code}.") from error
        case openai.APIStatusError(status_code=code):
            about_length = error.code == "context_length_exceeded" or "context" in error.message.lower()
            if code == 413 or (code == 400 and about_length):  # noqa: PLR2004 - HTTP's
                raise _TooLong from error
            raise LlmFailed(f"The language model's server refused the request with {code}.") from error
        case _:
            raise LlmFailed("The language model's server sent something that is no answer.") from error


def parse(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in a model's answer; LlmFailed says what is wrong with it."""
    if not text.strip():
        raise LlmFailed("The model gave an empty answer.")
    try:
        value = json.loads(_unfenced(text), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise LlmFailed("The model's answer is not JSON.") from error
    if not isinstance(value, dict):
        raise LlmFailed("The model's answer is not a JSON object.")
    storable: dict[str, Any] = _storable(value)
    try:
        # An own registry: the usual one would fetch what a "$ref" points to.
        validator = validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())
        problem = best_match(validator.iter_errors(storable))
    except Exception as error:
        raise LlmFailed(f"The JSON schema cannot be used: {type(error).__name__}.") from error
    if problem is not None:
        raise LlmFailed(f"The model's answer does not match the schema: {_place(problem)}{problem.message[:200]}.")
    return storable


def _unfenced(text: str) -> str:
    body = text.strip()
    if body.startswith("```") and body.endswith("```") and "\n" in body:
        body = body[body.index("\n") : -3]
    return body


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _storable(value: object) -> Any:  # noqa: ANN401 - JSON in, the same JSON out
    """The same without what no database stores as text: NUL and halves of surrogate pairs."""
    match value:
        case str():
            return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case _:
            return value


def _place(problem: ValidationError) -> str:
    path = ".".join(str(part) for part in problem.absolute_path)
    return f"{path}: " if path else ""


def shorten(lines: list[str], size: int) -> tuple[str, int]:
    """The transcript in at most about `size` characters: its beginning and its end, and how many lines are missing.

    A call opens with what it is about and closes with what was agreed: one third is the beginning, two are the end.
    """
    if sum(len(line) + 1 for line in lines) <= size + 1:
        return "\n".join(lines), 0
    head = _fitting(lines, size // 3)
    tail = _fitting(lines[: len(head) - 1 if head else None : -1], size - size // 3)[::-1]
    left_out = len(lines) - len(head) - len(tail)
    return "\n".join([*head, OMISSION.format(left_out), *tail]), left_out


def _fitting(lines: list[str], size: int) -> list[str]:
    taken, used = 0, 0
    for line in lines:
        used += len(line) + 1
        if used > size:
            break
        taken += 1
    return lines[:taken]

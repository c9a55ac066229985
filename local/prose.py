"""Fields that ask a question are answered in a sentence each: in JSON, a tiny model only copies what it has read."""

from collections.abc import Awaitable, Callable
from typing import Any

from local.schemas import Schema
from local.sentences import whole_sentences

Message = dict[str, Any]
Say = Callable[[list[Message]], Awaitable[str]]
"""messages -> what the model says to them, in plain text."""

_TASK = "Answer the question about the conversation in one sentence."
_LIMITS = {"enum", "const", "pattern", "format", "minLength", "maxLength"}


async def with_answers(say: Say, messages: list[Message], schema: Schema) -> Schema:
    """The schema with the answers to its questions: each text whose description is a question becomes a constant.

    The question is asked about the last message alone. Where there is no answer, the field stays as it is.
    """
    properties = {name: await _with_answer(say, messages, part) for name, part in schema.get("properties", {}).items()}
    return {**schema, "properties": properties} if properties else schema


async def _with_answer(say: Say, messages: list[Message], part: object) -> object:
    if not isinstance(part, dict):
        return part
    question = str(part.get("description", "")).strip()
    if part.get("type") != "string" or not question.endswith("?") or _LIMITS & part.keys():
        return await with_answers(say, messages, part)
    asked = f"{messages[-1]['content']}\n\n{question}"
    said = await say([{"role": "system", "content": _TASK}, {"role": "user", "content": asked}])
    answer = whole_sentences(said, enough=1).strip()
    return {**part, "const": answer} if answer else part

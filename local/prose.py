"""Fields that ask a question are answered in a sentence each: in JSON, a tiny model only copies what it has read."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from local.schemas import Schema, is_share, tenths
from local.sentences import whole_sentences

Message = dict[str, Any]
Say = Callable[[list[Message]], Awaitable[str]]
"""messages -> what the model says to them, in plain text."""

_TASK = "Answer the question about the conversation in one sentence."
_DENIAL = re.compile(r"\b(?:no|not|never|fail(?:s|ed)?|unable|unhelpful)\b|n['’]t\b", re.IGNORECASE)
_LIMITS = {"enum", "const", "pattern", "format", "minLength", "maxLength"}


async def with_answers(say: Say, messages: list[Message], schema: Schema) -> Schema:
    """The schema with the answers to its questions: each text whose description is a question becomes a constant.

    The question is asked about the last message alone. Where there is no answer, the field stays as it is. A verdict
    that follows an answer says what that says: the model itself praises everything.
    """
    properties: dict[str, object] = {}
    answer = ""
    for name, part in schema.get("properties", {}).items():
        if not isinstance(part, dict):
            properties[name] = part
        elif _is_question(part):
            answer = await _answer(say, messages, part["description"])
            properties[name] = {**part, "const": answer} if answer else part
        else:
            answered = await with_answers(say, messages, part)
            properties[name] = _agreeing(answered, answer) if answer else answered
    return {**schema, "properties": properties} if properties else schema


def _is_question(part: Schema) -> bool:
    question = str(part.get("description", "")).strip()
    return part.get("type") == "string" and question.endswith("?") and not _LIMITS & part.keys()


async def _answer(say: Say, messages: list[Message], question: str) -> str:
    asked = f"{messages[-1]['content']}\n\n{question.strip()}"
    said = await say([{"role": "system", "content": _TASK}, {"role": "user", "content": asked}])
    return whole_sentences(said, enough=1).strip()


def _agreeing(part: Schema, answer: str) -> Schema:
    """A yes or no that has no description of its own, or a share: as good or bad as the answer sounds."""
    denies = _DENIAL.search(answer) is not None
    if part == {"type": "boolean"}:
        return {**part, "const": not denies}
    if is_share(part):
        return {**part, "enum": [tenth for tenth in tenths(part) if (tenth < part["minimum"] + 0.5) == denies]}
    return part

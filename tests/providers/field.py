"""Models as they are in the field: each is a way to behave, round a model that answers well.

providers.answer_with(without("temperature")(well))
"""

import json
from collections.abc import Callable
from typing import Any

from tests.providers.script import Answer, Chat, Raw

Model = Callable[[Chat], Answer | None]
Quirk = Callable[[Model], Model]


def error(message: str, status: int = 400, **fields: Any) -> Raw:
    return Raw(status, {"error": {"message": message, **fields}})


def refusing(when: Callable[[Chat], bool], answer: Raw) -> Quirk:
    """Refuses requests by one of their traits."""
    return lambda model: lambda chat: answer if when(chat) else model(chat)


def without(field: str, message: str = "Unsupported parameter: '{}' is not supported with this model.") -> Quirk:
    """A server that knows no such field of a request."""
    return refusing(lambda chat: field in chat.body, error(message.format(field)))


def _format(chat: Chat) -> str:
    return str(chat.body.get("response_format", {}).get("type"))


def _has(chat: Chat, key: str) -> bool:
    return f'"{key}":' in json.dumps(chat.body.get("response_format", {}))


without_schemas = refusing(
    lambda chat: _format(chat) == "json_schema",
    error("This response_format type is unavailable now", type="invalid_request_error"),
)
without_bounds = refusing(
    lambda chat: _has(chat, "minimum") or _has(chat, "maximum"),
    error("Invalid schema for response_format 'evaluation': 'minimum' is not permitted."),
)
wordless = refusing(lambda chat: "response_format" in chat.body, Raw(422, {"detail": "Unprocessable Entity"}))

# What servers say to a request that is longer than the model's context, and the status with which they say it.
TOO_LONG = {
    "openai": error(
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        code="context_length_exceeded",
    ),
    "openai, by the minute": error(
        "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 40000.",
        429,
        code="rate_limit_exceeded",
    ),
    "anthropic": error("prompt is too long: 210000 tokens > 200000 maximum", type="invalid_request_error"),
    "anthropic, by bytes": error("Request exceeds the maximum size", 413, type="request_too_large"),
    "google": Raw(
        400,
        '[{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "The input token count (1200000) exceeds '
        'the maximum number of tokens allowed (1048576)."}}]',
    ),
    "google, as a quota": error("The input token count exceeds the maximum number of tokens allowed.", 429),
    "ollama": error("the input length exceeds the context length", 400),
    "llama.cpp": error("the request exceeds the available context size, try increasing it", 400),
    "in a 200": Raw(200, {"error": {"message": "context length exceeded", "code": 400}}),
    "in no words": error("Bad Request"),
    "in a crash": error("Internal Server Error", 500),
    "as a limit": error("Slow down.", 429),
}


def with_context(tokens: int, says: Raw = TOO_LONG["openai"]) -> Quirk:
    """Refuses what is longer."""
    return refusing(lambda chat: chat.tokens > tokens, says)


def cutting_off(tokens: int) -> Quirk:
    """Reads the end of what is longer and says nothing about it, but what it has read."""

    def quirk(model: Model) -> Model:
        def behave(chat: Chat) -> Answer | None:
            if chat.tokens <= tokens:
                return model(chat)
            message = {"role": "assistant", "content": json.dumps({"summary": "The end.", "sentiment": "neutral"})}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return Raw(200, {"choices": [choice], "usage": {"prompt_tokens": tokens}})

        return behave

    return quirk


def with_tokens_of(length: float) -> Quirk:
    """Its tokens are of `length` bytes, on average: up to 9 in some languages."""

    def quirk(model: Model) -> Model:
        def behave(chat: Chat) -> Answer | None:
            answer = model(chat)
            content = json.dumps(answer) if isinstance(answer, dict) else answer
            choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
            return Raw(200, {"choices": [choice], "usage": {"prompt_tokens": int(chat.tokens * 4 / length)}})

        return behave

    return quirk


def repeating(field: str) -> Quirk:
    """Knows no such field, and says so by repeating the whole request."""

    def quirk(model: Model) -> Model:
        return lambda chat: error(f"Invalid request: {chat.body}") if field in chat.body else model(chat)

    return quirk


def saying(form: str) -> Quirk:
    """Puts its JSON into other words: `{}` stands for it."""

    def quirk(model: Model) -> Model:
        def behave(chat: Chat) -> Answer | None:
            answer = model(chat)
            return form.replace("{}", json.dumps(answer)) if isinstance(answer, dict) else answer

        return behave

    return quirk

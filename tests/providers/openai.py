"""OpenAI's chat completions (streamed and whole) and speech, as bytes on the wire."""

import asyncio
import json
import uuid
from typing import Any

import numpy as np
from aiohttp import web

from tests.providers.script import Chat, Cut, Part, Raw, ToolCall

SPEECH_RATE = 24_000
CHARACTERS_PER_S = 15
_KINDS = {"{": "application/json", "data:": "text/event-stream"}  # of an answer that begins so


async def complete(request: web.Request, chat: Chat, answer: Raw | Part | list[Part]) -> web.StreamResponse:
    if isinstance(answer, Raw):
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        kind = next((kind for start, kind in _KINDS.items() if text.lstrip().startswith(start)), "text/html")
        return web.Response(status=answer.status, text=text, content_type=kind, headers=answer.headers)
    text, calls = _parts(answer)
    usage = {"prompt_tokens": chat.tokens, "completion_tokens": 8, "total_tokens": chat.tokens + 8}
    reason = "tool_calls" if calls else "stop"
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": 0, "model": chat.body["model"]}
    if not chat.body.get("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return web.json_response({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in _words(text)]
    deltas += [{"tool_calls": [{"index": index, **call}]} for index, call in enumerate(calls)]
    choices: list[list[dict[str, Any]]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": reason}])
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for chunk in choices:
        await _event(response, {**head, "object": "chat.completion.chunk", "choices": chunk})
    await _event(response, {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    await response.write(b"data: [DONE]\n\n")
    return response


async def _event(response: web.StreamResponse, data: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(data).encode() + b"\n\n")


def _parts(answer: Part | list[Part]) -> tuple[str, list[dict[str, Any]]]:
    text, calls = "", []
    for part in answer if isinstance(answer, list) else [answer]:
        match part:
            case str():
                text += part
            case ToolCall():
                function = {"name": part.name, "arguments": json.dumps(part.arguments)}
                calls.append({"id": f"call_{uuid.uuid4().hex[:12]}", "type": "function", "function": function})
            case _:
                text += json.dumps(part)
    return text, calls


def _words(text: str) -> list[str]:
    return [word + " " for word in text.split(" ")[:-1]] + [text.rsplit(" ", maxsplit=1)[-1]] if text else []


def tone(text: str) -> bytes:
    """1 s of a 440 Hz tone for every 15 characters, 24 kHz mono PCM16."""
    count = max(int(len(text) / CHARACTERS_PER_S * SPEECH_RATE), SPEECH_RATE // 5)
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / SPEECH_RATE)
    return (wave * 32767).astype("<i2").tobytes()


async def speak(
    request: web.Request, text: str, delay_s: float, cut: Cut | None, stopped: asyncio.Event
) -> web.StreamResponse:
    await asyncio.sleep(delay_s)
    response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
    await response.prepare(request)
    if cut is None:
        await response.write(tone(text))
        return response
    await response.write(beginning(text, cut))
    if cut.hangs:
        await stopped.wait()
    elif request.transport is not None:
        await asyncio.sleep(0.1)  # what was written is to be on its way
        request.transport.abort()
    return response


def beginning(text: str, cut: Cut) -> bytes:
    """As much of the tone as comes."""
    return tone(text)[: int(cut.after_s * SPEECH_RATE) * 2]

"""Ways in which providers misbehave."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

MIDDLE_S = 0.5  # what came before is heard, or read, by then

Json = dict[str, Any]
PassOn = Callable[[int | None], Awaitable[web.StreamResponse]]  # the whole answer, or so many bytes of it
Respond = Callable[[web.Request, PassOn], Awaitable[web.StreamResponse]]
Tell = Callable[[Json], list[Json]]


async def _as_it_is(_: web.Request, pass_on: PassOn) -> web.StreamResponse:
    return await pass_on(None)


@dataclass(frozen=True)
class Fault:
    """What differs from what the provider behind would do.

    respond     what is done with a request, also with that for a recogniser's socket
    tell        what is told of each result on a recogniser's sockets
    cuts        whether the sockets that are open at its beginning break
    only_open   whether it is a fault of these alone
    """

    respond: Respond = _as_it_is
    tell: Tell = lambda result: [result]
    cuts: bool = False
    only_open: bool = False


async def _hang(*_: object) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets it")


async def _be_gone(request: web.Request, _: PassOn) -> web.StreamResponse:
    abort(request)
    return web.Response()


async def _be_empty(*_: object) -> web.StreamResponse:
    return web.Response(content_type="application/octet-stream")


async def _take_no_tools(request: web.Request, pass_on: PassOn) -> web.StreamResponse:
    if (await request.json()).get("tools"):
        return _error(400, "registry.ollama.ai/library/gemma3:4b does not support tools")
    return await pass_on(None)


HANGS = Fault(_hang, cuts=True)
IS_EMPTY = Fault(_be_empty)
IS_AWAY = Fault(_be_gone, cuts=True)
IS_CUT_ONCE = Fault(cuts=True)
IS_DUMB = Fault(tell=lambda _: [], only_open=True)
TAKES_NO_TOOLS = Fault(_take_no_tools)


def refuses(status: int) -> Fault:
    """It answers every request with that status, and breaks what it had begun."""

    async def respond(*_: object) -> web.StreamResponse:
        return _error(status, "Refused.")

    return Fault(respond, cuts=True)


def breaks_off(after: int) -> Fault:
    """The connection is gone after so many bytes of each answer, once these are on their way."""

    async def respond(request: web.Request, pass_on: PassOn) -> web.StreamResponse:
        await pass_on(after)
        await asyncio.sleep(MIDDLE_S)
        return await _be_gone(request, pass_on)

    return Fault(respond)


def stalls(after: int) -> Fault:
    """After so many bytes of each answer nothing more comes."""

    async def respond(_: web.Request, pass_on: PassOn) -> web.StreamResponse:
        await pass_on(after)
        return await _hang()

    return Fault(respond)


def says(*deltas: Json, reason: str | None) -> Fault:
    """A language model that answers everything with these, and ends for that reason."""

    async def respond(request: web.Request, _: PassOn) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for delta, why in [*((delta, None) for delta in deltas), ({}, reason)]:
            choice = {"index": 0, "delta": delta, "finish_reason": why}
            chunk = {"id": "drill", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    return Fault(respond)


def calls_tool(name: str, saying: str) -> Fault:
    """A language model that says something and calls a tool, and gives no reason for its end."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return says({"content": saying}, {"tool_calls": [call]}, reason=None)


def wordless(result: Json) -> list[Json]:
    """Speech is heard, and not a word of it."""
    return [_with(result, [])]


def interim_only(result: Json) -> list[Json]:
    """The words come as a guess, and the final result has none."""
    if not result["is_final"]:
        return [result]
    return [{**result, "is_final": False, "speech_final": False, "from_finalize": False}, _with(result, [])]


def in_pieces(result: Json) -> list[Json]:
    """A final result comes as three."""
    words = _alternative(result)["words"]
    if not result["is_final"] or len(words) < 3:  # noqa: PLR2004 # pieces
        return [result]
    third = len(words) // 3
    *first, last = (words[:third], words[third:-third], words[-third:])
    return [*({**_with(result, piece), "speech_final": False} for piece in first), _with(result, last)]


def abort(request: web.Request) -> None:
    """Break its connection."""
    if request.transport is not None:
        request.transport.abort()


def _with(result: Json, words: list[Json]) -> Json:
    text = " ".join(str(word.get("punctuated_word", word["word"])) for word in words)
    alternative = {**_alternative(result), "transcript": text, "words": words}
    return {**result, "channel": {"alternatives": [alternative]}}


def _alternative(result: Json) -> Json:
    first: Json = result["channel"]["alternatives"][0]
    return first


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "api_error"}}, status=status)

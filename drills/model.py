"""A language model that answers at length and at once: what it says is known, so a drill can tell what is missing."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

import prompts

LONG = "We have a table at seven, one at eight near the window, and one at nine in the quiet garden behind the house."
REST = "And one at nine in the quiet garden behind the house."
GOODBYE = "You are welcome. We look forward to seeing you."
_ANSWER = web.AppKey("answer", str)


@asynccontextmanager
async def scripted_model(answer: str = LONG) -> AsyncIterator[str]:
    """Its base URL, of the OpenAI protocol, while it is served; `answer` is what it says to all but goodbyes."""
    app = web.Application()
    app[_ANSWER] = answer
    app.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def _complete(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    with suppress(ConnectionResetError):  # nobody wants the rest of an answer that was interrupted
        for word in _answer(asked["messages"][-1], request.app[_ANSWER]).split():
            await _send(response, asked["model"], {"content": f"{word} "}, None)
        await _send(response, asked["model"], {}, "stop")
        await response.write(b"data: [DONE]\n\n")
    return response


def _answer(last: dict[str, object], usual: str) -> str:
    text = str(last["content"])
    if prompts.load("resume") in text:
        return REST
    return GOODBYE if "bye" in text.lower() else usual


async def _send(response: web.StreamResponse, model: str, delta: dict[str, str], reason: str | None) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "drill", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": [choice]}
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

"""Stand-ins for the providers, a process of their own: `python -m bench.conversation.standins PORT PROFILE`.

They speak Deepgram's `WS /v1/listen` and OpenAI's `/v1/chat/completions` and `/v1/audio/speech` with fixed latencies.
The name of the model that a request asks for says which call it belongs to. `POST /say` tells them what the caller of a
call is about to say, `GET /log` is every request since the beginning, with the moments of time.monotonic().
"""

import asyncio
import json
import re
import sys
import time
from collections import defaultdict
from typing import Any

import numpy as np
from aiohttp import web
from aiohttp.typedefs import Handler

from bench.conversation.hearing import Line, Listener, Script
from bench.conversation.latencies import CHARACTERS_PER_S, PROFILES, TIMES_REAL_TIME, TOKENS_PER_S, Latencies

SPEECH_RATE = 24_000
CHUNK_S = 0.1  # of speech
_SECOND = (0.3 * 32767 * np.sin(2 * np.pi * 440 * np.arange(SPEECH_RATE) / SPEECH_RATE)).astype("<i2").tobytes()

GREETING = "Hello, how can I help you today?"
ANSWER = "Of course, I can do that for you right away. Is there anything else?"
AT_LENGTH_ASKED = "everything"
AT_LENGTH = " ".join(["We have a table at seven, one at eight near the window, and one in the quiet garden."] * 5)


class StandIns:
    """What one process serves."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies
        self._lines: defaultdict[str, Line] = defaultdict(Line)
        self._log: list[dict[str, Any]] = []

    def app(self) -> web.Application:
        app = web.Application(middlewares=[_until_gone])
        app.router.add_get("/v1/listen", self._listen)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/audio/speech", self._speak)
        app.router.add_post("/say", self._say)
        app.router.add_get("/log", self._show)
        return app

    async def _say(self, request: web.Request) -> web.Response:
        told = await request.json()
        self._lines[told["call"]].say(Script.of(told["pieces"]))
        return web.Response()

    async def _show(self, _: web.Request) -> web.Response:
        return web.json_response(self._log)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        call = request.query["model"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        listener = Listener(
            socket,
            self._lines[call],
            self._latencies,
            dict(request.query),
            lambda said: self._log.append({**said, "call": call}),
        )
        await listener.serve()
        await socket.close()
        return socket

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        body = await request.json()
        entry = {"kind": "llm", "call": body["model"], "at": began}
        self._log.append(entry)
        await asyncio.sleep(began + self._latencies.llm_s - time.monotonic())
        entry["first_at"] = first_at = time.monotonic()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number, token in enumerate(tokens(answer(body["messages"]))):
            await asyncio.sleep(max(first_at + number / TOKENS_PER_S - time.monotonic(), 0))
            await _send(response, body["model"], {"content": token}, None)
        await _send(response, body["model"], {}, "stop")
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        body = await request.json()
        if body.get("response_format") != "pcm":
            raise web.HTTPBadRequest(text="response_format: only pcm is spoken here")
        seconds = speech_s(body["input"])
        entry = {"kind": "tts", "call": body["model"], "at": began, "seconds": seconds}
        self._log.append(entry)
        await asyncio.sleep(began + self._latencies.tts_s - time.monotonic())
        entry["first_at"] = first_at = time.monotonic()
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        await response.prepare(request)
        size = int(CHUNK_S * SPEECH_RATE) * 2
        rest = int(seconds * SPEECH_RATE) * 2
        for number in range(-(-rest // size)):
            await asyncio.sleep(max(first_at + number * CHUNK_S / TIMES_REAL_TIME - time.monotonic(), 0))
            await response.write(_SECOND[: min(size, rest - number * size)])
        return response


def answer(messages: list[dict[str, Any]]) -> str:
    """What the model says: a greeting to nobody, much to who wants to know everything, else two sentences."""
    said = [json.dumps(message["content"]) for message in messages if message["role"] == "user"]
    if not said:
        return GREETING
    return AT_LENGTH if AT_LENGTH_ASKED in said[-1] else ANSWER


def tokens(text: str) -> list[str]:
    """A text in about as many tokens as a model would make of it: a word each, and its punctuation."""
    return re.findall(r"\s?\w+|\W", text)


def speech_s(text: str) -> float:
    """Seconds that a text takes to say."""
    return max(len(text.strip()) / CHARACTERS_PER_S, CHUNK_S)


@web.middleware
async def _until_gone(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who no longer wants an answer closes the connection in the middle of it."""
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response()


async def _send(response: web.StreamResponse, model: str, delta: dict[str, str], reason: str | None) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "bench", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": [choice]}
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")


if __name__ == "__main__":
    served = StandIns(PROFILES[sys.argv[2]]).app()
    web.run_app(served, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=lambda *_: None)

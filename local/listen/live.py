"""`WS /v1/listen`: words while they are spoken."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import numpy as np
from aiohttp import WSMsgType, web

from local.hearing.endpointing import (
    Endpointer,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Utterance,
)
from local.hearing.recogniser import NOTHING, Heard
from local.listen.query import ListenQuery
from local.listen.results import MODEL_INFO, alternative, metadata
from local.models import Models, loaded

_INTERIM_EVERY_S = 0.3
_IDLE_S = 12.0  # Deepgram: ten seconds without audio or KeepAlive; a little mercy for a busy machine


async def listen_live(request: web.Request) -> web.WebSocketResponse:
    query = ListenQuery.of(request.query, live=True)
    models = await loaded(request)
    socket = web.WebSocketResponse(max_msg_size=16 * 2**20)
    await socket.prepare(request)
    live = _Live(socket, query, models)
    try:
        await live.serve()
    except ConnectionError:
        pass  # the client has left
    finally:
        live.stop()
    return socket


class _Live:
    """One websocket: audio in, results out, in order."""

    def __init__(self, socket: web.WebSocketResponse, query: ListenQuery, models: Models) -> None:
        self._socket, self._query, self._models = socket, query, models
        self._id = str(uuid4())
        self._decoder = query.decoder()
        self._endpointer = Endpointer(models.vad, query.endpoint_s)
        self._interim: asyncio.Task[None] | None = None
        self._guess: asyncio.Task[Heard] | None = None
        self._next_interim_s = 0.0
        self._last_word_end: float | None = None

    async def serve(self) -> None:
        while True:
            try:
                message = await self._socket.receive(timeout=_IDLE_S)
            except TimeoutError:
                await self._socket.close(code=1011, message=b"NET-0001: no audio and no KeepAlive for too long")
                return
            if message.type is WSMsgType.BINARY:
                await self._hear(message.data)
            elif message.type is not WSMsgType.TEXT or await self._obey(message.data):
                await self._socket.close()
                return

    def stop(self) -> None:
        for task in (self._interim, self._guess):
            if task is not None:
                task.cancel()

    async def _obey(self, text: str) -> bool:
        """Does what a control message asks; true if the stream is to be closed."""
        kind = _kind_of(text)
        if kind == "Finalize":
            await self._finalize(from_finalize=True)
        elif kind == "CloseStream":
            await self._finalize(from_finalize=False)
            await self._send(metadata(self._id, self._endpointer.now, self._query.channels))
            return True
        elif kind != "KeepAlive":
            await self._send({"type": "Error", "description": "expected KeepAlive, Finalize or CloseStream"})
        return False

    async def _hear(self, chunk: bytes) -> None:
        for event in await self._models.hearing(self._feed, chunk):
            await self._react(event)
        await self._end_utterance()
        self._begin_interim()

    def _feed(self, chunk: bytes) -> list[SpeechEvent]:
        return self._endpointer.feed(self._decoder.decode(chunk))

    async def _react(self, event: SpeechEvent) -> None:
        match event:
            case SpeechStarted(at):
                self._next_interim_s, self._last_word_end = self._endpointer.now, None
                if self._query.vad_events:
                    await self._send({"type": "SpeechStarted", "channel": [0], "timestamp": round(at, 3)})
            case SpeechPaused(utterance):
                self._drop_interim()
                self._guess = asyncio.create_task(self._models.recognise(utterance.audio, timed=True))
            case SpeechResumed():
                self._drop_guess()
            case SpeechEnded(utterance, finished):
                await self._final(utterance, speech_final=finished and self._query.endpointing)

    async def _finalize(self, *, from_finalize: bool) -> None:
        ended = self._endpointer.finish()
        for event in ended:
            await self._final(event.utterance, speech_final=True, from_finalize=from_finalize)
        if from_finalize and not ended:
            nothing = Utterance(self._endpointer.now, np.zeros(0, np.float32))
            await self._send(self._results(nothing, NOTHING, final=True, from_finalize=True))

    async def _final(self, utterance: Utterance, *, speech_final: bool, from_finalize: bool = False) -> None:
        self._drop_interim()
        guess, self._guess = self._guess, None
        heard = await (guess or self._models.recognise(utterance.audio, timed=True))
        if heard.words:
            self._last_word_end = utterance.start + heard.words[-1].end
        await self._send(
            self._results(utterance, heard, final=True, speech_final=speech_final, from_finalize=from_finalize)
        )

    def _begin_interim(self) -> None:
        """Only while the recogniser is idle: under load, finals come first."""
        now = self._endpointer.now
        utterance = self._endpointer.speaking if self._query.interim_results and now >= self._next_interim_s else None
        if utterance is not None and self._interim is None and self._models.recogniser_is_idle:
            self._next_interim_s = now + _INTERIM_EVERY_S
            self._interim = asyncio.create_task(self._send_interim(utterance))

    async def _send_interim(self, utterance: Utterance) -> None:
        heard = await self._models.recognise(utterance.audio, timed=False)
        if heard.words:
            await self._send(self._results(utterance, heard, final=False))
        self._interim = None

    async def _end_utterance(self) -> None:
        gap = self._query.utterance_end_s
        if gap is None or self._last_word_end is None or self._endpointer.speaking is not None:
            return
        if self._endpointer.now - self._last_word_end >= gap:
            end = round(self._last_word_end, 3)
            self._last_word_end = None
            await self._send({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": end})

    def _drop_interim(self) -> None:
        if self._interim is not None:
            self._interim.cancel()
            self._interim = None

    def _drop_guess(self) -> None:
        if self._guess is not None:
            self._guess.cancel()
            self._guess = None

    def _results(
        self,
        utterance: Utterance,
        heard: Heard,
        *,
        final: bool,
        speech_final: bool = False,
        from_finalize: bool = False,
    ) -> dict[str, Any]:
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": round(utterance.start, 3),
            "duration": round(utterance.duration, 3),
            "is_final": final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [alternative([(utterance.start, heard)], self._query)]},
            "metadata": {"request_id": self._id, "model_info": MODEL_INFO, "model_uuid": self._id},
        }

    async def _send(self, message: dict[str, Any]) -> None:
        if not self._socket.closed:
            await self._socket.send_json(message)


def _kind_of(text: str) -> str | None:
    try:
        message = json.loads(text)
    except ValueError:
        return None
    return message.get("type") if isinstance(message, dict) else None

"""The aiohttp server of the stand-ins, in the test's loop or in a thread of its own."""

import asyncio
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Self

from aiohttp import web
from typing_extensions import override

from tests.providers import deepgram, openai, speaker
from tests.providers.script import Chat, Fault, Never, Script, Service, Trickle


class Providers(Script):
    """All services on one port of 127.0.0.1; `url` ends in /v1. Any API key is accepted."""

    def __init__(
        self, *, port: int = 0, endpointing_s: float = 0.9, stt_s: float = 0.0, llm_s: float = 0.0, tts_s: float = 0.0
    ) -> None:
        super().__init__()
        self._timing = (endpointing_s, stt_s, llm_s, tts_s)
        self.endpointing_s, self.stt_s, self.llm_s, self.tts_s = self._timing
        self.confirms = asyncio.Event()
        self.confirms.set()
        self.answers = asyncio.Event()
        self.answers.set()
        self.url = ""
        self._port = port
        self._sockets: list[web.WebSocketResponse] = []
        self._stopped = asyncio.Event()
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/v1/listen", self._listen)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/audio/speech", self._speech)
        app.router.add_get("/v1/speak", self._speak)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        _, self._port = self._runner.addresses[0][:2]
        self.url = f"http://127.0.0.1:{self._port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped.set()
        self.confirms.set()
        self.answers.set()
        await self.cut_listeners()
        await self._runner.cleanup()

    @override
    def reset(self) -> None:
        super().reset()
        self.endpointing_s, self.stt_s, self.llm_s, self.tts_s = self._timing
        self.confirm()
        self.speak_out()

    def hold(self) -> None:
        """Final results of what is heard wait for `confirm`; from any thread."""
        self._loop.call_soon_threadsafe(self.confirms.clear)

    def confirm(self) -> None:
        """They come now, and from now on."""
        self._loop.call_soon_threadsafe(self.confirms.set)

    def think(self) -> None:
        """The model's answers wait for `speak_out`; from any thread."""
        self._loop.call_soon_threadsafe(self.answers.clear)

    def speak_out(self) -> None:
        """They come now, and from now on."""
        self._loop.call_soon_threadsafe(self.answers.set)

    async def cut_listeners(self) -> None:
        """Drops every open STT socket as a broken network would; from any thread's loop."""
        if asyncio.get_running_loop() is not self._loop:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.cut_listeners(), self._loop))
            return
        for socket in self._sockets:
            if not socket.closed:
                await socket.close(code=1011)

    async def _refused(self, service: Service, model: str | None, given: str = "") -> web.Response | None:
        return await self._refusal(self.take_fault(service, model), given)

    async def _refusal(self, fault: tuple[Fault] | None, given: str = "") -> web.Response | None:
        match fault:
            case None | ("silent",):
                return None
            case (None,):
                await self._stopped.wait()
                return _error(503, "hung by the test")
            case (HTTPStatus.OK,):
                return web.Response()  # a success with nothing in it
            case (status,):
                return _error(status, f"refused by the test: {given}")  # providers like to repeat what they were given

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        fault = self.take_fault("stt", request.query.get("model"))
        if refusal := await self._refusal(fault):
            return refusal
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        listener = deepgram.Listener(socket, self, self, dict(request.query), len(self._sockets))
        self._sockets.append(socket)
        try:
            await (_ignore(socket) if fault else listener.serve())
        except ConnectionError:  # the client is gone in the middle of a message
            return socket
        await socket.close()
        return socket

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        recording = form["file"]
        assert isinstance(recording, web.FileField)
        with recording.file:  # also when the client does not wait for the answer
            if refusal := await self._refused("stt", str(form.get("model"))):
                return refusal
            with wave.open(recording.file, "rb") as sound:
                duration_s = sound.getnframes() / sound.getframerate()
            await asyncio.sleep(self.stt_s)
        heard = self.begin_utterance(0, 0.0)
        text = heard if isinstance(heard, str) else heard.text
        return web.json_response({"text": self.end_utterance(0, 0.0, duration_s, text).text})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        chat = Chat(await request.json())
        if refusal := await self._refused("llm", chat.body.get("model"), chat.last_user):
            return refusal
        answer = self.take_answer(chat)
        await asyncio.sleep(self.llm_s)
        await self.answers.wait()
        if answer is None:
            return _error(500, "no answer is scripted for this request")
        if isinstance(answer, Never):
            await self._stopped.wait()
            return web.Response(status=503)
        if isinstance(answer, Trickle):
            return await self._trickle(request)
        return await openai.complete(request, chat, answer)

    async def _trickle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while not self._stopped.is_set():
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        body: dict[str, Any] = await request.json()
        self.voices.append(body.get("model"))
        if refusal := await self._refused("tts", body.get("model"), body["input"]):
            return refusal
        if body.get("response_format", "mp3") != "pcm":
            return _error(400, "response_format: only pcm is spoken here")
        self.spoken.append(body["input"])
        cut = self.cut_of(body.get("model"))
        return await openai.speak(request, body["input"], self.tts_s, cut, self._stopped)

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        model = request.query.get("model")
        self.voices.append(model)
        if refusal := await self._refused("tts", model):
            return refusal
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            await speaker.serve(socket, self, model, self._stopped)
        except ConnectionError:  # the client is gone in the middle of a message
            return socket
        await socket.close()
        return socket

    async def _models(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": [{"id": "scripted", "object": "model"}]})


async def _ignore(socket: web.WebSocketResponse) -> None:
    """A ping is answered all the same."""
    async for _ in socket:
        pass


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)


@contextmanager
def in_thread(**options: float) -> Iterator[Providers]:
    """The same server on a loop of its own in a thread, for synchronous tests."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    providers = asyncio.run_coroutine_threadsafe(_started(options), loop).result(60)
    try:
        yield providers
    finally:
        asyncio.run_coroutine_threadsafe(providers.__aexit__(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def _started(options: dict[str, Any]) -> Providers:
    return await Providers(**options).__aenter__()

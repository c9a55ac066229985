"""A front of the real providers: it passes on what is asked of it under several names, each of which can misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import WSMsgType, web

from drills.providers.faults import Fault, PassOn, abort

FIRST, SECOND = "first", "second"  # names in OpenAI's protocol
EARS = "-ears"  # added to them in Deepgram's
_WELL = Fault()
_CHUNK = 4096
_NOT_PASSED_ON = {"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade"}


@dataclass
class _Socket:
    """One of a recogniser's, and how it misbehaves now."""

    request: web.Request
    fault: Fault


class Front:
    """Asks `speech_url` for all but chat completions, and `llm_url` for these; both are base URLs that end in `/v1`."""

    def __init__(self, http: aiohttp.ClientSession, speech_url: str, llm_url: str) -> None:
        self.url = ""
        self._http = http
        self._speech_url = speech_url
        self._llm_url = llm_url
        self._faults: dict[str, Fault] = {}
        self._sockets: dict[str, list[_Socket]] = {}

    @property
    def providers(self) -> str:
        """What `CALLROOM_PROVIDERS` is to be."""
        voices = {name: {"url": f"{self.url}/{name}/v1"} for name in (FIRST, SECOND)}
        ears = {
            f"{name}{EARS}": {"url": f"{self.url}/{name}{EARS}/v1", "protocol": "deepgram"} for name in (FIRST, SECOND)
        }
        return json.dumps({**voices, **ears})

    def misbehave(self, name: str, fault: Fault) -> None:
        """From now on, until `behave`."""
        self._faults[name] = _WELL if fault.only_open else fault
        for socket in self._sockets.get(name, []):
            socket.fault = fault
            if fault.cuts:
                abort(socket.request)

    def behave(self) -> None:
        """Everything is well again, but for sockets whose fault is theirs alone."""
        self._faults.clear()
        for socket in (one for sockets in self._sockets.values() for one in sockets):
            if not socket.fault.only_open:
                socket.fault = _WELL

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Whatever is asked of a name."""
        name, path = request.match_info["name"], request.match_info["path"]
        listens = path == "listen" and request.headers.get("Upgrade", "").lower() == "websocket"
        pass_on = self._listening(name, request) if listens else self._asking(request, path)
        fault = self._faults.get(name, _WELL)
        if request.method == "GET" and not listens:  # lists of models are no part of a call
            fault = _WELL
        return await fault.respond(request, pass_on)

    def _asking(self, request: web.Request, path: str) -> PassOn:
        base = self._llm_url if path == "chat/completions" else self._speech_url

        async def pass_on(limit: int | None) -> web.StreamResponse:
            headers = {name: value for name, value in request.headers.items() if name not in _NOT_PASSED_ON}
            body = await request.read()
            async with self._http.request(request.method, f"{base}/{path}", data=body, headers=headers) as answer:
                response = web.StreamResponse(status=answer.status)
                response.content_type = answer.content_type
                await response.prepare(request)
                left = limit
                async for piece in answer.content.iter_chunked(_CHUNK):
                    await response.write(piece[:left])
                    if left is not None:
                        left -= len(piece)
                        if left <= 0:
                            break
            return response

        return pass_on

    def _listening(self, name: str, request: web.Request) -> PassOn:
        url = f"{self._speech_url}/listen?{request.query_string}"

        async def pass_on(_: int | None) -> web.StreamResponse:
            async with self._http.ws_connect(url) as behind:
                socket = _Socket(request, self._faults.get(name, _WELL))
                mine = self._sockets.setdefault(name, [])
                mine.append(socket)
                try:
                    front = web.WebSocketResponse()
                    await front.prepare(request)
                    await _converse(front, behind, socket)
                finally:
                    mine.remove(socket)
            return front

        return pass_on


async def _converse(front: web.WebSocketResponse, behind: aiohttp.ClientWebSocketResponse, socket: _Socket) -> None:
    """Carry messages to and fro until one side is gone."""

    async def carry_back() -> None:
        async for message in behind:
            if message.type is WSMsgType.TEXT:
                told = json.loads(message.data)
                for result in socket.fault.tell(told) if told["type"] == "Results" else [told]:
                    await front.send_json(result)
        await front.close()

    back = asyncio.create_task(carry_back())
    try:
        async for message in front:
            if message.type is WSMsgType.BINARY:
                await behind.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await behind.send_str(message.data)
    except ConnectionError:
        pass  # one of the two has left
    finally:
        back.cancel()
        await asyncio.wait([back])


@asynccontextmanager
async def front(speech_url: str, llm_url: str) -> AsyncIterator[Front]:
    """It, while it is served on a port of this machine."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        made = Front(http, speech_url, llm_url)
        app = web.Application()
        app.router.add_route("*", "/{name}/v1/{path:.+}", made.answer)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield made
        finally:
            await runner.cleanup()

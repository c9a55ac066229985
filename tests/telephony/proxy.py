"""A proxy before a LiveKit server, which answers some of its Twirp requests itself."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Self

import aiohttp
from aiohttp import WSMsgType, web
from google.protobuf.message import Message
from livekit import api
from livekit.api.access_token import Claims

from tests.servers import LiveKitServer, free_port

NOT_PASSED_ON = {"connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"}
STATUS = {
    "aborted": 409,
    "canceled": 408,
    "deadline_exceeded": 408,
    "failed_precondition": 412,
    "internal": 500,
    "invalid_argument": 400,
    "not_found": 404,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "unavailable": 503,
    "unauthenticated": 401,
}

Method = Callable[[Any], Awaitable[Message]]


class Fault(Exception):
    """A Twirp error."""

    def __init__(self, code: str, message: str, meta: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.meta = code, message, dict(meta or {})


class LostAnswer(Exception):
    """What was asked for was done, and whoever asked is told nothing."""


def may_call(token: Claims) -> bool:
    return token.sip is not None and token.sip.call


class Proxy:
    """`own`: the request's type and the function that answers it, by service and method: "livekit.SIP/Create…".

    `may`: whether a token is one with which that may be asked for.
    """

    def __init__(
        self,
        livekit: LiveKitServer,
        own: Mapping[str, tuple[type[Message], Method]],
        may: Callable[[Claims], bool] = may_call,
    ) -> None:
        self._may = may
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self._behind = livekit.url.replace("ws://", "http://")
        self._tokens = api.TokenVerifier(livekit.key, livekit.secret)
        self._once: dict[str, bool] = {}  # whether it has connected
        self._own = {f"/twirp/{name}": method for name, method in own.items()}

    def let_in_once(self, token: str) -> None:
        """Who has this token may connect once and no more: the library tries again when it is thrown out."""
        self._once[token] = False

    def let_in_again(self, token: str) -> None:
        self._once.pop(token, None)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout())
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()
        await self._http.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.path in self._own:
            return await self._answer(request, *self._own[request.path])
        headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_PASSED_ON}
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._join(request, headers)
            return await self._pass_on(request, headers)
        except aiohttp.ClientConnectionError:
            return web.Response(status=HTTPStatus.BAD_GATEWAY)

    async def _answer(self, request: web.Request, kind: type[Message], method: Method) -> web.Response:
        try:
            self._authorise(request)
            reply = await method(kind.FromString(await request.read()))
        except Fault as fault:
            body = {"code": fault.code, "msg": fault.message, "meta": fault.meta}
            return web.json_response(body, status=STATUS[fault.code])
        except LostAnswer:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return web.Response(body=reply.SerializeToString(), content_type="application/protobuf")

    def _authorise(self, request: web.Request) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self._may(self._tokens.verify(token)):
            raise Fault("permission_denied", "permissions denied")

    async def _pass_on(self, request: web.Request, headers: dict[str, str]) -> web.Response:
        url, data = self._behind + request.path_qs, await request.read()
        async with self._http.request(request.method, url, headers=headers, data=data) as reply:
            kept = {name: value for name, value in reply.headers.items() if name.lower() not in NOT_PASSED_ON}
            return web.Response(status=reply.status, headers=kept, body=await reply.read())

    async def _join(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        """Carry a WebSocket's messages both ways until either end closes it."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._once.get(token):
            return web.Response(status=HTTPStatus.FORBIDDEN)
        if token in self._once:
            self._once[token] = True
        url = self._behind + request.path_qs
        headers = {name: value for name, value in headers.items() if not _is_of_the_hop(name)}
        try:
            behind = await self._http.ws_connect(url, headers=headers, max_msg_size=0, autoping=True)
        except aiohttp.WSServerHandshakeError as refused:
            return web.Response(status=refused.status)
        before = web.WebSocketResponse(max_msg_size=0)
        async with behind:
            await before.prepare(request)
            back = asyncio.create_task(_carry(behind, before))
            await _carry(before, behind)
            await back
        return before


async def _carry(source: Any, to: Any) -> None:
    """Give `to` what `source` says, and close it when `source` is closed."""
    async for message in source:
        try:
            if message.type == WSMsgType.BINARY:
                await to.send_bytes(message.data)
            elif message.type == WSMsgType.TEXT:
                await to.send_str(message.data)
        except ConnectionError:
            break
    await to.close()


def _is_of_the_hop(header: str) -> bool:
    """Whether it belongs to one WebSocket handshake."""
    return header.lower() == "upgrade" or header.lower().startswith("sec-websocket-")

"""A client of the Model Context Protocol over streamable HTTP: what a server's tools are, and calls of them.

Each message is one POST, answered by JSON or by a stream of events in which the answer stands. What a server sends of
its own accord is not listened to: an agent offers it nothing to ask for.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import aiohttp

from worker.tools.answer import EMPTY, MAX_ANSWER, MAX_QUOTED, read_text
from worker.tools.failed import ToolFailed
from worker.tools.http import asking
from worker.tools.request import Request, Templates, hidden

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")  # the first is asked for
CONNECT_S = 10.0
MAX_LIST = 256_000  # bytes of one page of tools
MAX_PAGES = 20
_NOT_FOUND = 404  # of a session: the server has forgotten it
_FAILURES = 300
_CLIENT = {"name": "callroom", "version": "1"}
_ACCEPT = {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity"}


class _SessionGone(ToolFailed):
    """The server does not know our session (any more): it has done nothing."""

    def __init__(self) -> None:
        super().__init__("there is no MCP server at its URL (HTTP status 404)")


@dataclass(frozen=True)
class McpTool:
    """A tool as its server describes it."""

    name: str
    description: str
    parameters: dict[str, Any]


class McpClient:
    """One server, for the length of a call."""

    def __init__(self, templates: Templates, timeout_s: float, *, private_addresses: bool) -> None:
        self._templates = templates
        self._timeout_s = timeout_s
        self._private_addresses = private_addresses
        self._session: dict[str, str] = {}  # headers that name it
        self._numbers = count(1)

    async def list_tools(self) -> list[McpTool]:
        """Begin a session, and ask for the tools. Raises ToolFailed."""
        request = await self._templates.fill({})
        async with asking(CONNECT_S, private_addresses=self._private_addresses) as http:
            exchange = _Exchange(http, request, MAX_LIST)
            await self._begin(exchange)
            found: list[McpTool] = []
            cursor: str | None = None
            for _ in range(MAX_PAGES):
                page = await self._ask(exchange, "tools/list", {} if cursor is None else {"cursor": cursor})
                found += [_tool(one, request.shown) for one in _list(page, "tools")]
                cursor = page.get("nextCursor")
                if not isinstance(cursor, str):
                    break
        return found

    async def call(self, name: str, arguments: Mapping[str, Any], key: str) -> str:
        """What the tool answered, a bounded text; `key` names this call for the server. Raises ToolFailed."""
        request = await self._templates.fill({})
        asked = {"name": name, "arguments": dict(arguments), "_meta": {"callroom/idempotency-key": key}}
        async with asking(self._timeout_s, private_addresses=self._private_addresses) as http:
            exchange = _Exchange(http, request, MAX_ANSWER, {"Idempotency-Key": key})
            try:
                result = await self._ask(exchange, "tools/call", asked)
            except _SessionGone:  # as after a restart: nothing was done, so it is asked again
                await self._begin(exchange)
                result = await self._ask(exchange, "tools/call", asked)
        text = hidden(_text(result), request.shown)
        if result.get("isError") is True:
            raise ToolFailed("the tool says that it failed", text[:MAX_QUOTED])
        return text

    async def close(self) -> None:
        """Tell the server that nobody comes any more. Raises ToolFailed if it does not listen."""
        if "Mcp-Session-Id" not in self._session:
            return
        request = await self._templates.fill({})
        async with asking(1.0, private_addresses=self._private_addresses) as http:
            headers = {**request.headers, **self._session}
            async with http.delete(request.url, headers=headers, allow_redirects=False):
                pass

    async def _begin(self, exchange: "_Exchange") -> None:
        asked = {"protocolVersion": VERSIONS[0], "capabilities": {}, "clientInfo": _CLIENT}
        result = await self._ask(exchange, "initialize", asked, session={})
        version = result.get("protocolVersion")
        if version not in VERSIONS:
            raise ToolFailed("the MCP server speaks none of the versions " + ", ".join(VERSIONS))
        self._session = {"MCP-Protocol-Version": str(version), **exchange.session}
        await exchange.notify({"method": "notifications/initialized"}, self._session)

    async def _ask(
        self, exchange: "_Exchange", method: str, params: dict[str, Any], session: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        message = {"id": next(self._numbers), "method": method, "params": params}
        answer = await exchange.ask(message, self._session if session is None else session)
        if isinstance(error := answer.get("error"), dict):
            said = hidden(str(error.get("message", "")), exchange.request.shown)
            raise ToolFailed("the MCP server refuses", said[:MAX_QUOTED])
        if not isinstance(result := answer.get("result"), dict):
            raise ToolFailed("the MCP server's answer is none")
        return result


class _Exchange:
    """Messages to one server, in one go."""

    def __init__(
        self, http: aiohttp.ClientSession, request: Request, limit: int, headers: Mapping[str, str] | None = None
    ) -> None:
        self._http = http
        self._limit = limit
        self._headers = {**request.headers, **(headers or {}), **_ACCEPT}
        self.request = request
        self.session: dict[str, str] = {}  # what the server has called the session in its last answer

    async def ask(self, message: dict[str, Any], session: Mapping[str, str]) -> dict[str, Any]:
        async with self._post(message, session) as response:
            await self._check(response)
            if (name := response.headers.get("Mcp-Session-Id")) is not None:
                self.session = {"Mcp-Session-Id": name}
            if response.content_type == "text/event-stream":
                answers = _events(response, self._limit)
            else:
                answers = _one(await read_text(response, self._limit))
            async for text in answers:
                answer = _json(text)
                if answer.get("id") == message["id"] and "method" not in answer:
                    return answer
        raise ToolFailed("the MCP server did not answer what was asked")

    async def notify(self, message: dict[str, Any], session: Mapping[str, str]) -> None:
        async with self._post(message, session) as response:
            await self._check(response)

    def _post(self, message: dict[str, Any], session: Mapping[str, str]) -> Any:  # noqa: ANN401 - aiohttp's own
        return self._http.post(
            self.request.url,
            json={"jsonrpc": "2.0", **message},
            headers={**self._headers, **session},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),  # the deadline is round the whole of it
        )

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status == _NOT_FOUND:
            raise _SessionGone
        if response.status >= _FAILURES:
            raise ToolFailed(f"HTTP status {response.status}")


async def _events(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[str]:
    """The data of each event of a stream."""
    read, data = 0, list[str]()
    rest = b""
    async for chunk in response.content.iter_any():
        read += len(chunk)
        if read > limit * 2:  # what a server tells before its answer counts, too
            raise ToolFailed(f"the answer has more than {limit} bytes")
        *lines, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            field, _, value = line.decode("utf-8", "replace").partition(":")
            if field == "data":
                data.append(value.removeprefix(" "))
            elif not line and data:
                yield "\n".join(data)
                data = []


async def _one(text: str) -> AsyncIterator[str]:
    yield text


def _json(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise ToolFailed("the MCP server's answer is no JSON") from None
    return answer if isinstance(answer, dict) else {}


def _list(result: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = result.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _tool(described: Mapping[str, Any], shown: Mapping[str, str]) -> McpTool:
    schema = described.get("inputSchema")
    empty: dict[str, Any] = {"type": "object", "properties": {}}
    parameters = schema if isinstance(schema, dict) and schema.get("type") == "object" else empty
    return McpTool(str(described.get("name", "")), hidden(str(described.get("description") or ""), shown), parameters)


def _text(result: Mapping[str, Any]) -> str:
    """What a model can read of an answer: its texts, else its data."""
    parts = _list(result, "content")
    texts = [str(part.get("text", "")) for part in parts if part.get("type") == "text"]
    others = [f"[{part.get('type')}, which cannot be read aloud]" for part in parts if part.get("type") != "text"]
    said = "\n".join(texts + others)
    if not said and isinstance(result.get("structuredContent"), dict):
        said = json.dumps(result["structuredContent"], ensure_ascii=False)
    if len(said.encode()) > MAX_ANSWER:
        raise ToolFailed(f"the answer has more than {MAX_ANSWER} bytes")
    return said.strip() or EMPTY

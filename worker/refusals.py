"""What servers of language models refuse: it is left out of the request, and remembered."""

import json
import re
import ssl
from collections.abc import Collection
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx2 as httpx
from typing_extensions import override

from calls.model_refusals import speaks_of_length
from worker.tool_calls import ToolCalls

TOOL = "tool "
# The parts of a request that an agent can do without, the least wanted first, and how servers speak of them.
_PARTS = {
    "stream_options": re.compile(r"stream_?options|include_usage", re.IGNORECASE),
    "parallel_tool_calls": re.compile(r"parallel", re.IGNORECASE),
    "strict": re.compile(r"strict", re.IGNORECASE),
    "tools": re.compile(r"tool|function", re.IGNORECASE),
}
_OF_PACKING = frozenset({"content-encoding", "content-length"})
_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_IMPLEMENTED}


@cache
def trusted() -> ssl.SSLContext:
    """Whom a connection trusts: to read their certificates takes longer than all else that a client needs."""
    return httpx.create_ssl_context()


class Refusals(httpx.AsyncBaseTransport):
    """Sends chat completions in the way that the server takes them; everything else as it is."""

    def __init__(self) -> None:
        self._transport = httpx.AsyncHTTPTransport(verify=trusted())
        self._left_out: dict[tuple[httpx.URL, str], frozenset[str]] = {}  # of each model

    @property
    def left_out(self) -> Collection[str]:
        """What some server was found not to take: parts of a request (`tools`), or single tools (`tool NAME`)."""
        return frozenset[str]().union(*self._left_out.values())

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/chat/completions"):
            return await self._transport.handle_async_request(request)
        body: dict[str, Any] = json.loads(await request.aread())
        whom = (request.url, str(body.get("model")))
        left_out, first = self._left_out.get(whom, frozenset()), None
        while True:
            response = await self._transport.handle_async_request(_with(request, _without(body, left_out)))
            if response.status_code not in _REFUSED:
                self._left_out[whom] = left_out
                if first is not None:
                    await first.aclose()
                return _mended(response)
            text = (await response.aread()).decode(errors="replace")
            await response.aclose()
            first = first or response
            if speaks_of_length(text):
                return first
            if blamed := _blamed(_without(body, left_out), text):
                left_out |= {f"{TOOL}{blamed}"}
                continue
            left = [part for part in _PARTS if part not in left_out and _has(body, part)]
            if not left:
                return first  # it is something else that the server does not take
            left_out |= {next((part for part in left if _PARTS[part].search(text)), left[0])}

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()


def _mended(response: httpx.Response) -> httpx.Response:
    if "event-stream" not in response.headers.get("content-type", ""):
        return response
    # What is read of it is unpacked already.
    headers = [one for one in response.headers.multi_items() if one[0].lower() not in _OF_PACKING]
    return httpx.Response(response.status_code, headers=headers, stream=ToolCalls(response))


def _blamed(body: dict[str, Any], text: str) -> str | None:
    """The one tool of several that the refusal names: its schema may be what the server does not take."""
    names = [str(tool.get("function", {}).get("name")) for tool in body.get("tools") or []]
    named = [name for name in names if re.search(rf"\b{re.escape(name)}\b", text)]
    return named[0] if len(named) == 1 < len(names) else None


def _has(body: dict[str, Any], part: str) -> bool:
    if part == "strict":
        return any("strict" in tool.get("function", {}) for tool in body.get("tools") or [])
    return bool(body.get(part) is not None)


def _without(body: dict[str, Any], left_out: Collection[str]) -> dict[str, Any]:
    rest = {key: value for key, value in body.items() if key not in left_out}
    if "tools" in rest:
        rest["tools"] = [
            tool for tool in rest["tools"] if f"{TOOL}{tool.get('function', {}).get('name')}" not in left_out
        ]
    if "tools" in left_out:
        rest = {key: value for key, value in rest.items() if key not in {"tool_choice", "parallel_tool_calls"}}
    elif "strict" in left_out and "tools" in rest:
        rest["tools"] = [_loose(tool) for tool in rest["tools"]]
    return rest


def _loose(tool: dict[str, Any]) -> dict[str, Any]:
    function = {key: value for key, value in tool.get("function", {}).items() if key != "strict"}
    return {**tool, "function": function}


def _with(request: httpx.Request, body: dict[str, Any]) -> httpx.Request:
    headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() != "content-length"]
    return httpx.Request(request.method, request.url, headers=headers, json=body, extensions=request.extensions)

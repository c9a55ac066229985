"""An MCP server over streamable HTTP: it answers in JSON or in events, and may forget its sessions."""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SCHEMA = {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"Knows {name}.", "inputSchema": SCHEMA, **more}


@dataclass
class McpServer:
    """`url` once it runs; what it does is set by its fields."""

    tools: list[dict[str, Any]] = field(default_factory=lambda: [tool("stock")])
    result: dict[str, Any] = field(default_factory=lambda: {"content": [{"type": "text", "text": "Three are left."}]})
    in_events: bool = False
    version: str = "2025-06-18"
    page_of: int = 100
    sessions: set[str] = field(default_factory=set)
    received: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    hold: asyncio.Event | None = None  # no tool answers before it is set

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/mcp", self._take)
        app.router.add_delete("/mcp", self._end)
        return app

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [one["params"] for one in self.received if one["method"] == "tools/call"]

    async def _take(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        self.received.append(message)
        self.headers.append(dict(request.headers))
        if message["method"] == "initialize":
            session = uuid.uuid4().hex
            self.sessions.add(session)
            info = {"name": "stock", "version": "1"}
            result = {"protocolVersion": self.version, "capabilities": {"tools": {}}, "serverInfo": info}
            return await self._answer(request, message, result, {"Mcp-Session-Id": session})
        if request.headers.get("Mcp-Session-Id") not in self.sessions:
            return web.Response(status=404)
        if "id" not in message:
            return web.Response(status=202)
        if message["method"] == "tools/list":
            first = int(message["params"].get("cursor", 0))
            page: dict[str, Any] = {"tools": self.tools[first : first + self.page_of]}
            if first + self.page_of < len(self.tools):
                page["nextCursor"] = str(first + self.page_of)
            return await self._answer(request, message, page)
        if self.hold is not None:
            await self.hold.wait()
        return await self._answer(request, message, self.result)

    async def _end(self, request: web.Request) -> web.Response:
        self.sessions.discard(request.headers.get("Mcp-Session-Id", ""))
        return web.Response()

    async def _answer(
        self,
        request: web.Request,
        message: dict[str, Any],
        result: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> web.StreamResponse:
        answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        if not self.in_events:
            return web.Response(text=answer, content_type="application/json", headers=headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **(headers or {})})
        await response.prepare(request)
        news = json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "wait"}})
        await response.write(f": hello\r\n\r\nevent: message\r\ndata: {news}\r\n\r\n".encode())
        await response.write(f"id: 7\r\ndata: {answer}\r\n\r\n".encode())
        return response

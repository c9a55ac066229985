"""Tools of MCP servers over real streamable HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.worker.tools.mcp_server import SCHEMA, McpServer, tool
from worker.tools.answer import MAX_ANSWER
from worker.tools.failed import ToolFailed
from worker.tools.mcp import McpClient

KEY = "5f0c0d9e-0000-4000-8000-000000000000"


@pytest.fixture(params=[False, True], ids=["json", "events"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[McpServer]:
    """It answers in both of the ways that there are."""
    made = McpServer(in_events=request.param)
    async with TestServer(made.app()) as running:
        made.url = f"http://127.0.0.1:{running.port}/mcp"
        yield made


@pytest.fixture
def client(server: McpServer, templates: Any) -> McpClient:
    return McpClient(
        templates(server.url, {"Authorization": "Bearer {{key}}"}, {"key": "k"}), 30, private_addresses=True
    )


async def test_its_tools_are_listed_page_by_page_and_called_in_a_session_that_ends(server, client):
    server.tools, server.page_of = [tool("stock"), tool("price", description=None), tool("odd", inputSchema=[])], 2
    found = await client.list_tools()
    assert [one.name for one in found] == ["stock", "price", "odd"]
    assert (found[0].description, found[0].parameters, found[1].description) == ("Knows stock.", SCHEMA, "")
    assert found[2].parameters == {"type": "object", "properties": {}}
    assert await client.call("stock", {"item": "lamp"}, KEY) == "Three are left."
    assert server.calls == [
        {"name": "stock", "arguments": {"item": "lamp"}, "_meta": {"callroom/idempotency-key": KEY}}
    ]
    assert server.headers[-1]["Idempotency-Key"] == KEY
    assert server.headers[-1]["Authorization"] == "Bearer k"
    assert server.headers[-1]["MCP-Protocol-Version"] == server.version
    await client.close()
    assert server.sessions == set()


async def test_a_session_that_the_server_has_forgotten_is_begun_anew_and_the_tool_called_once(server, client):
    await client.list_tools()
    server.sessions.clear()
    assert await client.call("stock", {"item": "lamp"}, KEY) == "Three are left."
    methods = [one["method"] for one in server.received]
    assert methods[-4:] == ["tools/call", "initialize", "notifications/initialized", "tools/call"]


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ({"content": [{"type": "text", "text": "No lamp."}], "isError": True}, "says that it failed: No lamp."),
        ({"content": [{"type": "text", "text": "x" * (MAX_ANSWER + 1)}]}, f"more than {MAX_ANSWER} bytes"),
        ({"content": [{"type": "text", "text": "x" * (MAX_ANSWER * 3)}]}, f"more than {MAX_ANSWER} bytes"),
    ],
)
async def test_what_is_no_answer_is_told_in_a_few_words(server, client, result, says):
    await client.list_tools()
    server.result = result
    with pytest.raises(ToolFailed) as failed:
        await client.call("stock", {"item": "lamp"}, KEY)
    assert says in str(failed.value)
    assert len(server.calls) == 1


async def test_data_without_words_is_read_as_data(server, client):
    await client.list_tools()
    server.result = {"content": [], "structuredContent": {"left": 3}}
    assert await client.call("stock", {"item": "lamp"}, KEY) == '{"left": 3}'
    server.result = {"content": [{"type": "image", "data": "…"}, {"type": "text", "text": "A lamp."}]}
    assert await client.call("stock", {"item": "lamp"}, KEY) == "A lamp.\n[image, which cannot be read aloud]"


async def test_a_server_of_another_version_and_one_that_is_none_are_refused(server, client, templates):
    server.version = "1999-01-01"
    with pytest.raises(ToolFailed, match="versions"):
        await client.list_tools()

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="<html>")

    app = web.Application()
    app.router.add_post("/page", hello)
    async with TestServer(app) as running:
        for path, says in (("page", "no JSON"), ("nothing", "404")):
            other = McpClient(templates(f"http://127.0.0.1:{running.port}/{path}"), 30, private_addresses=True)
            with pytest.raises(ToolFailed, match=says):
                await other.list_tools()
    guarded = McpClient(templates(server.url), 30, private_addresses=False)
    with pytest.raises(ToolFailed, match="private address"):
        await guarded.list_tools()

"""The tools of an agent as they are saved: what could not be called, or would tell a secret elsewhere, is a 400."""

from typing import Any

import pytest

from calls.tools.config import OWN_TOOLS
from tests.api.conftest import Api, MakeTenant
from worker.speaker.agent import CallAgent

HOST = "8.8.8.8"
URL = f"https://{HOST}/orders"
TOOL = {"name": "look_up", "url": URL}
SERVER = {"name": "shop", "url": f"https://{HOST}/mcp"}
SECRET = {"Authorization": "Bearer {{secrets.SHOP}}"}


def test_the_names_that_are_taken_are_those_of_the_agents_own_tools():
    own = {name for name in vars(CallAgent) if hasattr(getattr(CallAgent, name), "info")}
    assert own == OWN_TOOLS


async def test_tools_are_shown_as_they_were_saved_and_replaced_whole(api: Api):
    made = await api.post("/v1/agents", {"name": "Aria", "tools": [TOOL], "mcp_servers": [SERVER]})
    assert made.status == 201
    assert made.body["tools"] == [
        {
            **TOOL,
            "description": "",
            "parameters": {"type": "object", "properties": {}},
            "method": "POST",
            "headers": {},
            "timeout_s": 10,
            "meanwhile": None,
        }
    ]
    assert made.body["mcp_servers"] == [{**SERVER, "headers": {}, "timeout_s": 10, "meanwhile": None}]
    path = f"/v1/agents/{made.body['id']}"
    assert (await api.get(path)).body["tools"] == made.body["tools"]
    changed = await api.put(path, {"tools": []})
    assert (changed.body["tools"], changed.body["mcp_servers"]) == ([], made.body["mcp_servers"])


@pytest.mark.parametrize(
    ("tool", "path"),
    [
        ({"name": "look up"}, "tools[0].name"),
        ({"name": "1st"}, "tools[0].name"),
        ({"name": "x" * 65}, "tools[0].name"),
        ({"name": "end_call"}, "tools[0].name"),
        ({"parameters": {"type": "array"}}, "tools[0].parameters"),
        ({"parameters": {"properties": 3}}, "tools[0].parameters"),
        ({"method": "HEAD"}, "tools[0].method"),
        ({"timeout_s": 0}, "tools[0].timeout_s"),
        ({"timeout_s": 1000}, "tools[0].timeout_s"),
        ({"url": "ftp://8.8.8.8/"}, "tools[0].url"),
        ({"url": "https://{{host}}/"}, "tools[0].url"),
        ({"url": "https://api.{{secrets.SHOP}}.com/"}, "tools[0].url"),
        ({"url": f"https://8.8.4.4\\@{HOST}/"}, "tools[0].url"),
        ({"url": f"https://me:it@{HOST}/"}, "tools[0].url"),
        ({"url": f"{URL}#part"}, "tools[0].url"),
        ({"url": "http://127.0.0.1/{{variable}}"}, "tools[0].url"),
        ({"url": "http://[::1]/"}, "tools[0].url"),
        ({"headers": {"A:": "b"}}, "tools[0].headers"),
        ({"headers": {"Host": "example.com"}}, "tools[0].headers"),
        ({"headers": {"idempotency-key": "1"}}, "tools[0].headers"),
        ({"headers": {"X": "a\r\nY: b"}}, "tools[0].headers"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "tools[0].headers"),
        ({"headers": SECRET, "url": "https://8.8.4.4/"}, "tools[0].headers.Authorization"),
        ({"headers": SECRET, "url": f"http://{HOST}/"}, "tools[0].headers.Authorization"),
        ({"headers": {"X": "{{ secrets.NONE }}"}}, "tools[0].headers.X"),
        ({"url": f"{URL}?key={{{{secrets.NONE}}}}"}, "tools[0].url"),
        ({"retries": 3}, "tools[0].retries"),
    ],
)
async def test_a_tool_that_cannot_be_is_refused_by_its_field(api: Api, tool: dict[str, Any], path: str):
    await api.put("/v1/tool-secrets/SHOP", {"value": "sk", "host": HOST})
    answer = await api.post("/v1/agents", {"name": "A", "tools": [{**TOOL, **tool}]})
    assert (answer.status, [each["path"] for each in answer.body["details"]]) == (400, [path])


async def test_names_come_once_and_servers_are_held_to_the_same(api: Api):
    for field, given, path in (
        ("tools", [TOOL, TOOL], "tools"),
        ("mcp_servers", [SERVER, SERVER], "mcp_servers"),
        ("mcp_servers", [{**SERVER, "url": "http://10.0.0.1/mcp"}], "mcp_servers[0].url"),
        ("mcp_servers", [SERVER, {**SERVER, "name": "b", "headers": SECRET}], "mcp_servers[1].headers.Authorization"),
    ):
        answer = await api.post("/v1/agents", {"name": "A", field: given})
        assert (answer.status, answer.body["details"][0]["path"]) == (400, path)


async def test_a_secret_of_ones_own_is_needed(api: Api, tenant: MakeTenant, agent: str):
    tools = {"tools": [{**TOOL, "headers": SECRET}]}
    another = await tenant()
    await api.put("/v1/tool-secrets/SHOP", {"value": "theirs", "host": HOST}, key=another.key)
    assert (await api.put(f"/v1/agents/{agent}", tools)).status == 400
    await api.put("/v1/tool-secrets/SHOP", {"value": "ours", "host": HOST})
    assert (await api.put(f"/v1/agents/{agent}", tools)).status == 200

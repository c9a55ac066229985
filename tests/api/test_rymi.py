"""The official client of the specified API, unchanged but for its base URL, does everything against ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from rymi import Rymi, RymiError

from calls.store import CallStore
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.api.conftest import Api

OWN, CALLEE = "+15559876543", "+15551234567"
BROWSER = {"transport": "webrtc", "identity": "browser-tab-1"}

Ask = Callable[..., Awaitable[Any]]
ask: Ask = asyncio.to_thread  # the client blocks


@pytest.fixture
async def rymi(api: Api) -> AsyncIterator[Any]:
    client = Rymi(api_key=api.key, base_url=f"{api.url}/v1")
    yield client
    client._client.session.close()


async def refused(status: int, code: str, function: Callable[..., Any], *arguments: Any) -> None:
    with pytest.raises(RymiError) as error:
        await ask(function, *arguments)
    assert (error.value.status, error.value.code) == (status, code)


async def test_agents(rymi: Any):
    agents = rymi.agents
    created = await ask(agents.create, "Aria", "Be brief.", "ash", "en", first_message="Hello!")
    assert (created["name"], created["system_prompt"], created["voice"]) == ("Aria", "Be brief.", "ash")
    agent_id = created["id"]
    assert await ask(agents.retrieve, agent_id) == created
    updated = await ask(agents.update, agent_id, None, "Be kind.", post_call={"summary": {"enabled": True}})
    assert (updated["name"], updated["system_prompt"]) == ("Aria", "Be kind.")
    assert updated["first_message"] == "Hello!"
    copy = await ask(agents.clone, agent_id)
    assert (copy["name"], copy["system_prompt"]) == ("Aria (Copy)", "Be kind.")
    listed = await ask(agents.list)
    assert {agent["id"] for agent in listed["agents"]} == {agent_id, copy["id"]}
    assert (await ask(agents.list, limit=1, offset=1))["agents"] == [updated]
    assert (await ask(agents.list_calls, agent_id, 10, 0, "completed")) == {
        "calls": [],
        "total": 0,
        "limit": 10,
        "offset": 0,
        "next_cursor": None,
    }
    options = await ask(agents.llm_options)
    assert options["models"]
    assert options["voices"]
    assert await ask(agents.delete, copy["id"]) == ""
    await refused(404, "not_found", agents.retrieve, copy["id"])


async def test_changes_of_agents(rymi: Any, agent: str):
    agents = rymi.agents
    await ask(agents.update, agent, "Ada")
    [change] = (await ask(agents.list_changes, agent, "2026-01-01T00:00:00Z"))["changes"]
    assert (change["field"], change["before"], change["after"]) == ("name", "Aria", "Ada")
    assert (await ask(agents.undo_change, agent, change["id"]))["name"] == "Aria"
    await refused(409, "changed_since", agents.undo_change, agent, change["id"])


async def test_share_links_of_agents(rymi: Any, agent: str):
    agents = rymi.agents
    assert await ask(agents.get_share_link, agent) == {"link_feature": True, "link": None}
    await refused(404, "not_found", agents.regenerate_share_link, agent)
    limits = {"minutes_limit": 10, "max_call_seconds": 60, "max_concurrent": 1, "calls_per_ip_hour": 3}
    link = await ask(agents.set_share_link, agent, enabled=True, **limits)
    assert link.items() >= limits.items()
    assert (await ask(agents.get_share_link, agent))["link"] == link
    assert (await ask(agents.regenerate_share_link, agent))["url"] != link["url"]


async def test_calls_of_browsers(rymi: Any, api: Api, agent: str):
    calls = rymi.calls
    created = await ask(calls.create, agent, [BROWSER], {"source": "sdk"}, {"name": "Ada"}, {"summary": None})
    assert created["status"] == "connecting"
    assert set(created["participants"][0]["access"]) == {"url", "token"}
    call_id = created["id"]
    await refused(404, "transcript_not_available", calls.transcript, call_id)
    await refused(404, "summary_not_available", calls.summary, call_id)
    await refused(400, "validation_error", calls.reprocess, call_id)
    assert (await ask(calls.recording, call_id))["recording"]["status"] == "disabled"
    added = await ask(calls.add_participants, call_id, [{"transport": "webrtc", "identity": "browser-tab-2"}])
    assert [one["identity"] for one in added["participants"]] == ["browser-tab-2"]
    await talk(api, call_id)
    assert [call["id"] for call in (await ask(calls.active))["calls"]] == [call_id]
    transcript = await ask(calls.transcript, call_id)
    assert transcript["text"] == "Caller: Hello?"
    assert transcript["segments"][0]["text"] == transcript["transcript"][0]["response"] == "Hello?"
    assert await ask(calls.end, call_id) == {
        "status": "ended",
        "id": call_id,
        "message": "Call has been terminated.",
    }
    await refused(409, "call_over", calls.end, call_id)
    detail = await ask(calls.retrieve, call_id)
    assert (detail["status"], detail["end_reason"]) == ("completed", "ended_by_api")
    assert (await ask(calls.reprocess, call_id))["status"] == "queued"
    assert [call["id"] for call in (await ask(calls.list, status="completed"))["calls"]] == [call_id]


async def talk(api: Api, call_id: str) -> None:
    """What a worker does once both are in the room."""
    async with api.database.writing() as conn:
        store = CallStore(conn)
        token = await leases.take(conn, call_id, "worker", "agent-1")
        assert token is not None
        await store.agent_joined(call_id, token)
        await store.participant_joined(call_id, BROWSER["identity"])
        await store.start(call_id)
        await write_segments(conn, call_id, token, [Segment(0, "user", "Hello?", 0, 850, is_final=True)])


async def test_calls_of_phones(rymi: Any, agent: str):
    calls = rymi.calls
    await ask(rymi.numbers.register, OWN)
    one = await ask(calls.create, agent, None, None, None, None, CALLEE)
    assert one["status"] == "queued"
    assert set(one["participants"][0]) >= {"telephony_leg_id", "job_id"}
    other = await ask(calls.create, agent, None, None, None, None, CALLEE, OWN)
    assert other["status"] == "queued"
    together = await ask(calls.fanout, agent, ["+15551234568", "+15551234569"], OWN, metadata={"wave": 1})
    assert (together["queued"], len(together["participants"])) == (2, 2)
    batch = await ask(calls.batch, agent, [CALLEE, "nobody"], batch_id="batch_1710")
    assert (batch["batch_id"], batch["queued"]) == ("batch_1710", 1)
    assert [each["code"] for each in batch["rejected"]] == ["invalid_number"]
    assert await ask(calls.queue_stats) == {"waiting": 5, "active": 0, "completed": 0, "failed": 0}
    assert (await ask(calls.list, limit=2))["total"] == 4


async def test_dnc(rymi: Any, agent: str):
    dnc = rymi.dnc
    await ask(rymi.numbers.register, OWN)
    assert (await ask(dnc.add, "+1 555 123 4567", "asked"))["phone_number"] == CALLEE
    assert await ask(dnc.add_batch, ["+15550001111", "x"], "list") == {"added": 1, "invalid": ["x"]}
    checked = await ask(dnc.check, [CALLEE])
    assert checked == {"results": [{"phone_number": CALLEE, "blocked": True}]}
    await refused(409, "dnc_conflict", rymi.calls.create, agent, None, None, None, None, CALLEE)
    assert (await ask(dnc.list))["total"] == 2
    assert await ask(dnc.remove, CALLEE) == ""
    await refused(404, "not_found", dnc.remove, CALLEE)


async def test_keys(rymi: Any, api: Api, agent: str):
    keys = rymi.keys
    created = await ask(keys.create_publishable, agent, "Page", ["web", "phone"], "landing_demo", OWN)
    assert (created["audience"], created["default_from_number"]) == ("landing_demo", OWN)
    assert [key["id"] for key in (await ask(keys.list_publishable))["keys"]] == [created["id"]]
    assert await ask(keys.revoke_publishable, created["id"]) == ""
    secret = await ask(keys.create, "workspace", ["calls:write"])
    other = Rymi(api_key=secret["key"], base_url=f"{api.url}/v1")
    assert await ask(other.keys.self) == {"kind": "workspace", "scopes": ["calls:write"]}
    other._client.session.close()


async def test_numbers_and_telephony(rymi: Any, agent: str):
    numbers = rymi.numbers
    assert (await ask(numbers.register, OWN))["agent_id"] is None
    assert (await ask(numbers.attach, OWN, agent))["agent_id"] == agent
    assert [row["number"] for row in (await ask(numbers.list))["numbers"]] == [OWN]
    assert await ask(numbers.remove, OWN) == ""
    await refused(404, "not_found", numbers.remove, OWN)
    assert (await ask(rymi.telephony.status))["connected"] is False


async def test_webhooks(rymi: Any):
    webhooks = rymi.webhooks
    url, events = "https://8.8.8.8/hooks", ["call.completed"]
    created = await ask(webhooks.create, url, events, "a secret", "ops@example.com")
    assert (created["url"], created["alert_email"]) == (url, "ops@example.com")
    updated = await ask(webhooks.update, created["id"], None, ["call.failed"], "another secret")
    assert (updated["url"], updated["events"]) == (url, ["call.failed"])
    assert [row["id"] for row in (await ask(webhooks.list))["webhooks"]] == [created["id"]]
    assert await ask(webhooks.delete, created["id"]) == ""


async def test_an_unknown_key_is_an_error_of_the_client(api: Api):
    stranger = Rymi(api_key="sb_secret_x", base_url=f"{api.url}/v1")
    await refused(401, "unauthorized", stranger.agents.list)
    stranger._client.session.close()


async def test_tool_secrets(rymi: Any):
    secrets = rymi.tool_secrets
    made = await ask(secrets.set, "SHOP_KEY", "sk_live", "8.8.8.8")
    assert (made["name"], made["host"]) == ("SHOP_KEY", "8.8.8.8")
    assert await ask(secrets.list) == {"secrets": [made]}
    assert await ask(secrets.delete, "SHOP_KEY") == ""
    await refused(404, "not_found", secrets.delete, "SHOP_KEY")

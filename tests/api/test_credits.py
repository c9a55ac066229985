"""Credits of metered tenants, and the command line that makes tenants, keys and credits."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from calls.states import EndReason
from calls.store import CallStore
from calls.tenants.keys import add_credits, create_secret_key, create_tenant
from tests.api.conftest import Answer, Api, Command, MakeTenant, browser, phone, run_api
from tests.conftest import MakeSettings, now

Make = Callable[..., Awaitable[str]]

WRONG = {
    ("keys", "create", "--tenant", "nobody"): "Tenant not found",
    ("keys", "create", "--label", "x" * 101): "1 to 100 characters",
    ("keys", "create", "--label", ""): "1 to 100 characters",
    ("tenants", "create", "x" * 201): "1 to 200 characters",
    ("tenants", "create", " "): "1 to 200 characters",
    ("credits", "add", "--tenant", "nobody", "1"): "Tenant not found",
    ("credits", "add", "--tenant", "default", "many"): "expected dollars",
    ("credits", "add", "--tenant", "default", "NaN"): "expected dollars",
    ("credits", "add", "--tenant", "default", "0"): "expected dollars",
    ("credits", "add", "1"): "--tenant",
    ("keys",): "arguments are required",
    ("keys", "revoke", "nobody"): "Key not found",
    ("keys", "list", "--tenant", "nobody"): "Tenant not found",
}


async def test_a_metered_tenant_without_credits_gets_402_and_no_call(
    api: Api,
    tenant: MakeTenant,
    number: Make,
):
    key = (await tenant(metered=True)).key
    await number(key=key)
    await api.post("/v1/dnc", {"phone_number": "+15551230009"}, key=key)
    agent = (await api.post("/v1/agents", {"name": "Aria"}, key=key)).body["id"]
    asked: dict[str, dict[str, Any]] = {
        "/v1/calls": {"agent_id": agent, "participants": [browser()]},
        "/v1/calls/batch": {"agent_id": agent, "to": ["+15551234567"]},
        "/v1/calls/fanout": {"agent_id": agent, "to": ["+15551234567"]},
        "/v1/realtime/token": {"agent_id": agent},
    }
    for path, body in asked.items():
        answer = await api.post(path, body, key=key)
        assert (answer.status, answer.body["code"]) == (402, "insufficient_credits"), path
    blocked = {"agent_id": agent, "participants": [phone("+15551230009")]}
    assert (await api.post("/v1/calls", blocked, key=key)).status == 409
    assert (await api.get("/v1/calls", key=key)).body["total"] == 0


@pytest.fixture
async def priced(settings: MakeSettings) -> Any:
    """An API where a minute has its price: 6 cents for a browser, 12 for a phone."""
    async for api in run_api(settings(price_per_minute_webrtc=0.06, price_per_minute_pstn=0.12)):
        yield api


async def acme(api: Api, dollars: float) -> tuple[str, str]:
    """The key of a metered tenant with so many dollars, and one of its agents."""
    async with api.database.writing() as conn:
        tenant_id = (await create_tenant(conn, "Acme", metered=True)).id
        await add_credits(conn, tenant_id, round(dollars * 1_000_000))
        _, key = await create_secret_key(conn, tenant_id, "tests")
    agent = (await api.post("/v1/agents", {"name": "Aria"}, key=key)).body["id"]
    await api.post("/v1/numbers", {"number": "+15559876543"}, key=key)
    return key, agent


async def test_a_call_is_charged_when_it_ends_for_each_leg_what_its_transport_costs(priced: Api):
    key, agent = await acme(priced, dollars=1)
    body = {"agent_id": agent, "participants": [browser()]}
    call = (await priced.post("/v1/calls", body, key=key)).body["id"]
    added = await priced.post(f"/v1/calls/{call}/participants", {"participants": [phone()]}, key=key)
    assert added.status == 202
    start = now() - timedelta(seconds=90)
    async with priced.database.writing() as conn:
        await CallStore(conn, start).participant_joined(call, "browser-tab-1")
        await CallStore(conn, start).start(call)
        leg = f"phone_{added.body['participants'][0]['id']}"
        await CallStore(conn, start + timedelta(seconds=60)).participant_joined(call, leg)
        for _ in range(2):
            await CallStore(conn, start + timedelta(seconds=90)).finish(call, EndReason.CALLER_HUNG_UP)
    detail = (await priced.get(f"/v1/calls/{call}", key=key)).body
    assert (detail["bill_duration"], detail["total_cost"]) == (90, 0.15)
    assert [(leg["bill_duration"], leg["cost"]) for leg in detail["participants"]] == [(90, 0.09), (30, 0.06)]
    assert (await priced.get("/v1/auth/me", key=key)).body["credits"] == 0.85


async def test_a_minute_for_each_participant_is_reserved_and_free_again_when_the_call_is_over(priced: Api):
    key, agent = await acme(priced, dollars=0.30)

    async def ask(path: str, body: dict[str, Any], **more: Any) -> Answer:
        return await priced.post(f"/v1/{path}", {"agent_id": agent} | body, key=key, **more)

    three = {"to": ["+15551234567", "+15551234568", "+15551234569"]}
    for path in ("calls/fanout", "calls/batch"):
        refused = await ask(path, three)
        assert (refused.status, refused.body["code"]) == (402, "insufficient_credits")
        assert "0.36 dollars, 0.3 are left" in refused.body["error"]
    assert (await priced.get("/v1/calls", key=key)).body["total"] == 0

    two = {"participants": [phone(), browser()]}
    first = [await ask("calls", two, headers={"Idempotency-Key": "once"}) for _ in range(3)]
    [call] = {answer.body["id"] for answer in first}

    async def add(person: dict[str, Any]) -> Answer:
        return await priced.post(f"/v1/calls/{call}/participants", {"participants": [person]}, key=key)

    assert (await add(phone("+15551234568"))).status == 202
    late = await add(browser("late"))
    assert (late.status, late.body["code"]) == (402, "insufficient_credits"), "all 0.30 are reserved"
    refused_now: dict[str, dict[str, Any]] = {
        "calls": {"participants": [browser()]},
        "realtime/token": {},
        "calls/fanout": {"to": ["+15551234569"]},
        "calls/batch": {"to": ["+15551234569"]},
    }
    for path, body in refused_now.items():
        assert (await ask(path, body)).status == 402, path
    assert (await priced.post(f"/v1/calls/{call}/end", key=key)).status == 200
    assert (await ask("calls/batch", {"to": ["+15551234567", "+15551234568"]})).status == 202
    at_once = await asyncio.gather(*(ask("calls", {"participants": [browser()]}) for _ in range(5)))
    assert sorted(answer.status for answer in at_once) == [201, 402, 402, 402, 402]
    assert (await priced.get("/v1/auth/me", key=key)).body["credits"] == 0.30, "nobody was there yet"


async def test_a_stranger_learns_nothing_of_the_credits_and_numbers_of_whose_agent_they_call(priced: Api):
    key, agent = await acme(priced, dollars=0.05)
    await priced.delete("/v1/numbers/+15559876543", key=key)
    public = {"agent_id": agent, "label": "a page", "allowed_channels": ["web", "phone"]}
    publishable = (await priced.post("/v1/keys/publishable", public, key=key)).body["key"]
    code = (await priced.put(f"/v1/agents/{agent}/share-link", {}, key=key)).body["url"].rpartition("/")[2]

    async def call(*people: dict[str, Any], **more: Any) -> Answer:
        return await priced.post("/v1/calls", {"agent_id": agent, "participants": people}, **more)

    refused = [
        await priced.post(f"/v1/shared/{code}/calls", {}, key=None),
        await call(browser(), key=publishable),
        await call(browser(), key=publishable, headers={"Idempotency-Key": "once"}),
        await priced.post("/v1/realtime/token", {"agent_id": agent}, key=publishable),
        await call(phone(), key=publishable),
    ]
    assert [(one.status, one.body["code"]) for one in refused] == [
        *[(402, "insufficient_credits")] * 4,
        (400, "validation_error"),
    ]
    assert {one.body["error"] for one in refused} == {"This agent cannot take calls now."}
    assert "0.06 dollars, 0.05 are left" in (await call(browser(), key=key)).body["error"]


async def test_the_command_line_makes_a_key_of_the_default_tenant(api: Api, command: Command):
    made = command("keys", "create")
    assert (await api.get("/v1/auth/me", key=made["key"])).body["id"] == "default"


async def test_the_command_line_makes_tenants_keys_and_credits(api: Api, command: Command):
    plain, acme = command("tenants", "create", "Plain"), command("tenants", "create", "Acme", "--metered")
    assert {plain["name"]: plain["metered"], acme["name"]: acme["metered"]} == {"Plain": False, "Acme": True}
    assert command("credits", "add", "--tenant", acme["id"], "12.50")["credits"] == 12.5
    assert command("credits", "add", "--tenant", acme["id"], "0.000001")["credits"] == 12.500001
    key = command("keys", "create", "--tenant", acme["id"], "--label", "server")
    me = (await api.get("/v1/auth/me", key=key["key"])).body
    assert me == {"id": acme["id"], "name": "Acme", "metered": True, "credits": 12.500001}
    [listed] = (await api.get("/v1/auth/api-keys", key=key["key"])).body["keys"]
    assert (listed["id"], listed["label"]) == (key["id"], "server")


async def test_the_command_line_lists_and_revokes(api: Api, command: Command, publishable: Make, agent: str):
    acme = command("tenants", "create", "Acme")
    assert [(one["name"], one["id"]) for one in command("tenants", "list")["tenants"]][1:] == [("Acme", acme["id"])]
    browsers, servers = await publishable(), command("keys", "create")
    kept, first, last = command("keys", "list")["keys"]
    assert (kept["label"], first["id"], last["kind"], last["agent_id"]) == (
        "tests",
        servers["id"],
        "publishable",
        agent,
    )
    assert not [secret for secret in (browsers, servers["key"]) if secret in str((kept, first, last))]
    assert (first["last_used_at"], last["last_used_at"]) == (None, None)
    assert command("keys", "revoke", servers["id"])["revoked"] == first
    assert (await api.get("/v1/auth/me", key=servers["key"])).status == 401
    command("keys", "revoke", last["id"])
    assert command("keys", "list")["keys"] == [kept]
    assert command("keys", "list", "--tenant", acme["id"])["keys"] == []


async def test_the_command_line_says_what_is_wrong(command: Command, capsys: pytest.CaptureFixture[str]):
    for arguments, said in WRONG.items():
        with pytest.raises(SystemExit) as ended:
            command(*arguments)
        assert ended.value.code not in {0, None}
        out, err = capsys.readouterr()
        assert (out, said in err) == ("", True), err


async def test_the_command_line_says_how_long_a_tenants_calls_are_kept(api: Api, command: Command):
    def kept(*arguments: str) -> object:
        return command("tenants", "retention", *arguments)["retention_days"]

    assert kept() == {"recordings": None, "transcripts": None}
    assert kept("--recordings", "30", "--transcripts", "90") == {"recordings": 30, "transcripts": 90}
    assert kept("--recordings", "forever", "--tenant", "default") == {"recordings": None, "transcripts": 90}
    for wrong in ("0", "-1", "soon", "36501"):
        with pytest.raises(SystemExit):
            kept("--recordings", wrong)
    with pytest.raises(SystemExit):
        kept("--tenant", "nobody")

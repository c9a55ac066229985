"""Credits of metered tenants, and the command line that makes tenants, keys and credits."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from calls.keys import add_credits, create_secret_key, create_tenant
from calls.states import EndReason
from calls.store import CallStore
from tests.api.conftest import Api, Command, MakeTenant, browser, phone, run_api
from tests.conftest import MakeSettings, now

Make = Callable[..., Awaitable[str]]

WRONG = {
    ("keys", "create", "--tenant", "nobody"): "No such tenant",
    ("credits", "add", "--tenant", "nobody", "1"): "No such tenant",
    ("credits", "add", "--tenant", "default", "many"): "expected dollars",
    ("credits", "add", "--tenant", "default", "NaN"): "expected dollars",
    ("credits", "add", "--tenant", "default", "0"): "expected dollars",
    ("credits", "add", "1"): "--tenant",
    ("keys",): "arguments are required",
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


async def test_a_call_is_charged_once_when_it_ends_at_the_price_of_its_dearest_transport(
    settings: MakeSettings,
):
    async for api in run_api(settings(price_per_minute_webrtc=0.06, price_per_minute_pstn=0.12)):
        async with api.database.writing() as conn:
            tenant_id = (await create_tenant(conn, "Acme", metered=True)).id
            await add_credits(conn, tenant_id, 1_000_000)
            _, key = await create_secret_key(conn, tenant_id, "tests")
        agent = (await api.post("/v1/agents", {"name": "Aria"}, key=key)).body["id"]
        await api.post("/v1/numbers", {"number": "+15559876543"}, key=key)
        browser_only = await charged_call(api, key, agent, [])
        with_a_phone = await charged_call(api, key, agent, [phone()])
        assert (browser_only["bill_duration"], browser_only["total_cost"]) == (90, 0.09)
        assert (with_a_phone["bill_duration"], with_a_phone["total_cost"]) == (90, 0.18)
        assert (await api.get("/v1/auth/me", key=key)).body["credits"] == 0.73


async def charged_call(api: Api, key: str, agent: str, added: list[dict[str, Any]]) -> dict[str, Any]:
    """A call of 90 seconds that is ended twice."""
    body = {"agent_id": agent, "participants": [browser()]}
    call = (await api.post("/v1/calls", body, key=key)).body["id"]
    if added:
        joined = await api.post(f"/v1/calls/{call}/participants", {"participants": added}, key=key)
        assert joined.status == 202
    start = now() - timedelta(seconds=90)
    async with api.database.writing() as conn:
        await CallStore(conn, start).start(call)
        for _ in range(2):
            await CallStore(conn, start + timedelta(seconds=90)).finish(call, EndReason.CALLER_HUNG_UP)
    row: dict[str, Any] = (await api.get(f"/v1/calls/{call}", key=key)).body
    return row


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

"""What a key for browsers may do: start a call with its own agent over its own channels, and nothing else."""

import re
from collections.abc import Awaitable, Callable

import pytest

from api.app import ROUTES
from api.routing import Route, Who
from tests.api.conftest import Api, browser, phone

Publishable = Callable[..., Awaitable[str]]
RegisterNumber = Callable[..., Awaitable[str]]
UNKNOWN = "00000000-0000-4000-8000-000000000000"
SECRET_ONLY = [route for route in ROUTES if route.who is Who.SECRET]


async def test_everything_but_two_paths_is_refused_before_the_body_is_read(api: Api, publishable: Publishable):
    key = await publishable(allowed_channels=["web", "phone"])

    async def ask(route: Route) -> tuple[int, str]:
        path = re.sub(r"{\w+}", UNKNOWN, route.path)
        raw = b"no JSON" if route.body else None
        answer = await api.ask(route.method, path, raw=raw, key=key, headers={"Content-Type": "text/plain"})
        return answer.status, answer.body["code"]

    assert len(SECRET_ONLY) > 40
    assert {f"{route.method} {route.path}" for route in SECRET_ONLY if await ask(route) != (403, "forbidden")} == set()


async def test_its_own_calls_are_not_readable_nor_to_be_ended(api: Api, agent: str, publishable: Publishable):
    key = await publishable()
    call = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]}, key=key)
    assert call.status == 201
    path = f"/v1/calls/{call.body['id']}"
    for method, rest in [
        ("GET", ""),
        ("GET", "/transcript"),
        ("GET", "/recording"),
        ("GET", "/summary"),
        ("GET", "/events"),
        ("GET", "/stream"),
        ("POST", "/end"),
        ("POST", "/reprocess"),
        ("POST", "/participants"),
    ]:
        assert (await api.ask(method, path + rest, key=key)).status == 403
    assert (await api.get(path)).body["status"] == "connecting"


async def test_the_web_channel_lets_browsers_in(api: Api, agent: str, publishable: Publishable):
    key = await publishable()
    token = await api.post("/v1/realtime/token", {"agent_id": agent}, key=key)
    assert token.status == 201
    assert set(token.body) == {"client_token", "room_name", "server_url", "call_id", "call_token"}
    two = [browser("one"), browser("two")]
    body = {"agent_id": agent, "participants": two}
    assert (await api.post("/v1/calls", body, key=key)).status == 201
    for post_call in ({}, {"summary": {"enabled": True}}):
        refused = await api.post("/v1/calls", {**body, "post_call": post_call}, key=key)
        assert (refused.status, refused.body["code"]) == (403, "post_call_not_allowed")
    refused = await api.post("/v1/calls", {"agent_id": agent, "participants": [phone()]}, key=key)
    assert (refused.status, refused.body["code"]) == (403, "channel_not_allowed")


async def test_the_phone_channel_calls_exactly_one_phone(
    api: Api,
    agent: str,
    publishable: Publishable,
    number: RegisterNumber,
):
    own = await number()
    key = await publishable(allowed_channels=["phone"])
    call = await api.post("/v1/calls", {"agent_id": agent, "participants": [phone(from_number=None)]}, key=key)
    assert call.status == 202
    detail = (await api.get(f"/v1/calls/{call.body['id']}")).body
    assert [leg["from_number"] for leg in detail["participants"]] == [own]
    for participants in (
        [phone("+15551234567"), phone("+15551234568")],
        [phone(from_number=own)],
        [browser()],
        [browser(), phone()],
    ):
        refused = await api.post("/v1/calls", {"agent_id": agent, "participants": participants}, key=key)
        assert refused.status == 403, participants
    assert (await api.post("/v1/realtime/token", {"agent_id": agent}, key=key)).status == 403
    assert (await api.get("/v1/calls")).body["total"] == 1


async def test_its_default_from_number_is_what_the_phone_shows(
    api: Api,
    agent: str,
    publishable: Publishable,
    number: RegisterNumber,
):
    await number("+15559876543")
    await number("+15559876544")
    key = await publishable(allowed_channels=["phone"], default_from_number="+1 555 987 6544")
    call = await api.post("/v1/calls", {"agent_id": agent, "participants": [phone()]}, key=key)
    detail = (await api.get(f"/v1/calls/{call.body['id']}")).body
    assert detail["participants"][0]["from_number"] == "+15559876544"
    foreign = await publishable(allowed_channels=["phone"], default_from_number="+15550000000")
    refused = await api.post("/v1/calls", {"agent_id": agent, "participants": [phone()]}, key=foreign)
    assert refused.status == 400


@pytest.mark.parametrize("agent_id", [UNKNOWN, "another"])
async def test_any_agent_but_its_own_is_refused(api: Api, publishable: Publishable, agent_id: str):
    if agent_id == "another":
        agent_id = (await api.post("/v1/agents", {"name": "Ben"})).body["id"]
    key = await publishable()
    call = await api.post("/v1/calls", {"agent_id": agent_id, "participants": [browser()]}, key=key)
    token = await api.post("/v1/realtime/token", {"agent_id": agent_id}, key=key)
    assert (call.status, call.body["code"]) == (token.status, token.body["code"]) == (403, "agent_not_allowed")


async def test_on_its_paths_a_wrong_body_is_400_and_a_deleted_agent_404(
    api: Api,
    agent: str,
    publishable: Publishable,
):
    key = await publishable()
    for body in ({}, {"agent_id": agent}, {"agent_id": agent, "participants": []}):
        assert (await api.post("/v1/calls", body, key=key)).status == 400
    assert (await api.post("/v1/realtime/token", {}, key=key)).status == 400
    await api.delete(f"/v1/agents/{agent}")
    call = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]}, key=key)
    assert call.status == 404


async def test_a_page_of_another_origin_may_ask_and_read_every_answer(api: Api, agent: str, publishable: Publishable):
    key = await publishable()
    origin = {"Origin": "https://shop.example"}
    preflight = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for path in sorted({route.path for route in ROUTES if route.path.startswith("/v1/")}):
        asked = await api.ask("OPTIONS", re.sub(r"{.+?}", UNKNOWN, path), key=None, headers=preflight)
        assert asked.status == 204
        assert asked.headers["Access-Control-Allow-Origin"] == "*"
        assert {"POST", "GET"} <= set(asked.headers["Access-Control-Allow-Methods"].split(", "))
        assert {"Authorization", "Content-Type"} <= set(asked.headers["Access-Control-Allow-Headers"].split(", "))
    for answer in (
        await api.post("/v1/realtime/token", {"agent_id": agent}, key=key, headers=origin),
        await api.post("/v1/realtime/token", {"agent_id": UNKNOWN}, key=key, headers=origin),
        await api.post("/v1/realtime/token", {}, key="sb_publishable_x", headers=origin),
        await api.get("/v1/nowhere", headers=origin),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Access-Control-Allow-Origin" not in (await api.get("/healthz", headers=origin)).headers

"""Who may do what: keys, tenants, and the rules of publishable keys."""

import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

from api.app import ROUTES
from api.routing import Route, Who
from tests.api.conftest import Answer, Api, MakeTenant, browser, phone

Make = Callable[..., Awaitable[str]]


async def ask(api: Api, route: Route, key: str | None, call: str = str(uuid4())) -> Answer:
    path = re.sub(r"{\w+}", call, route.path)
    return await api.ask(route.method, path, key=key, raw=b"{broken")


async def test_401_before_anything_else_on_every_path_that_needs_a_key(api: Api):
    for route in ROUTES:
        if route.who is not Who.ANYONE:
            for key in (None, "sb_secret_unknown", "\udcff"):
                answer = await ask(api, route, key)
                assert (answer.status, answer.body["code"]) == (401, "unauthorized"), route.path
                assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_must_come_as_a_bearer(api: Api):
    for header in (api.key, f"Basic {api.key}", "Bearer", "Bearer  "):
        answer = await api.get("/v1/agents", key=None, headers={"Authorization": header})
        assert answer.status == 401, header
    assert (await api.get("/v1/agents", key=None, headers={"Authorization": f"bearer {api.key}"})).status == 200


async def test_a_publishable_key_is_refused_everywhere_but_on_its_two_paths_before_the_body_is_read(
    api: Api,
    publishable: Make,
):
    key = await publishable(allowed_channels=["web", "phone"])
    allowed = set()
    for route in ROUTES:
        if route.who is Who.ANYONE:
            continue
        answer = await ask(api, route, key)
        if answer.status == 403:
            assert answer.body["code"] == "forbidden"
        else:
            allowed.add((route.method, route.path, answer.status))
    assert allowed == {("POST", "/v1/calls", 415), ("POST", "/v1/realtime/token", 415)}


async def test_a_revoked_key_stops_at_once(api: Api, publishable: Make):
    created = (await api.post("/v1/auth/api-keys", {"label": "old"})).body
    public = await publishable()
    assert (await api.get("/v1/agents", key=created["key"])).status == 200
    await api.delete(f"/v1/auth/api-keys/{created['id']}")
    [row] = (await api.get("/v1/keys/publishable")).body["keys"]
    await api.delete(f"/v1/keys/publishable/{row['id']}")
    assert (await api.get("/v1/agents", key=created["key"])).status == 401
    assert (await api.post("/v1/calls", {}, key=public)).status == 401


async def test_a_publishable_key_calls_over_the_channels_it_permits(
    api: Api,
    agent: str,
    publishable: Make,
    number: Make,
):
    await number()
    web, mobile = await publishable(), await publishable(allowed_channels=["phone"])
    both = await publishable(allowed_channels=["web", "phone"])
    statuses = {}
    for name, key in (("web", web), ("phone", mobile), ("both", both)):
        for people in ([browser()], [phone()], [browser(), phone()]):
            answer = await api.post("/v1/calls", {"agent_id": agent, "participants": people}, key=key)
            statuses[name, len(people), people[0]["transport"]] = answer.status
    assert statuses == {
        ("web", 1, "webrtc"): 201,
        ("web", 1, "pstn"): 403,
        ("web", 2, "webrtc"): 403,
        ("phone", 1, "webrtc"): 403,
        ("phone", 1, "pstn"): 202,
        ("phone", 2, "webrtc"): 403,
        ("both", 1, "webrtc"): 201,
        ("both", 1, "pstn"): 202,
        ("both", 2, "webrtc"): 403,
    }
    token = {"agent_id": agent}
    assert (await api.post("/v1/realtime/token", token, key=web)).status == 201
    assert (await api.post("/v1/realtime/token", token, key=mobile)).status == 403


async def test_a_publishable_key_calls_one_phone_and_chooses_neither_agent_nor_caller_id(
    api: Api,
    agent: str,
    publishable: Make,
    number: Make,
):
    for text in ("+15559876543", "+15559876544"):
        await number(text)
    other = (await api.post("/v1/agents", {"name": "Other"})).body["id"]
    key = await publishable(allowed_channels=["web", "phone"], default_from_number="+15559876544")

    async def call(**body: object) -> Answer:
        return await api.post("/v1/calls", {"agent_id": agent, **body}, key=key)

    two = await call(participants=[phone(), phone("+15551234568")])
    beside = await call(participants=[phone(), browser()])
    assert [answer.body["code"] for answer in (two, beside)] == ["one_phone_only"] * 2
    chosen = await call(participants=[phone(from_number="+15559876543")])
    foreign = await call(participants=[phone()], agent_id=other)
    token = await api.post("/v1/realtime/token", {"agent_id": other}, key=key)
    assert [answer.status for answer in (two, chosen, foreign, token)] == [403, 403, 403, 403]
    one = await call(participants=[phone()])
    assert one.status == 202
    [leg] = (await api.get(f"/v1/calls/{one.body['id']}")).body["participants"]
    assert leg["from_number"] == "+15559876544"


async def test_pages_of_any_origin_may_use_the_api(api: Api):
    asks = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    for path in ("/v1/calls", "/v1/realtime/token"):
        preflight = await api.ask("OPTIONS", path, key=None, headers=asks)
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        refused = await api.post(path, {}, key=None, headers={"Origin": "https://shop.example"})
        assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, "*")


async def test_another_tenants_call_is_a_404_as_if_it_did_not_exist(api: Api, agent: str, tenant: MakeTenant):
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    other = (await tenant()).key
    bodies = {"/participants": {"participants": [browser("tab-2")]}, "/end": {}, "/reprocess": {}}
    for part in ("", "/summary", "/transcript", "/recording", "/events", "/stream", *bodies):
        answers = []
        for call_id in (call, str(uuid4())):
            method = "POST" if part in bodies else "GET"
            body = [bodies[part]] if part in bodies else []
            answers.append(await api.ask(method, f"/v1/calls/{call_id}{part}", *body, key=other))
        assert [answer.status for answer in answers] == [404, 404], part
        assert answers[0].body == answers[1].body
    assert (await api.get("/v1/calls", key=other)).body == {
        "calls": [],
        "total": 0,
        "limit": 200,
        "offset": 0,
        "next_cursor": None,
    }
    assert (await api.get(f"/v1/calls?cursor={call}", key=other)).status == 400
    assert (await api.get(f"/v1/calls/{call}")).body["status"] == "connecting"

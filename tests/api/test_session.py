"""A browser signs in once: the cookie, what it may do, and when it ends."""

import asyncio
from datetime import datetime
from http.cookies import Morsel, SimpleCookie
from typing import Any

import sqlalchemy as sa
from yarl import URL

from api.credentials import COOKIE, HEADER, SECURE_COOKIE
from calls.database.pruning import prune
from calls.tables import sessions
from calls.tenants.sessions import LASTS
from tests.api.conftest import Answer, Api, MakeTenant, browser, run_api, stored_bytes
from tests.conftest import MakeSettings

OURS = {HEADER: "1"}


async def sign_in(api: Api, key: str | None = None, headers: dict[str, str] | None = None) -> Answer:
    return await api.post("/v1/session", {"key": key or api.key}, key=None, headers=OURS | (headers or {}))


def cookie(answer: Answer) -> Morsel[str]:
    [kept] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return kept


def signed_in(*answers: Answer) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{kept.key}={kept.value}" for kept in map(cookie, answers))}


async def test_a_key_becomes_a_cookie_that_no_script_and_no_other_site_gets(database_url: str, api: Api):
    answer = await sign_in(api)
    assert answer.status == 201
    kept = cookie(answer)
    assert kept.key == f"{COOKIE}_{URL(api.url).port}"
    assert (kept["httponly"], kept["samesite"], kept["path"], kept["secure"]) == (True, "Strict", "/", "")
    assert int(kept["max-age"]) == LASTS.total_seconds()
    assert (answer.body["tenant"]["name"], answer.body["rights"]) == ("default", ["*"])
    mine = signed_in(answer)
    assert (await api.get("/v1/session", key=None, headers=mine)).body == answer.body
    assert (await api.get("/v1/agents", key=None, headers=mine)).status == 200
    assert (await api.get("/v1/agents", key=None, headers=mine | {"Authorization": "Basic cHJveHk6"})).status == 200
    assert (await api.get("/v1/session")).body == answer.body | {"expires_at": None}
    if api.database.is_sqlite:
        assert kept.value.encode() not in await stored_bytes(api)


async def test_behind_tls_the_cookie_goes_nowhere_else(settings: MakeSettings, working: dict[str, str]):
    async for api in run_api(settings(public_url="https://calls.example.com", **working)):
        kept = SimpleCookie((await sign_in(api)).headers["Set-Cookie"])[SECURE_COOKIE]
        assert SECURE_COOKIE.startswith("__Host-")
        assert (kept["secure"], kept["path"], kept["domain"]) == (True, "/", "")
        # A neighbour under the same domain could have set the one without the prefix.
        names = {SECURE_COOKIE: 200, COOKIE: 401}
        for name, status in names.items():
            mine = {"Cookie": f"{name}={kept.value}"}
            assert (await api.get("/v1/session", key=None, headers=mine)).status == status
        mine = {"Cookie": f"{SECURE_COOKIE}={kept.value}"}
        gone = (await api.delete("/v1/session", key=None, headers=mine | OURS)).headers["Set-Cookie"]
        assert (SimpleCookie(gone)[SECURE_COOKIE].value, SimpleCookie(gone)[SECURE_COOKIE]["secure"]) == ("", True)


async def test_who_signs_out_at_one_port_of_a_host_stays_signed_in_at_another(api: Api):
    here, there = {"Host": "calls.example:8080"}, {"Host": "calls.example:8090"}
    both = signed_in(
        await sign_in(api, headers=here), await sign_in(api, headers=there)
    )  # a browser sends all of a host
    assert (await api.delete("/v1/session", key=None, headers=both | here | OURS)).status == 204
    statuses = [(await api.get("/v1/session", key=None, headers=both | host)).status for host in (here, there)]
    assert statuses == [401, 200]


async def test_what_changes_something_needs_a_header_that_only_our_page_can_send(api: Api):
    mine = signed_in(await sign_in(api))
    for method, path, body in (("POST", "/v1/agents", {"name": "Aria"}), ("DELETE", "/v1/session", {})):
        answer = await api.ask(method, path, body, key=None, headers=mine)
        assert (answer.status, answer.body["code"]) == (403, "header_required")
    assert (await api.post("/v1/session", {"key": api.key}, key=None)).status == 403
    assert (await api.post("/v1/agents", {"name": "Aria"}, key=None, headers=mine | OURS)).status == 201
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    preflight = await api.ask("OPTIONS", "/v1/agents", key=None, headers=asked)
    assert HEADER.lower() not in preflight.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in preflight.headers


async def test_who_has_no_secret_key_is_not_signed_in(api: Api, publishable: Any):
    assert (await sign_in(api, "sb_secret_nobody")).status == 401
    assert (await sign_in(api, await publishable())).status == 403
    kept = cookie(await sign_in(api))
    assert (await api.get("/v1/session", key=None, headers={"Cookie": f"{kept.key}={api.key}"})).status == 401
    token = kept.value
    assert (await api.get("/v1/session", key=token)).status == 401


async def test_signing_out_ends_the_session_and_no_other(database_url: str, api: Api, tenant: MakeTenant):
    first, second = [signed_in(await sign_in(api)) for _ in range(2)]
    other = signed_in(await sign_in(api, (await tenant()).key))
    gone = await api.delete("/v1/session", key=None, headers=first | OURS)
    assert (gone.status, cookie(gone).value) == (204, "")
    statuses = [(await api.get("/v1/session", key=None, headers=one)).status for one in (first, second, other)]
    assert statuses == [401, 200, 200]
    assert (await api.delete("/v1/session")).status == 404


async def test_a_session_ends_with_its_key_and_by_itself(database_url: str, api: Api):
    made = (await api.post("/v1/auth/api-keys", {"label": "console"})).body
    of_key, old = signed_in(await sign_in(api, made["key"])), signed_in(await sign_in(api))
    assert (await api.delete(f"/v1/auth/api-keys/{made['id']}")).status == 204
    assert (await api.get("/v1/session", key=None, headers=of_key)).status == 401
    assert (await api.get("/v1/session", key=None, headers=old)).status == 200
    async with api.database.writing() as conn:
        await conn.execute(sa.update(sessions).values(expires_at=sessions.c.created_at))
    assert (await api.get("/v1/session", key=None, headers=old)).status == 401
    await prune(api.database)
    async with api.database.reading() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(sessions)) == 0


async def test_a_session_that_is_asked_for_in_its_second_half_lasts_anew(database_url: str, api: Api):
    first, _second = [signed_in(await sign_in(api)) for _ in range(2)]
    fresh = await api.get("/v1/session", key=None, headers=first)
    assert "Set-Cookie" not in fresh.headers
    async with api.database.writing() as conn:
        ends = await conn.scalar(sa.select(sa.func.max(sessions.c.expires_at)))
        await conn.execute(sa.update(sessions).values(expires_at=ends - LASTS * 0.6))
    prolonged = await api.get("/v1/session", key=None, headers=first)
    assert datetime.fromisoformat(prolonged.body["expires_at"]) >= ends
    assert signed_in(prolonged) == first
    assert int(cookie(prolonged)["max-age"]) == LASTS.total_seconds()
    again = await api.get("/v1/session", key=None, headers=first)
    assert (again.body, "Set-Cookie" in again.headers) == (prolonged.body, False)
    async with api.database.reading() as conn:
        kept = (await conn.scalars(sa.select(sessions.c.expires_at).order_by(sessions.c.expires_at))).all()
    assert kept == [ends - LASTS * 0.6, datetime.fromisoformat(prolonged.body["expires_at"])]


async def test_a_stream_ends_with_the_session_that_it_was_opened_with(api: Api, agent: str):
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    mine = signed_in(await sign_in(api))
    async with api.session.get(f"{api.url}/v1/calls/{call}/stream", headers=mine) as stream:
        assert stream.status == 200
        await stream.content.readuntil(b"call.created")
        await api.delete("/v1/session", key=None, headers=mine | OURS)
        assert (await api.post(f"/v1/calls/{call}/end", {})).status == 200
        async with asyncio.timeout(60):
            rest = await stream.content.read()
    assert b"call.completed" not in rest

"""The token that a page has for its call: it hears what is said there and ends it, and may do nothing else."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from api.app import ROUTES
from api.routing import Route, Who
from calls.events import EventKind
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import calls
from calls.tenants.passes import OUTLIVES_CALL
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.api.conftest import Api, MakeTenant, browser

UNKNOWN = "00000000-0000-4000-8000-000000000000"
WORDS_S = 60


@dataclass(frozen=True)
class Page:
    """A page whose key has started a call."""

    key: str
    call_id: str
    token: str

    @property
    def path(self) -> str:
        return f"/v1/calls/{self.call_id}"


@pytest.fixture
async def page(api: Api, agent: str, publishable: Any) -> Page:
    await api.put(f"/v1/agents/{agent}", {"post_call": {"summary": {"enabled": True}}})
    key = await publishable()
    body = {"agent_id": agent, "participants": [browser("ada")]}
    call = (await api.post("/v1/calls", body, key=key)).body
    return Page(key, call["id"], call["call_token"])


@asynccontextmanager
async def follow(api: Api, page: Page) -> AsyncIterator[aiohttp.ClientResponse]:
    headers = {"Authorization": f"Bearer {page.token}", "Origin": "https://shop.example"}
    async with api.session.get(f"{api.url}{page.path}/stream", headers=headers) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, "*")
        yield response


async def messages(response: aiohttp.ClientResponse) -> list[tuple[str, Any]]:
    """All of a stream, to its end."""
    async with asyncio.timeout(WORDS_S):
        text = (await response.read()).decode()
    return [(kind, json.loads(data)) for kind, data in re.findall(r"event: (\w+)\ndata: (.*)\n", text)]


async def test_its_stream_is_what_those_in_the_call_may_know_and_ends_with_the_talk(api: Api, page: Page):
    async with api.database.writing() as conn:
        store, number = CallStore(conn), "+15551234567"
        lease = await leases.take(conn, page.call_id, "worker", "agent-1")
        assert lease is not None
        await store.agent_joined(page.call_id, lease)
        await store.participant_joined(page.call_id, "ada")
        await store.start(page.call_id)
        about = {"provider": "llm", "name": "acme", "error": "status 500"}
        await store.add_event(page.call_id, EventKind.PROVIDER_FAILED, "lifecycle", "acme does not answer", data=about)
        await store.add_event(page.call_id, EventKind.TOOL_CALLED, "lifecycle", "A tool", data={"name": "look_up"})
        said = Segment(0, "user", "Hello?", 0, 900, is_final=True, participant_identity="ada")
        by_phone = Segment(1, "user", "Me too.", 900, 1200, is_final=True, participant_identity=number)
        assert await write_segments(conn, page.call_id, lease, [said, by_phone])
    async with follow(api, page) as response:
        assert (await api.post(f"{page.path}/end", {}, key=page.token)).body["id"] == page.call_id
        async with api.database.writing() as conn:
            assert await leases.release(conn, page.call_id, lease)
        got = await messages(response)
    assert (await api.get(page.path)).body["intelligence_status"] == "pending"
    kinds = [data["kind"] for kind, data in got if kind == "event"]
    assert kinds == ["agent.joined", "call.started", "call.completed"]
    assert [data["data"] for kind, data in got if kind == "event"][-1] == {"reason": "ended_by_api"}
    heard = [(data["text"], data["participant_identity"]) for kind, data in got if kind == "segment"]
    assert heard == [("Hello?", "ada"), ("Me too.", None)]
    assert (got[-1][0], got[-1][1]["end_reason"]) == ("end", "ended_by_api")
    assert not any(word in str(got) for word in ("acme", "look_up", number))


async def test_no_other_call_and_nothing_else_of_its_own_is_open_to_it(
    api: Api, agent: str, page: Page, tenant: MakeTenant
):
    other = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    foreign_key = (await tenant()).key
    foreign_agent = (await api.post("/v1/agents", {"name": "Ben"}, key=foreign_key)).body["id"]
    body = {"agent_id": foreign_agent, "participants": [browser()]}
    foreign = (await api.post("/v1/calls", body, key=foreign_key)).body["id"]
    for call_id in (other, foreign, UNKNOWN):
        assert (await api.get(f"/v1/calls/{call_id}/stream", key=page.token)).status == 403
        assert (await api.post(f"/v1/calls/{call_id}/end", {}, key=page.token)).status == 403

    async def ask(route: Route) -> int:
        path = re.sub(r"{id}", page.call_id, route.path)
        raw = b"no JSON" if route.body else None
        return (await api.ask(route.method, re.sub(r"{\w+}", UNKNOWN, path), raw=raw, key=page.token)).status

    closed = [route for route in ROUTES if route.who in {Who.SECRET, Who.PUBLISHABLE}]
    assert len(closed) > 40
    assert {f"{one.method} {one.path}" for one in closed if await ask(one) != 403} == set()
    assert (await api.get(f"{page.path}/stream", key=page.key)).status == 403  # the page's own key is none for it
    assert (await api.get(page.path)).body["status"] == "connecting"


async def test_a_token_that_was_tampered_with_is_none(api: Api, agent: str, page: Page):
    other = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body
    lead = len("sb_call_")
    mixed = other["call_token"][: lead + 20] + page.token[lead + 20 :]
    shorter, nothing, no_ascii = page.token[:-4], "sb_call_", "sb_call_ü"
    for token in (mixed, shorter, nothing, no_ascii, page.token.removeprefix("sb_call_")):
        assert (await api.post(f"{page.path}/end", {}, key=token)).status == 401
    code = other["participants"][0]["join_url"].rpartition("/")[2]  # made with the same secret, and for something else
    assert (await api.post(f"/v1/calls/{other['id']}/end", {}, key=f"sb_call_{code}")).status == 401


async def test_it_goes_with_the_key_also_from_a_stream_that_runs(api: Api, page: Page):
    async with follow(api, page) as response:
        [kept] = (await api.get("/v1/keys/publishable")).body["keys"]
        assert (await api.delete(f"/v1/keys/publishable/{kept['id']}")).status == 204
        async with api.database.writing() as conn:
            await CallStore(conn).add_event(page.call_id, EventKind.AGENT_RETURNED, "livekit", "Agent returned")
        assert await messages(response) == []
    assert (await api.post(f"{page.path}/end", {}, key=page.token)).status == 401


async def test_it_outlives_its_call_by_no_more_than_a_moment(api: Api, page: Page):
    async with api.database.writing() as conn:
        await CallStore(conn).finish(page.call_id, EndReason.CALLER_HUNG_UP)
    assert (await api.post(f"{page.path}/end", {}, key=page.token)).body["code"] == "call_over"
    async with follow(api, page) as response:
        assert (await messages(response))[-1][0] == "end"
    async with api.database.writing() as conn:
        ended_at = await conn.scalar(sa.select(calls.c.ended_at))
        assert ended_at is not None
        await conn.execute(sa.update(calls).values(ended_at=ended_at - OUTLIVES_CALL - timedelta(seconds=1)))
    for answer in (
        await api.get(f"{page.path}/stream", key=page.token),
        await api.post(f"{page.path}/end", {}, key=page.token),
    ):
        assert answer.status == 401


async def test_the_one_step_token_has_one_too_and_no_log_has_any(
    api: Api, agent: str, publishable: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    one = (await api.post("/v1/realtime/token", {"agent_id": agent}, key=await publishable())).body
    path = f"/v1/calls/{one['call_id']}"
    assert (await api.get(path, key=one["call_token"])).status == 403
    assert (await api.post(f"{path}/end", {}, key=one["call_token"])).status == 200
    assert "request" in caplog.text
    assert one["call_token"] not in caplog.text

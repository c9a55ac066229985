"""`Idempotency-Key`: one request, one call, one answer, however often and however roughly it is sent."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import sqlalchemy as sa

from api.app import ROUTES
from calls.agents import create_agent
from calls.database.engine import DEFAULT_TENANT, Database
from calls.rooms import Rooms
from calls.settings import Settings
from calls.tables import calls, idempotency_keys
from calls.tenants.idempotency import KEPT
from calls.tenants.keys import create_secret_key
from tests.api.conftest import Api, browser, phone, run_api
from tests.conftest import MakeSettings, Until, now
from tests.servers import process

pytestmark = pytest.mark.restless

Make = Callable[..., Awaitable[str]]


def once(key: str = "order-1") -> dict[str, str]:
    return {"Idempotency-Key": key}


async def test_the_same_key_and_body_give_the_same_answer_and_one_call(database_url: str, api: Api, agent: str):
    first = {"agent_id": agent, "participants": [browser()], "metadata": {"a": 1, "b": 2}}
    again = {"metadata": {"b": 2, "a": 1}, "participants": [browser()], "agent_id": agent.upper()}
    answers = [await api.post("/v1/calls", body, headers=once()) for body in (first, again)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert (await api.get("/v1/calls")).body["total"] == 1


async def test_twenty_at_once_make_one_call(database_url: str, api: Api, agent: str):
    body = {"agent_id": agent, "participants": [browser()]}
    answers = await asyncio.gather(*(api.post("/v1/calls", body, headers=once()) for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert all(answer.body == answers[0].body for answer in answers)
    assert (await api.get("/v1/calls")).body["total"] == 1


async def test_another_body_is_a_422(api: Api, agent: str):
    body = {"agent_id": agent, "participants": [browser()]}
    await api.post("/v1/calls", body, headers=once())
    other = await api.post("/v1/calls", {**body, "metadata": {"x": 1}}, headers=once())
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert (await api.post("/v1/calls", {**body, "metadata": {"x": 1}}, headers=once("order-2"))).status == 201


async def test_every_endpoint_that_starts_calls_takes_a_key(api: Api, agent: str, number: Make):
    await number()
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    asked: dict[str, dict[str, Any]] = {
        "/v1/calls/batch": {"agent_id": agent, "to": ["+15551234567", "nobody"]},
        "/v1/calls/fanout": {"agent_id": agent, "to": ["+15551234567", "+15551234568"]},
        f"/v1/calls/{call}/participants": {"participants": [browser("tab-2"), phone()]},
    }
    for path, body in asked.items():
        answers = [await api.post(path, body, headers=once()) for _ in range(2)]
        assert [answer.status for answer in answers] == [202, 202]
        assert answers[0].body == answers[1].body
        other = {**body, "variables": {"x": 1}} if "to" in body else {"participants": [browser("tab-3")]}
        assert (await api.post(path, other, headers=once())).status == 422
    assert (await api.get("/v1/calls")).body["total"] == 3


async def test_whatever_else_is_made_is_made_once_too(api: Api, agent: str, number: Make):
    own = await number()
    phones = {"agent_id": agent, "to": ["+15551234567"], "batch_id": "tuesday"}
    assert (await api.post("/v1/calls/batch", phones)).status == 202
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    hook = await api.post("/v1/webhooks", {"url": "https://8.8.8.8/", "events": ["call.failed"]})
    asked: dict[str, tuple[int, dict[str, Any]]] = {
        "/v1/agents": (201, {"name": "Aria"}),
        f"/v1/agents/{agent}/clone": (201, {}),
        "/v1/calls/batch/tuesday/cancel": (200, {}),
        f"/v1/calls/{call}/end": (200, {}),
        f"/v1/calls/{call}/reprocess": (202, {}),
        "/v1/numbers": (201, {"number": "+15550000001"}),
        f"/v1/numbers/{own}/attach": (200, {"agent_id": agent}),
        "/v1/dnc": (201, {"phone_number": "+15550000002"}),
        "/v1/dnc/batch": (200, {"phone_numbers": ["+15550000003"]}),
        f"/v1/webhooks/{hook.body['id']}/test": (202, {}),
    }
    for path, (status, body) in asked.items():
        answers = [await api.post(path, body, headers=once()) for _ in range(2)]
        assert [answer.status for answer in answers] == [status, status], path
        assert answers[0].body == answers[1].body, path
    assert (await api.get("/v1/agents")).body["total"] == 3
    assert (await api.get(f"/v1/webhooks/{hook.body['id']}/deliveries")).body["total"] == 1
    tried = {route.path for route in ROUTES if route.idempotent}
    elsewhere = {
        "/v1/calls",
        "/v1/calls/batch",
        "/v1/calls/fanout",
        "/v1/calls/{id}/participants",
        "/v1/realtime/token",
    }
    assert len(tried - elsewhere) == len(asked)


async def test_a_post_whose_answer_is_not_kept_refuses_the_key(api: Api):
    refusing = [route for route in ROUTES if route.method == "POST" and not route.idempotent]
    assert refusing
    for route in refusing:
        answer = await api.post(re.sub("{[^}]*}", str(uuid4()), route.path), {}, headers=once())
        assert (answer.status, answer.body["details"][0]["path"]) == (400, "Idempotency-Key"), route.path


async def test_a_refused_request_leaves_its_key_free(api: Api, agent: str, number: Make):
    body = {"agent_id": agent, "participants": [phone()]}
    assert (await api.post("/v1/calls", body, headers=once())).status == 400
    await number()
    assert (await api.post("/v1/calls", body, headers=once())).status == 202


async def test_a_key_is_forgotten_after_a_day(api: Api, agent: str):
    body = {"agent_id": agent, "participants": [browser()]}
    first = await api.post("/v1/calls", body, headers=once())
    yesterday = now() - KEPT - timedelta(seconds=1)
    async with api.database.writing() as conn:
        await conn.execute(sa.update(idempotency_keys).values(created_at=yesterday))
    second = await api.post("/v1/calls", body, headers=once())
    assert second.status == 201
    assert second.body["id"] != first.body["id"]


async def test_a_browsers_key_does_not_reach_the_answer_given_to_another(api: Api, agent: str, publishable: Make):
    body = {"agent_id": agent, "participants": [browser()]}
    mine = await api.post("/v1/calls", body, headers=once())
    public = await api.post("/v1/calls", body, headers=once(), key=await publishable())
    assert public.status == 201
    assert public.body["id"] != mine.body["id"]


async def test_a_key_that_is_no_key_is_a_400(api: Api, agent: str):
    body = {"agent_id": agent, "participants": [browser()]}
    for key in ("", "x" * 256, "schlüssel"):
        answer = await api.post("/v1/calls", body, headers=once(key))
        assert (answer.status, answer.body["details"][0]["path"]) == (400, "Idempotency-Key")


@dataclass(frozen=True)
class Killed:
    """An api was killed after it had written a call, and before the call had its room and the client an answer."""

    database: Database
    client: aiohttp.ClientSession
    body: dict[str, Any]

    async def calls(self) -> list[sa.Row[Any]]:
        async with self.database.reading() as conn:
            return list((await conn.execute(sa.select(calls).order_by(calls.c.created_at))).all())

    async def ask_again(self, to: Settings) -> tuple[int, Any]:
        return await _post(self.client, to, self.body)


@pytest.fixture
async def killed(settings: MakeSettings, until: Until, tmp_path: Path) -> AsyncIterator[Killed]:
    database = Database(settings().database)
    async with database.writing() as conn:
        _, key = await create_secret_key(conn, DEFAULT_TENANT, "tests")
        agent = await create_agent(conn, DEFAULT_TENANT, "Aria", {})
    headers = {"Authorization": f"Bearer {key}", **once()}
    # One that takes connections and says nothing is LiveKit to it.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        first = settings(livekit_url=f"ws://127.0.0.1:{silent.getsockname()[1]}")
        program = process("api", first, tmp_path / "first.log")
        program.ready_url = f"http://127.0.0.1:{first.api_port}/healthz"
        async with aiohttp.ClientSession(headers=headers) as client, program:
            killed = Killed(database, client, {"agent_id": agent.id, "participants": [browser()]})
            asked = asyncio.create_task(killed.ask_again(first))
            await until(killed.calls)
            program.kill_group()
            assert isinstance((await asyncio.gather(asked, return_exceptions=True))[0], aiohttp.ClientError)
            yield killed
    await database.close()


async def test_a_process_killed_before_its_reply_leaves_one_call_its_answer_and_its_room(
    settings: MakeSettings, killed: Killed
):
    async for second in run_api(settings()):
        status, told = await killed.ask_again(second.settings)
    assert (status, [told["id"]]) == (201, [call.id for call in await killed.calls()])
    async with Rooms.connect(settings()) as rooms:
        assert len(await rooms.list_rooms([told["room_name"]])) == 1


async def test_whoever_asks_again_only_when_the_call_without_a_room_was_given_up_gets_another_call(
    settings: MakeSettings, until: Until, tmp_path: Path, killed: Killed
):
    async def is_over() -> bool:
        return [call.status for call in await killed.calls()] == ["failed"]

    async with process("pipeline", settings(lease_s=1), tmp_path / "pipeline.log"):
        await until(is_over)
    async for second in run_api(settings()):
        answers = await asyncio.gather(*(killed.ask_again(second.settings) for _ in range(3)))
    [given_up, made] = await killed.calls()
    assert (given_up.end_reason, made.status) == ("no_room", "connecting")
    assert [(status, told["id"]) for status, told in answers] == [(201, made.id)] * 3
    async with Rooms.connect(settings()) as rooms:
        assert len(await rooms.list_rooms([made.room_name])) == 1


async def _post(client: aiohttp.ClientSession, to: Settings, body: dict[str, Any]) -> tuple[int, Any]:
    async with client.post(f"http://127.0.0.1:{to.api_port}/v1/calls", json=body) as answer:
        return answer.status, await answer.json()


async def test_the_answer_that_is_kept_forgets_the_people_of_an_erased_call(database_url: str, api: Api, agent: str):
    body = {"agent_id": agent, "participants": [browser("marzipan")]}
    made = await api.post("/v1/calls", body, headers=once())
    added = {"participants": [browser("nougat")]}
    path = f"/v1/calls/{made.body['id']}"
    await api.post(f"{path}/participants", added, headers=once())
    assert (await api.post(f"{path}/end", {})).status == 200
    assert (await api.delete(path)).status == 204
    for given, sent in (("/v1/calls", body), (f"{path}/participants", added)):
        again = await api.post(given, sent, headers=once())
        assert again.status in {201, 202}
        assert "erased" in str(again.body)
        assert not [word for word in ("marzipan", "nougat", "eyJ") if word in str(again.body)]  # "eyJ" begins a token

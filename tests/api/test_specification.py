"""The specification from top to bottom: its own examples, sent as they stand there, get answers of the shapes shown.

The API and the pipeline are real, the language model is scripted, and the test does what a worker does.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from rymi.resources.webhooks import WebhooksResource

from calls.states import EndReason
from calls.store import CallStore
from calls.transcript import Segment, write_segments
from calls.workers import leases
from pipeline.deps import Deps, open_deps
from tests.api.conftest import Api, run_api
from tests.api.examples import (
    CREATED_PSTN,
    CREATED_WEBRTC,
    DETAIL,
    ENDED,
    EVENTS,
    LISTED,
    POST_CALL,
    PSTN,
    QUEUE_STATS,
    RECORDING,
    REPROCESSING,
    TRANSCRIPT,
    WEBRTC,
)
from tests.conftest import MakeSettings, Until
from tests.pipeline.finished import GOOD, bring, working
from tests.pipeline.sound import tone, write_ogg
from tests.providers import Chat, Providers


def like(example: Any, actual: Any, where: str = "answer") -> None:
    """Assert that `actual` has all that the example shows, in the same types."""
    if isinstance(example, dict):
        assert isinstance(actual, dict), where
        for name, value in example.items():
            assert name in actual, f"{where}.{name} is missing"
            like(value, actual[name], f"{where}.{name}")
    elif isinstance(example, list):
        assert isinstance(actual, list), where
        assert bool(actual) >= bool(example), f"{where} is empty"
        for index, value in enumerate(actual if example else []):
            like(example[0], value, f"{where}[{index}]")
    elif isinstance(example, bool) or isinstance(actual, bool):
        assert type(actual) is type(example), where
    elif isinstance(example, int | float):
        assert isinstance(actual, int | float), where
    elif example is not None:
        assert isinstance(actual, str), where
        if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+Z", example):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+(\.\d+)?Z", actual), where


FOUND: dict[str, Any] = GOOD


@dataclass(frozen=True)
class Stack:
    api: Api
    deps: Deps

    async def talk(self, call_id: str) -> None:
        """A worker's part: two sentences and a recording of two seconds, then the caller hangs up."""
        write_ogg(self.deps.settings.recordings_dir / f"{call_id}.1.0.ogg", tone(400, 2))
        await bring(self.deps.settings)
        async with self.deps.db.writing() as conn:
            store = CallStore(conn)
            token = await leases.take(conn, call_id, "worker", "agent-1")
            assert token is not None
            await store.agent_joined(call_id, token)
            await store.participant_joined(call_id, "browser-tab-1")
            await store.start(call_id)
            hello = Segment(0, "user", "Hello", 0, 900, is_final=True)
            hi = Segment(1, "agent", "Hi there, how can I help?", 1000, 2500, is_final=True)
            await write_segments(conn, call_id, token, [hello, hi])
            await store.finish(call_id, EndReason.CALLER_HUNG_UP)
            await leases.release(conn, call_id, token)


@pytest.fixture
async def stack(settings: MakeSettings) -> AsyncIterator[Stack]:
    def answer(chat: Chat) -> Any:
        return GOOD[str(chat.body["response_format"]["json_schema"]["name"])]

    async with Providers() as model:
        model.answer_with(answer)
        configured = settings(llm_url=model.url, webhook_private_addresses=True)
        async for api in run_api(configured):
            async with open_deps(configured) as deps, working(deps):
                yield Stack(api, deps)


@pytest.fixture
async def aria(stack: Stack) -> str:
    """The id of the agent of the examples."""
    return str((await stack.api.post("/v1/agents", {"name": "Aria"})).body["id"])


async def test_create_a_webrtc_call(stack: Stack, aria: str):
    created = await stack.api.post("/v1/calls", {"agent_id": aria, **WEBRTC})
    assert created.status == 201
    like(CREATED_WEBRTC, created.body)
    assert created.body["room_name"] == f"call_{created.body['id']}"
    assert (created.body["status"], created.body["participants"][0]["status"]) == ("connecting", "joining")
    assert created.body["agent"] == {"id": aria, "name": "Aria"}
    path = f"/v1/calls/{created.body['id']}"
    added = await stack.api.post(
        f"{path}/participants",
        {"participants": [{"transport": "webrtc", "identity": "browser-tab-2"}]},
    )
    assert added.status == 201
    like({"participants": CREATED_WEBRTC["participants"]}, added.body)
    ended = await stack.api.post(f"{path}/end")
    assert (ended.status, ended.body) == (200, ENDED | {"id": created.body["id"]})


async def test_create_a_pstn_call_which_fails_without_a_trunk(stack: Stack, aria: str, until: Until):
    api = stack.api
    await api.post("/v1/numbers", {"number": "+15559876543"})
    created = await api.post("/v1/calls", {"agent_id": aria, **PSTN})
    assert created.status == 202
    like(CREATED_PSTN, created.body)
    path = f"/v1/calls/{created.body['id']}"

    async def failed() -> Any:
        detail = (await api.get(path)).body
        return detail if detail["status"] == "failed" else None

    detail = await until(failed)
    assert detail["end_reason"] == "telephony_unavailable"
    (leg,) = detail["participants"]
    assert (leg["status"], leg["end_reason"], leg["from_number"]) == ("failed", "telephony_unavailable", "+15559876543")
    assert (detail["metadata"], detail["variables"]) == (PSTN["metadata"], PSTN["variables"])
    assert (await api.post(f"{path}/reprocess")).status == 400
    assert (await api.post(f"{path}/end")).status == 409
    counted = (await api.get("/v1/calls/queue/stats")).body
    like(QUEUE_STATS, counted)
    assert sum(counted.values()) == 1


async def test_a_call_that_is_over_has_every_result(stack: Stack, aria: str, until: Until):
    api = stack.api
    created = await api.post("/v1/calls", {"agent_id": aria, **WEBRTC, "post_call": POST_CALL})
    path = f"/v1/calls/{created.body['id']}"
    assert (await api.get(f"{path}/recording")).body["recording"]["status"] == "pending"
    await stack.talk(created.body["id"])
    headers = {"Authorization": f"Bearer {api.key}"}
    async with api.session.get(f"{api.url}{path}/stream", headers=headers) as stream, asyncio.timeout(60):
        told = await stream.text()  # ends by itself, once all is done
    assert re.findall("^event: (.+)$", told, re.MULTILINE)[-1] == "end"

    detail = (await api.get(path)).body
    like(DETAIL, detail)
    assert detail["post_call"] == POST_CALL
    assert detail["transcript"]["text"] == "Caller: Hello\nAgent: Hi there, how can I help?"
    parts = detail["intelligence"].pop("parts")
    assert {name: part["status"] for name, part in parts.items()} == dict.fromkeys(FOUND, "completed")
    intelligence = {**FOUND["summary"], "structured_data": FOUND["extraction"], "evaluation": FOUND["evaluation"]}
    assert detail["intelligence"] == {"status": "completed", **intelligence, "errors": []}
    listed = (await api.get("/v1/calls?limit=50&status=completed")).body
    like(LISTED, listed)
    assert (await api.get("/v1/calls/active")).body["calls"] == []
    summary = (await api.get(f"{path}/summary")).body
    assert summary == {"status": "completed", **FOUND["summary"]}
    like(TRANSCRIPT, (await api.get(f"{path}/transcript")).body)
    recording = (await api.get(f"{path}/recording")).body
    like({"call_id": "call_abc123", "recording": RECORDING}, recording)
    signed_url = recording["recording"]["metadata"]["stereo_mix"]["signed_url"]
    async with api.session.get(signed_url) as download:
        assert (await download.read()).startswith(b"RIFF")
    events = (await api.get(f"{path}/events?limit=20")).body
    like(EVENTS, events)
    assert {event["source"] for event in events["events"]} <= {"lifecycle", "post_call", "telephony", "livekit"}
    assert {event["level"] for event in events["events"]} <= {"info", "warning", "error"}
    assert "Post-call analysis completed." in [event["message"] for event in events["events"]]

    again = await api.post(f"{path}/reprocess")
    assert again.status == 202
    like(REPROCESSING, again.body)
    assert again.body["message"] == REPROCESSING["message"]

    async def done_again() -> bool:
        messages = [event["message"] for event in (await api.get(f"{path}/events?limit=200")).body["events"]]
        return messages.count("Post-call analysis completed.") == 2

    await until(done_again)


async def test_the_users_server_is_told_in_order_and_the_official_client_trusts_the_signature(
    stack: Stack,
    aria: str,
    until: Until,
):
    received: list[dict[str, Any]] = []

    async def receive(request: web.Request) -> web.Response:
        body = await request.text()
        WebhooksResource.verify_signature(
            body,
            request.headers["X-Callroom-Signature"],
            request.headers["X-Callroom-Timestamp"],
            "a secret",
        )
        received.append(json.loads(body))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    events = ["call.started", "call.completed", "call.transcript.ready", "call.intelligence.ready"]
    body = {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/", "events": events, "secret": "a secret"}
    assert (await stack.api.post("/v1/webhooks", body)).status == 201
    created = await stack.api.post(
        "/v1/calls", {"agent_id": aria, **WEBRTC, "post_call": {"summary": {"enabled": True}}}
    )
    await stack.talk(created.body["id"])
    await until(lambda: len(received) == len(events))
    await runner.cleanup()
    assert [message["event"] for message in received] == events
    assert {message["data"]["id"] for message in received} == {created.body["id"]}

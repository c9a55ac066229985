"""Following all calls of a tenant at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from yarl import URL

from api import live, live_feed
from api.credentials import COOKIE, Credential, Kind
from api.schema.stream import LiveStreamMessage
from calls.analysis.parts import end_part
from calls.events import EventKind
from calls.placing.creation import NewCall, NewParticipant
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents, sessions
from calls.tenants.sessions import begin_session
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.api.conftest import Api, MakeTenant, browser
from tests.pipeline.finished import finished_call

PATH = "/v1/calls/stream"
NOTHING = [("queue", {"calls": 0}), ("ready", {"calls": 0})]


@dataclass
class Following:
    """One stream: `await messages.until(test)` gives the first message from now on that passes."""

    response: aiohttp.ClientResponse
    seen: list[tuple[str, Any]] = field(default_factory=list)

    async def until(self, wanted: Callable[[str, Any], Any]) -> Any:
        async with asyncio.timeout(60):
            while True:
                kind, data = await self.one()
                if wanted(kind, data):
                    return data

    async def one(self) -> tuple[str, Any]:
        while True:
            block = (await self.response.content.readuntil(b"\n\n")).decode()
            lines = dict(line.split(": ", 1) for line in block.strip().splitlines())
            if "event" in lines:
                self.seen.append((lines["event"], json.loads(lines["data"])))
                LiveStreamMessage.model_validate_json(
                    json.dumps(dict(zip(("event", "data"), self.seen[-1], strict=True)))
                )
                return self.seen[-1]


@asynccontextmanager
async def following(api: Api, include: str = "", key: str | None = None) -> AsyncIterator[Following]:
    """Follow, and be told what there is."""
    query = f"?include={include}" if include else ""
    headers = {"Authorization": f"Bearer {key or api.key}"}
    async with api.session.get(f"{api.url}{PATH}{query}", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        messages = Following(response)
        await messages.until(lambda kind, _data: kind == "ready")
        yield messages


async def create(api: Api, agent: str, name: str = "Ann", **more: Any) -> str:
    answer = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser(name)]}, **more)
    assert answer.status == 201
    return str(answer.body["id"])


async def run(api: Api, call_id: str) -> int:
    """Let a call begin; the token of its agent."""
    async with api.database.writing() as conn:
        token = await leases.take(conn, call_id, "worker-1", "agent-1")
        assert token is not None
        await CallStore(conn).agent_joined(call_id, token)
        await CallStore(conn).participant_joined(call_id, "Ann")
        await CallStore(conn).start(call_id)
    return token


async def say(api: Api, call_id: str, token: int, text: str, sequence: int = 0) -> None:
    async with api.database.writing() as conn:
        await write_segments(conn, call_id, token, [Segment(sequence, "user", text, 0, 900, is_final=True)])


async def end(api: Api, call_id: str, token: int) -> None:
    async with api.database.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
        await leases.release(conn, call_id, token)


async def test_a_stream_begins_with_what_there_is_and_goes_on_with_what_comes(database_url: str, api: Api, agent: str):
    before, over = [await create(api, agent) for _ in range(2)]
    await api.post(f"/v1/calls/{over}/end", {})
    async with following(api) as stream:
        there = [(kind, data.get("id", data.get("calls"))) for kind, data in stream.seen]
        assert there == [("call", before), ("queue", 0), ("ready", 1)]
        private = {"name": "Private", "features": {"transcription_enabled": False}}
        new = await create(api, (await api.post("/v1/agents", private)).body["id"])
        begun = await stream.until(lambda _kind, data: data["id"] == new)
        assert (begun["status"], [one["identity"] for one in begun["participants"]]) == ("connecting", ["Ann"])
        assert (stream.seen[0][1]["is_transcribed"], begun["is_transcribed"]) == (True, False)
        token = await run(api, new)
        talks = await stream.until(lambda _kind, data: data["id"] == new and data["status"] == "in_progress")
        assert [one["status"] for one in talks["participants"]] == ["joined"]
        await say(api, new, token, "Hello")
        await end(api, new, token)
        ended = await stream.until(lambda _kind, data: data["id"] == new and data["status"] == "completed")
        assert ended["end_reason"] == "caller_hung_up"
        assert {kind for kind, _data in stream.seen} == {"call", "queue", "ready"}


async def test_events_and_what_is_said_come_for_who_asks_for_them(database_url: str, api: Api, agent: str):
    first = await create(api, agent)
    token = await run(api, first)
    await say(api, first, token, "Said before")
    async with following(api, "events,segments") as stream:
        await say(api, first, token, "Hello?", 1)
        heard = await stream.until(lambda kind, _data: kind == "segment")
        assert (heard["call_id"], heard["text"]) == (first, "Hello?")
        second = await create(api, agent)
        happened = await stream.until(lambda kind, data: kind == "event" and data["call_id"] == second)
        assert happened["kind"] == "call.created"
        other = await run(api, second)
        await say(api, second, other, "First words")
        await end(api, second, other)
        heard = await stream.until(lambda kind, _data: kind == "segment")
        assert (heard["call_id"], heard["text"]) == (second, "First words")


async def test_who_follows_what_is_said_has_the_last_words_of_running_calls_first(
    database_url: str, api: Api, agent: str, tenant: MakeTenant
):
    runs, over = [await create(api, agent) for _ in range(2)]
    token, other = [await run(api, call_id) for call_id in (runs, over)]
    for number in range(7):
        await say(api, runs, token, f"Word {number}", number)
    await say(api, over, other, "Over")
    await end(api, over, other)
    async with following(api, "segments") as stream:
        said = [(data["call_id"], data["text"]) for kind, data in stream.seen if kind == "segment"]
        assert said == [(runs, f"Word {number}") for number in range(2, 7)]
        assert [kind for kind, _data in stream.seen] == ["call", *["segment"] * 5, "queue", "ready"]
    async with following(api, "segments", (await tenant()).key) as stream:
        assert stream.seen == NOTHING


async def test_a_tenant_follows_its_own_calls_alone(api: Api, agent: str, tenant: MakeTenant):
    other = (await tenant()).key
    theirs = (await api.post("/v1/agents", {"name": "Bea"}, key=other)).body["id"]
    await create(api, agent)
    async with following(api, "events,segments", other) as stream:
        assert stream.seen == NOTHING
        await create(api, agent)
        mine = await create(api, theirs, key=other)
        await stream.until(lambda kind, _data: kind == "event")
        assert {data.get("call_id", data.get("id", mine)) for _kind, data in stream.seen} == {mine}


async def test_calls_that_wait_for_their_turn_are_counted_until_something_happens_in_them(api: Api, agent: str):
    async with api.database.writing() as conn:
        tenant_id = (await conn.execute(sa.select(agents.c.tenant_id).where(agents.c.id == agent))).scalar_one()
        placed = {"id": agent, "name": "Reception"}
        waiting = [
            NewCall(tenant_id, placed, [NewParticipant("pstn", number)]) for number in ("+15551234567", "+15551234568")
        ]
        for call in waiting:
            await CallStore(conn).create(call)
    async with following(api) as stream:
        assert stream.seen == [("queue", {"calls": 2}), ("ready", {"calls": 0})]
        await api.post(f"/v1/calls/{waiting[0].id}/end", {})
        assert await stream.until(lambda kind, _data: kind == "queue") == {"calls": 1}


async def test_a_stream_ends_with_its_key(api: Api, agent: str):
    made = (await api.post("/v1/auth/api-keys", {"label": "console"})).body
    async with following(api, key=made["key"]) as stream:
        await api.delete(f"/v1/auth/api-keys/{made['id']}")
        await create(api, agent)
        async with asyncio.timeout(60):
            assert b"event: call" not in await stream.response.content.read()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # SQLite wakes everybody at each commit
async def test_a_stream_ends_with_its_key_and_its_session_also_while_nothing_happens(
    database_url: str, api: Api, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    made = (await api.post("/v1/auth/api-keys", {"label": "console"})).body
    async with api.database.writing() as conn:
        token, _ = await begin_session(conn, made["id"])
    mine = {"Cookie": f"{COOKIE}_{URL(api.url).port}={token}"}
    session = api.session.get(f"{api.url}{PATH}", headers=mine)
    async with following(api, key=made["key"]) as of_key, session as of_session, asyncio.timeout(60):
        assert of_session.status == 200
        async with api.database.writing() as conn:
            await conn.execute(sa.update(sessions).values(expires_at=sessions.c.created_at))
        await of_session.content.read()
        await of_key.response.content.readuntil(b": still here\n\n")
        await api.delete(f"/v1/auth/api-keys/{made['id']}")
        await of_key.response.content.read()


async def test_a_call_whose_results_are_to_come_again_is_told(api: Api):
    call_id = await finished_call(api.database, {"summary": {"enabled": True}})
    async with following(api) as stream:
        async with api.database.writing() as conn:
            await end_part(conn, call_id, 1, "summary", value={"summary": "Short.", "sentiment": "neutral"})
        await stream.until(lambda _kind, data: data.get("intelligence_status") == "completed")
        assert (await api.post(f"/v1/calls/{call_id}/reprocess")).status == 202
        await stream.until(lambda _kind, data: data.get("intelligence_status") == "pending")


async def test_too_many_streams_of_one_tenant_are_refused(
    api: Api, tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live_feed, "MOST_OF_TENANT", 1)
    other = (await tenant()).key
    async with following(api):
        refused = await api.get(PATH)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "5")
        async with following(api, key=other):
            pass
    assert (await api.get(f"{PATH}?include=everything")).status == 400


def test_a_client_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch):
    follower = live_feed.Follower("default", Credential(Kind.KEY, "a key"), {"events"})
    monkeypatch.setattr(live_feed, "MOST_UNSENT", 3)
    for number in range(10):
        follower.change("one call", b"state %d" % number)
    assert follower.take() == [b"state 9"]
    for _ in range(4):
        follower.tell("events", b"something")
    assert (follower.is_over, follower.take()) == (True, [])


async def test_a_quiet_stream_shows_that_it_lives(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    async with following(api) as stream, asyncio.timeout(60):
        assert await stream.response.content.readuntil(b"\n\n") == b": still here\n\n"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_an_event_that_becomes_visible_behind_later_ones_is_told_all_the_same(
    database_url: str, api: Api, agent: str
):
    first, second = [await create(api, agent) for _ in range(2)]
    tell = (EventKind.DATABASE_BACK, "lifecycle", "The database is back")
    async with following(api, "events") as stream:
        async with api.database.writing() as conn:
            await CallStore(conn).add_event(first, *tell)
            async with api.database.writing() as other:
                await CallStore(other).add_event(second, *tell)
            later = await stream.until(lambda kind, _data: kind == "event")
        earlier = await stream.until(lambda kind, _data: kind == "event")
    assert [later["call_id"], earlier["call_id"]] == [second, first]
    assert int(earlier["id"].removeprefix("evt_")) < int(later["id"].removeprefix("evt_"))

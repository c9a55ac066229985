"""A provider that does not answer is seen before a call: `/readyz` names it, and a call that needs it is warned."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from api import provider_health
from calls.providers import health
from calls.settings import NamedProvider
from tests.api.conftest import Api, Serve, browser
from tests.conftest import PATIENCE_S, Until
from tests.servers import free_port

KEY = "a-key-for-nobody-else"
OWN = "+15559876543"  # who calls phones
NEVER = 0  # it takes the request, and never answers
STANDSTILL_S = 1.0
DEAD = "Speech recognition (dead) does not answer"


@dataclass
class Provider:
    """A provider on a port of its own: nobody is there before `start`.

    It is part of the test's process, which stands still for `stands_still_s` when it is asked.
    """

    status: int = 200
    stands_still_s: float = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    port: int = field(default_factory=free_port)
    runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self.runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers.get("Authorization")))
        time.sleep(self.stands_still_s)  # noqa: ASYNC251 # as the whole process does while its machine is asleep
        if self.status == NEVER:
            await asyncio.Event().wait()
        return web.Response(status=self.status, text=KEY, headers={"Location": "/elsewhere"})


@pytest.fixture
async def good() -> AsyncIterator[Provider]:
    """One that works; of every installation of these tests, it is all that a test does not say."""
    provider = Provider()
    await provider.start()
    yield provider
    await provider.stop()


@pytest.fixture
async def other() -> AsyncIterator[Provider]:
    """Another one, which is to be started."""
    provider = Provider()
    yield provider
    await provider.stop()


@pytest.fixture
async def serve(serve: Serve, good: Provider, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """`await serve(**settings)`: a running api with providers that work, but for what the settings say.

    It asks once, and is as patient as a busy machine wants: a test that is about time says so.
    """
    for seconds in ("EVERY_S", "SOONER_S"):
        monkeypatch.setattr(provider_health, seconds, 10 * PATIENCE_S)
    monkeypatch.setattr(provider_health, "MOMENT_S", PATIENCE_S)
    monkeypatch.setattr(health, "WITHIN_S", PATIENCE_S)

    async def start(**changes: Any) -> Api:
        urls = {"stt_url": good.url, "llm_url": good.url, "tts_url": good.url}
        return await serve(**(urls | changes))

    return start


def named(provider: Provider, **more: Any) -> dict[str, NamedProvider]:
    """The provider under the name `dead`, in Deepgram's protocol."""
    return {"dead": NamedProvider(url=provider.url, protocol="deepgram", **more)}


async def readiness(api: Api, until: Until) -> dict[str, Any]:
    """What `/readyz` says once every provider has been asked."""

    async def known() -> Any:
        answer = await api.get("/readyz", key=None)
        assert answer.status == 200
        asked = [state for one in answer.body["providers"].values() for state in one.values()]
        return answer.body if "not asked" not in asked else None

    body: dict[str, Any] = await until(known)
    return body


async def hears(api: Api, *names: str | None) -> str:
    """The id of an agent that hears with these."""
    answer = await api.post("/v1/agents", {"name": "Aria", "stt": [{"provider": name} for name in names]})
    assert answer.status == 201, answer
    return str(answer.body["id"])


async def publishable(api: Api, agent_id: str) -> str:
    made = await api.post("/v1/keys/publishable", {"agent_id": agent_id, "label": "a page"})
    return str(made.body["key"])


async def call(api: Api, agent_id: str, **more: Any) -> Any:
    answer = await api.post("/v1/calls", {"agent_id": agent_id, "participants": [browser()]}, **more)
    assert answer.status == 201, answer
    return answer.body


async def events(api: Api, call_id: str) -> list[dict[str, Any]]:
    """What the log of a call tells of providers."""
    found = (await api.get(f"/v1/calls/{call_id}/events")).body["events"]
    assert found[0]["kind"] == "call.created"
    return [event for event in found if event["kind"].startswith("provider.")]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, "ok"),
        (302, "ok"),
        (404, "ok"),
        (429, "ok"),
        (401, "does not accept the key"),
        (403, "ok"),
        (500, "does not answer"),
        (503, "does not answer"),
        (NEVER, "does not answer"),
    ],
)
async def test_readyz_says_how_a_provider_is_and_stays_200(
    serve: Serve, other: Provider, until: Until, monkeypatch: pytest.MonkeyPatch, status: int, state: str
):
    if status == NEVER:
        monkeypatch.setattr(health, "WITHIN_S", 0.3)
        monkeypatch.setattr(provider_health, "SOONER_S", 0.1)  # the others may be late once
    other.status = status
    await other.start()
    api = await serve(llm_url=other.url, llm_api_key=KEY)
    expected = {
        "status": "ok" if state == "ok" else "degraded",
        "providers": {"stt": {"local": "ok"}, "llm": {"local": state}, "tts": {"local": "ok"}},
    }

    async def is_so() -> bool:
        return await readiness(api, until) == expected

    await until(is_so)
    assert set(other.asked) == {("/v1/models", f"Bearer {KEY}")}


async def test_a_provider_that_is_gone_and_comes_back_is_seen(
    serve: Serve, other: Provider, until: Until, monkeypatch: pytest.MonkeyPatch
):
    for pause in ("EVERY_S", "SOONER_S"):
        monkeypatch.setattr(provider_health, pause, 0.05)
    api = await serve(stt_url=other.url)

    async def becomes(state: str) -> None:
        async def has_become() -> Any:
            return (await readiness(api, until))["providers"]["stt"] == {"local": state}

        await until(has_become)

    await becomes("does not answer")
    await other.start()
    await becomes("ok")
    await other.stop()
    await becomes("does not answer")


async def test_the_installations_own_are_asked_though_nobody_wants_to_know(
    serve: Serve, other: Provider, until: Until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(provider_health, "UNUSED_S", 0.05)
    monkeypatch.setattr(provider_health, "EVERY_S", 0.1)
    await other.start()
    await serve(stt_url=other.url)
    await until(lambda: len(other.asked) > 3)


async def test_who_stood_still_blames_nobody(
    serve: Serve, other: Provider, until: Until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(health, "WITHIN_S", STANDSTILL_S / 2)
    monkeypatch.setattr(provider_health, "SOONER_S", 0.1)  # it may be late once
    other.stands_still_s = STANDSTILL_S
    await other.start()
    api = await serve(stt_url=other.url)

    async def is_well() -> Any:
        return (await readiness(api, until))["providers"]["stt"] == {"local": "ok"}

    await until(is_well)


@pytest.mark.parametrize(
    "headers",
    [{"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Via": "1.1 a"}, {"Host": "calls.example.com"}],
)
async def test_readyz_names_nobody_to_strangers(serve: Serve, other: Provider, until: Until, headers: dict[str, str]):
    api = await serve(stt_url=other.url, trusted_proxies=("127.0.0.1",))
    known = await readiness(api, until)
    assert known["providers"]["stt"] == {"local": "does not answer"}
    nobodys, of_a_page = "sk_nobodys", await publishable(api, await hears(api, None))
    for key in (None, nobodys, of_a_page):
        told = await api.get("/readyz", key=key, headers=headers)
        assert (told.status, told.body) == (200, {"status": "degraded", "providers": None})
    assert (await api.get("/readyz", headers=headers)).body == known


async def test_what_cannot_be_asked_is_said_without(serve: Serve, until: Until):
    api = await serve(stt_url=None, tts_url=None, tts_provider="no-such-plugin")
    body = await readiness(api, until)
    assert body["providers"] == {
        "stt": {"deepgram": "has no key"},
        "llm": {"local": "ok"},
        "tts": {"no-such-plugin": "is not installed"},
    }
    assert body["status"] == "degraded"


async def test_nothing_is_said_against_a_plugin_that_is_installed(serve: Serve, good: Provider, until: Until):
    api = await serve(stt_provider="silero")
    await until(lambda: good.asked)

    async def is_known() -> Any:
        return (await api.get("/readyz")).body["providers"]["llm"] == {"local": "ok"}

    await until(is_known)
    body = (await api.get("/readyz")).body
    assert (body["status"], body["providers"]["stt"]) == ("ok", {"silero": "not asked"})


async def test_one_place_is_asked_once_for_all_that_it_does(serve: Serve, good: Provider, until: Until):
    api = await serve(stt_url=None, stt_provider="ears", providers={"ears": NamedProvider(url=good.url)})
    assert (await readiness(api, until))["status"] == "ok"
    agent = await hears(api, None)
    await asyncio.gather(*(call(api, agent) for _ in range(20)))
    assert good.asked == [("/v1/models", None)]


async def test_a_call_is_warned_of_its_agents_dead_provider_and_no_other_call_is(serve: Serve, other: Provider):
    api = await serve(providers=named(other))
    warned, fine = await call(api, await hears(api, "dead")), await call(api, await hears(api, None))
    message = f"{DEAD}: there is no conversation until it does."
    assert (warned["warnings"], fine["warnings"]) == ([message], [])
    [event] = await events(api, warned["id"])
    assert (event["kind"], event["level"], event["message"]) == ("provider.unreachable", "warning", message)
    assert event["data"] == {"provider": "stt", "name": "dead", "why": "does not answer"}
    assert await events(api, fine["id"]) == []


async def test_of_a_list_the_next_one_takes_over(serve: Serve, other: Provider):
    api = await serve(providers=named(other))
    created = await call(api, await hears(api, "dead", None))
    assert created["warnings"] == [f"{DEAD}: the next one of the agent's list takes over."]
    assert len(await events(api, created["id"])) == 1


async def test_an_agent_of_whose_list_nobody_works_is_told_each(serve: Serve, other: Provider):
    api = await serve(providers=named(other), stt_url=f"http://127.0.0.1:{free_port()}/v1")
    created = await call(api, await hears(api, "dead", None))
    ends = "does not answer: there is no conversation until it does."
    assert created["warnings"] == [f"Speech recognition (dead) {ends}", f"Speech recognition (local) {ends}"]
    assert [one["data"]["name"] for one in await events(api, created["id"])] == ["dead", "local"]


async def test_a_provider_that_hangs_keeps_no_call_waiting_and_the_next_one_is_warned(
    serve: Serve, other: Provider, until: Until, monkeypatch: pytest.MonkeyPatch
):
    other.status = NEVER
    await other.start()
    monkeypatch.setattr(health, "WITHIN_S", 10 * PATIENCE_S)
    monkeypatch.setattr(provider_health, "MOMENT_S", 0.5)
    api = await serve(providers=named(other))
    agent = await hears(api, "dead")
    async with asyncio.timeout(PATIENCE_S):
        assert (await call(api, agent))["warnings"] == []
    assert other.asked == [("/v1/auth/token", None)]
    await other.stop()  # which ends the question

    async def is_warned() -> Any:
        return (await call(api, agent))["warnings"]

    assert await until(is_warned) == [f"{DEAD}: there is no conversation until it does."]


async def test_a_provider_that_hangs_is_warned_of_however_seldom_it_is_called(
    serve: Serve, other: Provider, until: Until, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    other.status = NEVER
    await other.start()
    monkeypatch.setattr(health, "WITHIN_S", 1)
    monkeypatch.setattr(provider_health, "MOMENT_S", 0.05)
    monkeypatch.setattr(provider_health, "UNUSED_S", 0.2)  # over before the question is
    monkeypatch.setattr(provider_health, "SOONER_S", 0)
    api = await serve(providers=named(other))
    agent = await hears(api, "dead")
    await call(api, agent)
    await until(lambda: any(record.__dict__.get("provider") == "dead" for record in caplog.records))
    assert f"{DEAD}: there is no conversation until it does." in (await call(api, agent))["warnings"]


@pytest.mark.parametrize(("limit", "value"), [("KEPT_S", 0), ("KEPT", 0)])
async def test_what_was_found_long_ago_or_of_too_many_is_forgotten(
    serve: Serve,
    other: Provider,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    limit: str,
    value: int,
):
    monkeypatch.setattr(provider_health, limit, value)
    monkeypatch.setattr(provider_health, "UNUSED_S", 0.05)
    monkeypatch.setattr(provider_health, "SOONER_S", 0.1)
    api = await serve(providers=named(other))
    agent = await hears(api, "dead")

    async def is_told_anew() -> bool:
        await call(api, agent)
        return len([record for record in caplog.records if record.__dict__.get("provider") == "dead"]) > 1

    await until(is_told_anew)


async def test_a_batch_asks_once_and_warns_once(serve: Serve, other: Provider):
    other.status = 503
    await other.start()
    api = await serve(providers=named(other))
    agent = await hears(api, "dead")
    await api.post("/v1/numbers", {"number": OWN})
    to = [f"+155512345{number:02}" for number in range(50)]
    batch = await api.post("/v1/calls/batch", {"agent_id": agent, "to": to})
    assert (batch.status, batch.body["queued"]) == (202, 50)
    assert batch.body["warnings"] == [f"{DEAD}: there is no conversation until it does."]
    assert len(other.asked) == 1
    assert await events(api, batch.body["calls"][0]["id"]) == []


async def test_other_ways_to_make_a_call_tell_of_it_too(serve: Serve, other: Provider):
    api = await serve(providers=named(other))
    agent = await hears(api, "dead")
    await api.post("/v1/numbers", {"number": OWN})
    made = await api.post("/v1/calls/fanout", {"agent_id": agent, "to": ["+15551234501", "+15551234502"]})
    assert len(made.body["warnings"]) == len(await events(api, made.body["id"])) == 1
    token = await api.post("/v1/realtime/token", {"agent_id": agent})
    assert token.status == 201
    assert len(await events(api, token.body["room_name"].removeprefix("call_"))) == 1


async def test_a_request_that_is_repeated_gets_the_same_warnings(serve: Serve, other: Provider):
    api = await serve(providers=named(other))
    body = {"agent_id": await hears(api, "dead"), "participants": [browser()]}
    once, again = [await api.post("/v1/calls", body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert once.body == again.body
    assert len(again.body["warnings"]) == 1


async def test_a_page_is_not_told_who_the_operators_providers_are(serve: Serve, other: Provider):
    api = await serve(providers=named(other))
    agent = await hears(api, "dead")
    created = await call(api, agent, key=await publishable(api, agent))
    assert created["warnings"] == []
    assert len(await events(api, created["id"])) == 1


async def test_no_key_and_nothing_that_a_provider_said_is_in_an_answer_or_a_log(
    serve: Serve, other: Provider, until: Until, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    other.status = 401
    await other.start()
    api = await serve(providers=named(other, api_key=KEY), llm_url=other.url, llm_api_key=KEY)
    ready = await readiness(api, until)
    created = await call(api, await hears(api, "dead"))
    assert len(created["warnings"]) == 2
    assert other.asked == [("/v1/models", f"Bearer {KEY}"), ("/v1/auth/token", f"Token {KEY}")]
    told = [record for record in caplog.records if record.name == "api.provider_health"]
    assert {record.__dict__["health"] for record in told} == {"does not accept the key"}
    assert KEY not in repr([ready, created, await events(api, created["id"]), [vars(one) for one in caplog.records]])

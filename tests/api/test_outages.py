"""While the database is away every answer is a 503, soon; when it is back all is as before."""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote

import aiohttp
import pytest
import sqlalchemy as sa

from api.app import ROUTES
from api.openapi import plain_path
from api.routing import Route, Who
from calls.database.engine import Database
from calls.store import CallStore
from tests.api.conftest import ABSENT, Answer, Api, browser, phone, run_api
from tests.awake import awake
from tests.conftest import MakeSettings
from tests.locked import locked
from tests.servers import PostgresCluster

pytestmark = pytest.mark.restless

SOON_S = 6  # of a machine that runs; it takes half of that
LATE_S = 1  # who is refused sooner has met a connection that is broken
AGENT = {"name": "Aria"}
SLOW = ("calls", "participants", "call_events", "call_counts")


@pytest.fixture
async def on_postgres(
    settings: MakeSettings, breakable_postgres: PostgresCluster, breakable_url: str
) -> AsyncIterator[Api]:
    async for api in run_api(settings(database_url=breakable_url)):
        yield api
        await asyncio.to_thread(breakable_postgres.thaw)


def impatient(api: Api) -> Api:
    """One that takes the first answer."""
    return replace(api, patience_s=0)


def ask(api: Api, route: Route) -> asyncio.Task[Answer]:
    path = re.sub(r"\{.*?\}", str(uuid.uuid4()), plain_path(route))
    return asyncio.create_task(impatient(api).ask(route.method, path, ABSENT if route.method == "GET" else {}))


async def assert_away(*asked: asyncio.Task[Answer]) -> None:
    async with awake() as ran_s:
        answers = await asyncio.gather(*asked)
        assert ran_s() < SOON_S
    for answer in answers:
        assert (answer.status, answer.body["code"]) == (503, "database_unavailable"), answer
        assert int(answer.headers["Retry-After"]) >= 1


KEPT = [route for route in ROUTES if route.who is not Who.ANYONE]


async def test_every_endpoint_says_so_while_postgres_is_dead_and_works_when_it_is_back(on_postgres, breakable_postgres):
    assert (await on_postgres.post("/v1/agents", AGENT)).status == 201
    await asyncio.to_thread(breakable_postgres.kill)
    await assert_away(*(ask(on_postgres, route) for route in KEPT))
    assert (await on_postgres.get("/healthz")).status == 200
    assert (await impatient(on_postgres).get("/readyz")).status == 503
    breakable_postgres.start()
    answers = await asyncio.gather(*(on_postgres.post("/v1/agents", AGENT) for _ in range(10)))
    assert [answer.status for answer in answers] == [201] * 10
    assert (await on_postgres.get("/v1/agents")).body["total"] == 11


async def test_every_endpoint_says_so_while_postgres_does_not_answer_and_works_when_it_does(
    on_postgres, breakable_postgres
):
    assert (await on_postgres.post("/v1/agents", AGENT)).status == 201
    breakable_postgres.freeze()
    await assert_away(*(ask(on_postgres, route) for route in KEPT))
    one_after_the_other = []
    for _ in range(10):  # some of these come while others wait already
        one_after_the_other.append(asyncio.create_task(impatient(on_postgres).get("/v1/agents")))
        await asyncio.sleep(0.1)
    await assert_away(*one_after_the_other)
    assert (await on_postgres.get("/healthz")).status == 200
    breakable_postgres.thaw()
    answers = await asyncio.gather(*(on_postgres.get("/v1/agents") for _ in range(10)))
    assert [answer.status for answer in answers] == [200] * 10


async def test_every_endpoint_says_so_while_postgres_lets_nobody_in_and_works_when_it_does(
    on_postgres, breakable_postgres
):
    name = on_postgres.settings.database.rpartition("/")[2]
    shut = f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"
    put_out = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    await asyncio.to_thread(breakable_postgres.run, "psql", "-qAt", "-o", "/dev/null", "-c", shut, "-c", put_out)
    await assert_away(*(ask(on_postgres, route) for route in KEPT))
    assert (await impatient(on_postgres).get("/readyz")).status == 503
    breakable_postgres.run("psql", "-q", "-c", f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (await on_postgres.post("/v1/agents", AGENT)).status == 201


async def place(api: Api) -> str:
    agent = (await api.post("/v1/agents", AGENT)).body["id"]
    answer = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})
    return str(answer.body["id"])


async def test_many_who_wait_for_the_same_row_are_told_soon_and_together(on_postgres):
    call = await place(on_postgres)
    database = Database(on_postgres.settings.database, patience_s=60)
    async with database.writing() as other:
        await CallStore(other).hold(call)
        asked = [impatient(on_postgres).post(f"/v1/calls/{call}/end") for _ in range(40)]
        await assert_away(*map(asyncio.create_task, asked))
    assert (await on_postgres.post(f"/v1/calls/{call}/end")).status == 200
    await database.close()


async def test_a_request_is_told_soon_that_waits_a_while_at_each_of_its_statements(on_postgres):
    call = await place(on_postgres)
    database = Database(on_postgres.settings.database, patience_s=60)
    async with database.writing() as other:
        slow = "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.5); RETURN NEW; END'"
        await other.execute(sa.text(f"CREATE FUNCTION linger() {slow}"))
        for table in SLOW:
            name = f"slow BEFORE INSERT OR UPDATE ON {table}"
            await other.execute(sa.text(f"CREATE TRIGGER {name} FOR EACH ROW EXECUTE FUNCTION linger()"))
    await assert_away(asyncio.create_task(impatient(on_postgres).post(f"/v1/calls/{call}/end")))
    async with database.writing() as other:
        for table in SLOW:
            await other.execute(sa.text(f"DROP TRIGGER slow ON {table}"))
    assert (await on_postgres.get(f"/v1/calls/{call}")).body["status"] == "connecting"
    assert (await on_postgres.post(f"/v1/calls/{call}/end")).status == 200
    await database.close()


async def test_a_restart_between_two_requests_is_not_noticed(on_postgres, breakable_postgres):
    await asyncio.gather(*(on_postgres.post("/v1/agents", AGENT) for _ in range(10)))
    await asyncio.to_thread(breakable_postgres.kill)
    breakable_postgres.start()

    async def answer() -> Answer:
        """The first one that was not given because a busy machine's database is late."""
        while True:
            began = time.monotonic()
            given = await impatient(on_postgres).get("/v1/agents")
            if given.status != 503 or time.monotonic() - began < LATE_S:
                return given

    answers = await asyncio.gather(*(answer() for _ in range(10)))
    assert [answer.status for answer in answers] == [200] * 10


async def test_an_outage_ends_no_stream(on_postgres, breakable_postgres, monkeypatch):
    monkeypatch.setattr("api.stream.HEARTBEAT_S", 0.2)  # at each it looks whether its key still holds
    agent = (await on_postgres.post("/v1/agents", AGENT)).body["id"]
    call = (await on_postgres.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    headers = {"Authorization": f"Bearer {on_postgres.key}"}
    async with on_postgres.session.get(f"{on_postgres.url}/v1/calls/{call}/stream", headers=headers) as stream:
        assert b"Call created" in await asyncio.wait_for(seen(stream.content, b"Call created"), 60)
        await asyncio.to_thread(breakable_postgres.kill)
        await asyncio.sleep(2)
        breakable_postgres.start()
        ended = await on_postgres.post(f"/v1/calls/{call}/end")
        assert ended.status == 200
        assert b"event: end" in await asyncio.wait_for(seen(stream.content, b"event: end"), 60)


async def test_a_stream_whose_client_goes_meanwhile_does_not_wait_for_the_database(
    on_postgres, breakable_postgres, monkeypatch, until, caplog
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("api.stream.HEARTBEAT_S", 0.2)
    agent = (await on_postgres.post("/v1/agents", AGENT)).body["id"]
    call = (await on_postgres.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    headers = {"Authorization": f"Bearer {on_postgres.key}"}
    async with on_postgres.session.get(f"{on_postgres.url}/v1/calls/{call}/stream", headers=headers) as stream:
        await seen(stream.content, b"Call created")
        await asyncio.to_thread(breakable_postgres.kill)
        await seen(stream.content, b": still here")
        stream.close()
        await until(lambda: any(getattr(record, "route", "").endswith("/stream") for record in caplog.records))


async def seen(stream: aiohttp.StreamReader, wanted: bytes) -> bytes:
    got = b""
    while wanted not in got:
        chunk = await stream.readany()
        assert chunk, got
        got += chunk
    return got


async def test_who_writes_is_told_while_sqlite_is_locked_and_who_reads_notices_nothing(api: Api, agent: str):
    number = "+15559876543"
    await api.post("/v1/numbers", {"number": number})
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    one = {"agent_id": agent, "participants": [browser()]}
    once = {"Idempotency-Key": "a-key"}

    def writes(api: Api) -> list[asyncio.Task[Answer]]:
        asked = [
            *(api.post("/v1/calls", one) for _ in range(5)),
            *(api.post("/v1/calls", one, headers=once) for _ in range(5)),
            api.post("/v1/calls", {"agent_id": agent, "participants": [phone()]}),
            api.post("/v1/calls/batch", {"agent_id": agent, "to": ["+15551234567"]}),
            api.post(f"/v1/calls/{call}/participants", {"participants": [browser("tab-2")]}),
            api.post(f"/v1/calls/{call}/end"),
            api.post("/v1/realtime/token", {"agent_id": agent}),
            api.post("/v1/dnc", {"phone_number": "+15551234567"}),
            api.post("/v1/agents", AGENT),
            api.put(f"/v1/agents/{agent}", {"name": "Bea"}),
            api.delete(f"/v1/numbers/{quote(number)}"),
        ]
        return [asyncio.create_task(one) for one in asked]

    with locked(api.settings.database_url):
        await assert_away(*writes(impatient(api)))
        assert (await api.get("/v1/calls")).body["total"] == 1
        assert (await api.get(f"/v1/calls/{call}")).body["agent"]["name"] == "Aria"
    answers = await asyncio.gather(*writes(api))
    assert {answer.status for answer in answers} <= {200, 201, 202, 204, 400, 409}, answers
    assert [answer.status for answer in answers[:5]] == [201] * 5

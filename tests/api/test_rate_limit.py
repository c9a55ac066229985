"""How many calls publishable keys may start in a minute: exact, whatever the number of api processes."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa

from calls.tables import rate_windows
from tests.api.conftest import Answer, Api, Serve, browser

pytestmark = pytest.mark.restless


async def agent_and_key(api: Api) -> tuple[str, str]:
    agent_id = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
    return agent_id, await another_key(api, agent_id)


async def another_key(api: Api, agent_id: str) -> str:
    return str((await api.post("/v1/keys/publishable", {"agent_id": agent_id, "label": "x"})).body["key"])


async def call(api: Api, agent_id: str, key: str, **headers: str) -> Answer:
    body = {"agent_id": agent_id, "participants": [browser()]}
    return await api.post("/v1/calls", body, key=key, headers=headers)


async def token(api: Api, agent_id: str, key: str, **headers: str) -> int:
    return (await api.post("/v1/realtime/token", {"agent_id": agent_id}, key=key, headers=headers)).status


async def test_a_key_may_start_so_many_calls_a_minute(serve: Serve):
    api = await serve(publishable_calls_per_minute=3)
    agent_id, key = await agent_and_key(api)
    assert [await token(api, agent_id, key), (await call(api, agent_id, key)).status] == [201, 201]
    assert await token(api, agent_id, key) == 201
    refused = await call(api, agent_id, key)
    assert (refused.status, refused.body["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert await token(api, agent_id, key) == 429
    assert await token(api, agent_id, await another_key(api, agent_id)) == 201
    assert (await call(api, agent_id, api.key)).status == 201


async def test_an_address_may_start_so_many_calls_a_minute_whatever_its_keys(serve: Serve):
    api = await serve(publishable_calls_per_minute_per_address=2)
    agent_id, key = await agent_and_key(api)
    assert [await token(api, agent_id, key) for _ in range(2)] == [201, 201]
    assert await token(api, agent_id, await another_key(api, agent_id)) == 429
    # Nobody trusts this peer, so it may say what it likes.
    assert await token(api, agent_id, key, **{"X-Forwarded-For": "203.0.113.7"}) == 429


async def test_behind_a_trusted_proxy_the_address_is_the_one_that_it_names(serve: Serve):
    api = await serve(publishable_calls_per_minute_per_address=1, trusted_proxies=("127.0.0.0/8", "10.0.0.1"))
    agent_id, key = await agent_and_key(api)

    async def through(forwarded: str) -> int:
        return await token(api, agent_id, key, **{"X-Forwarded-For": forwarded})

    assert await through("203.0.113.7") == 201
    assert await through("203.0.113.7") == 429
    assert await through("1.2.3.4, 203.0.113.7") == 429  # what the client itself wrote counts for nothing
    assert await through("203.0.113.7, 10.0.0.1") == 429
    assert await through("203.0.113.8") == 201
    assert await through("2001:db8::1") == 201
    assert await through("2001:db8::2") == 429  # one household has a whole /64
    assert await through("2001:db8:0:1::1") == 201


async def test_the_limit_is_exact_over_several_apis_at_once(serve: Serve, database_url: str):
    one = await serve(publishable_calls_per_minute=5)
    two = await serve(publishable_calls_per_minute=5)
    agent_id, key = await agent_and_key(one)

    both = [replace(api, patience_s=0) for api in (one, two)]  # who asks again counts again
    answers = Counter(await asyncio.gather(*(token(api, agent_id, key) for _ in range(10) for api in both)))
    assert answers.keys() <= {201, 429, 503}
    late = answers[503]  # on a busy machine: they may have been counted, or not
    assert answers[201] <= 5 <= answers[201] + late
    assert answers[429] <= 15 <= answers[429] + late


async def test_after_the_time_that_was_named_there_is_room_again(serve: Serve):
    api = await serve(publishable_calls_per_minute=1)
    agent_id, key = await agent_and_key(api)
    assert await token(api, agent_id, key) == 201
    wait = int((await call(api, agent_id, key)).headers["Retry-After"])
    async with api.database.writing() as conn:  # time passes
        await conn.execute(
            sa.update(rate_windows).where(rate_windows.c.window > 0).values(window=rate_windows.c.window - wait),
        )
    assert await token(api, agent_id, key) == 201
    assert await token(api, agent_id, key) == 429


async def test_what_counts_no_more_is_forgotten(serve: Serve, database_url: str):
    api = await serve()
    agent_id, key = await agent_and_key(api)
    async with api.database.writing() as conn:
        old = [{"key": f"address:{n}", "window": window, "count": 1} for n in range(5) for window in (0, 1_000_000)]
        await conn.execute(sa.insert(rate_windows), old)
    assert await token(api, agent_id, key) == 201
    async with api.database.reading() as conn:
        kept = {row.key for row in await conn.execute(sa.select(rate_windows.c.key))}
    assert len(kept) == 2
    assert "address:127.0.0.1" in kept


async def test_only_new_calls_count(serve: Serve):
    api = await serve(publishable_calls_per_minute=2)
    agent_id, key = await agent_and_key(api)
    for _ in range(3):
        assert (await api.post("/v1/realtime/token", {"agent": agent_id}, key=key)).status == 400
    once = {"Idempotency-Key": "1"}
    assert [await token(api, agent_id, key, **once) for _ in range(3)] == [201] * 3
    assert await token(api, agent_id, key) == 201
    assert await token(api, agent_id, key) == 429
    assert await token(api, agent_id, key, **once) == 201

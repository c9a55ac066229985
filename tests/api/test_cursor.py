"""Lists of calls: filters, pages, and a walk that misses nothing."""

import asyncio
from collections.abc import AsyncIterator

from calls.states import EndReason
from calls.store import CallStore
from tests.api.conftest import Api, browser


async def create(api: Api, agent: str, count: int) -> list[str]:
    body = {"agent_id": agent, "participants": [browser()]}
    return [(await api.post("/v1/calls", body)).body["id"] for _ in range(count)]


async def walk(api: Api, query: str) -> AsyncIterator[list[str]]:
    cursor = ""
    while cursor is not None:
        page = (await api.get(f"/v1/calls?{query}" + (f"&cursor={cursor}" if cursor else ""))).body
        yield [call["id"] for call in page["calls"]]
        cursor = page["next_cursor"]


async def test_a_row_has_the_fields_of_the_specification(api: Api, agent: str):
    [call_id] = await create(api, agent, 1)
    page = (await api.get("/v1/calls?limit=50")).body
    [row] = page.pop("calls")
    assert page == {"total": 1, "limit": 50, "offset": 0, "next_cursor": None}
    assert row.pop("created_at")
    assert row == {
        "id": call_id,
        "room_name": f"call_{call_id}",
        "agent_id": agent,
        "agent_name": "Aria",
        "status": "connecting",
        "end_reason": None,
        "started_at": None,
        "ended_at": None,
        "bill_duration": 0,
        "total_cost": 0,
        "metadata": {},
        "intelligence_status": "not_started",
        "sentiment": None,
        "passed": None,
        "participant_count": 1,
        "primary_participant": {"identity": "browser-tab-1", "transport": "webrtc"},
        "erased_at": None,
    }


async def test_a_walk_returns_every_call_once_whatever_is_created_meanwhile(database_url: str, api: Api, agent: str):
    before = await create(api, agent, 12)
    seen: list[str] = []
    async for ids in walk(api, "limit=5"):
        seen += ids
        await create(api, agent, 2)
    assert seen == before[::-1]
    first = (await api.get("/v1/calls?limit=5")).body
    assert first["next_cursor"] == first["calls"][-1]["id"]
    assert first["total"] == 12 + 2 * 3


async def test_walks_and_creations_at_once_lose_nothing(api: Api, agent: str):
    before = await create(api, agent, 20)

    async def collect() -> list[str]:
        return [call_id async for ids in walk(api, "limit=3") for call_id in ids]

    walks = asyncio.gather(*(collect() for _ in range(3)))
    await asyncio.gather(*(create(api, agent, 5) for _ in range(4)))
    for seen in await walks:
        assert len(seen) == len(set(seen))
        assert set(before) <= set(seen)


async def test_offset_and_limit_cut_pages(api: Api, agent: str):
    ids = (await create(api, agent, 5))[::-1]
    pages = [(await api.get(f"/v1/calls?limit=2&offset={offset}")).body for offset in (0, 2, 4, 6)]
    assert [[call["id"] for call in page["calls"]] for page in pages] == [ids[:2], ids[2:4], ids[4:], []]
    assert [page["total"] for page in pages] == [5] * 4


async def test_the_filter_by_status_has_an_exact_total(api: Api, agent: str):
    ids = await create(api, agent, 6)
    async with api.database.writing() as conn:
        store = CallStore(conn)
        for call_id in ids[:3]:
            await store.start(call_id)
        await store.finish(ids[0], EndReason.CALLER_HUNG_UP)
        await store.finish(ids[5], EndReason.NOBODY_JOINED)
    totals = {}
    for status in ("connecting", "queued", "ringing", "in_progress", "completed", "failed"):
        page = (await api.get(f"/v1/calls?status={status}")).body
        assert [call["status"] for call in page["calls"]] == [status] * page["total"]
        totals[status] = page["total"]
    assert totals == {"connecting": 2, "queued": 0, "ringing": 0, "in_progress": 2, "completed": 1, "failed": 1}
    active = (await api.get("/v1/calls/active")).body
    assert active == (await api.get("/v1/calls?status=in_progress")).body
    assert {call["id"] for call in active["calls"]} == set(ids[1:3])
    assert [len(page) async for page in walk(api, "limit=1&status=in_progress")] == [1, 1]

"""`/v1/calls/batch` after its creation: the same one again, how far it is, its end before its time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from calls.states import EndReason
from calls.store import CallStore
from calls.tables import deliveries
from calls.workers import seats
from tests.api.conftest import Answer, Api, MakeTenant

Make = Callable[..., Awaitable[str]]

BATCH = "/v1/calls/batch"
ANN, BOB, NOBODY = "+15551230001", "+15551230002", "nobody"


@pytest.fixture(autouse=True)
async def _own_number(number: Make) -> None:
    await number()


async def end(api: Api, call: dict[str, Any], reason: EndReason = EndReason.BUSY) -> None:
    async with api.database.writing() as conn:
        await CallStore(conn).finish(call["id"], reason)


async def test_the_same_batch_again_is_answered_with_the_first_one(database_url: str, api: Api, agent: str):
    body = {"agent_id": agent, "to": [ANN, NOBODY], "batch_id": "spring"}
    at_once = await asyncio.gather(*(api.post(BATCH, body) for _ in range(4)))
    keyed = {"Idempotency-Key": "a", "X": ""}
    again = [await api.post(BATCH, body, headers=keyed | {"Idempotency-Key": key}) for key in ("a", "a", "b")]
    await api.post(f"{BATCH}/spring/cancel")
    await end(api, at_once[0].body["calls"][0], EndReason.CANCELED)
    answers = [*at_once, *again, await api.post(BATCH, body)]
    assert all((one.status, one.body) == (202, at_once[0].body) for one in answers)
    assert (await api.get("/v1/calls")).body["total"] == 1

    for other in ({"to": [BOB]}, {"metadata": {"wave": 2}}):
        for headers in ({}, {"Idempotency-Key": "c"}):
            answer = await api.post(BATCH, body | other, headers=headers)
            assert (answer.status, answer.body["code"]) == (409, "batch_exists")
    assert (await api.get("/v1/calls")).body["total"] == 1


async def test_a_batch_that_came_to_nothing_may_be_sent_again(api: Api, agent: str):
    body = {"agent_id": agent, "to": [ANN], "batch_id": "spring"}
    refused = await api.post(BATCH, body | {"from_number": "+15550000001"})
    assert (refused.status, refused.body["details"][0]["path"]) == (400, "from_number")
    assert (await api.get(f"{BATCH}/spring")).status == 404
    assert (await api.post(BATCH, body)).status == 202


async def test_a_batch_counts_its_calls_and_is_over_with_the_last_of_them(database_url: str, api: Api, agent: str):
    hook = {"url": "https://example.com/hook", "events": ["batch.completed"]}
    await api.post("/v1/webhooks", hook)
    made = await api.post(BATCH, {"agent_id": agent, "to": [ANN, BOB, NOBODY], "batch_id": "spring / May"})
    path = f"{BATCH}/spring%20%2F%20May"
    first, last = made.body["calls"]
    none = {"queued": 0, "ringing": 0, "in_progress": 0, "completed": 0, "failed": 0}
    begun = (await api.get(path)).body
    assert (begun["batch_id"], begun["agent_id"], begun["status"]) == ("spring / May", agent, "in_progress")
    assert (begun["calls"], begun["rejected"], begun["counts"]) == (2, 1, {**none, "queued": 2})
    assert [(one["identity"], one["code"]) for one in begun["rejected_recipients"]] == [(NOBODY, "invalid_number")]
    assert (begun["canceled_at"], begun["completed_at"]) == (None, None)

    await end(api, first)
    assert (await api.get(path)).body["counts"] == {**none, "queued": 1, "failed": 1}
    await end(api, last, EndReason.ENDED_BY_API)
    over = (await api.get(path)).body
    assert (over["status"], over["counts"]) == ("completed", {**none, "completed": 1, "failed": 1})
    assert over["completed_at"] > begun["created_at"]
    [told] = await announced(api)
    assert over["failures"] == {"busy": 1}
    of_its_own = {"waiting_for", "rejected_recipients", "failures"}
    assert told == {name: value for name, value in over.items() if name not in of_its_own}
    assert (await api.post(f"{path}/cancel")).body["code"] == "batch_over"


async def announced(api: Api) -> list[dict[str, Any]]:
    """What endpoints were told of batches, with times as the API gives them."""
    query = sa.select(deliveries.c.payload).where(deliveries.c.event == "batch.completed")
    async with api.database.reading() as conn:
        told = [payload["data"] for payload in await conn.scalars(query)]
    shown = {one["batch_id"]: one for one in (await api.get(BATCH)).body["batches"]}
    for one in told:
        for name in ("created_at", "canceled_at", "completed_at"):
            full = shown[one["batch_id"]][name]
            assert one[name] == full or one[name].removesuffix("Z") in full
            one[name] = full
    return told


async def test_a_batch_that_calls_nobody_is_over_at_once(api: Api, agent: str):
    hook = {"url": "https://example.com/hook", "events": ["batch.completed"]}
    await api.post("/v1/webhooks", hook)
    await api.post(BATCH, {"agent_id": agent, "to": [NOBODY], "batch_id": "empty"})
    batch = (await api.get(f"{BATCH}/empty")).body
    assert (batch["status"], batch["calls"], batch["rejected"]) == ("completed", 0, 1)
    assert [one["batch_id"] for one in await announced(api)] == ["empty"]


async def test_a_canceled_batch_is_over_when_its_calls_are_and_cancelling_twice_is_harmless(api: Api, agent: str):
    hook = {"url": "https://example.com/hook", "events": ["batch.completed"]}
    await api.post("/v1/webhooks", hook)
    made = await api.post(BATCH, {"agent_id": agent, "to": [ANN, BOB], "batch_id": "spring"})
    first = await api.post(f"{BATCH}/spring/cancel")
    again = await api.post(f"{BATCH}/spring/cancel")
    assert (first.status, first.body["status"]) == (200, "canceled")
    assert again.body == first.body
    for call in made.body["calls"]:
        await end(api, call, EndReason.CANCELED)
    over = await api.post(f"{BATCH}/spring/cancel")
    assert (over.status, over.body["status"], over.body["counts"]["failed"]) == (200, "canceled", 2)
    assert [one["status"] for one in await announced(api)] == ["canceled"]


async def test_batches_are_listed_the_newest_first(api: Api, agent: str):
    for name in ("one", "two", "three"):
        await api.post(BATCH, {"agent_id": agent, "to": [ANN], "batch_id": name})
    page = (await api.get(f"{BATCH}?limit=2&offset=1")).body
    assert [batch["batch_id"] for batch in page["batches"]] == ["two", "one"]
    assert (page["total"], page["limit"], page["offset"]) == (3, 2, 1)
    assert page["batches"][0] | {"rejected_recipients": [], "failures": {}} == (await api.get(f"{BATCH}/two")).body


async def test_a_batch_says_what_its_next_call_waits_for(api: Api, agent: str):
    async def waiting_for() -> str | None:
        return str((await api.get(f"{BATCH}/spring")).body["waiting_for"])

    await api.post(BATCH, {"agent_id": agent, "to": [ANN], "batch_id": "spring"})
    assert await waiting_for() == "None", "without a trunk nothing is worth waiting for"
    await trunk(api)
    assert await waiting_for() == "worker"
    async with api.database.writing() as conn:
        await seats.tell(conn, "worker", 1, 1)
    assert await waiting_for() == "seat"


async def trunk(api: Api) -> None:
    """One that LiveKit has."""
    await api.put("/v1/telephony/trunk", {"address": "sip.example.com", "transport": "udp", "username": "me"})
    async with api.database.writing() as conn:
        await conn.execute(sa.text("""UPDATE trunks SET livekit_ids = '{"outbound": "ST_1"}'"""))


async def test_nobody_sees_another_tenants_batch_or_one_that_is_not_there(
    api: Api, agent: str, tenant: MakeTenant, number: Make
):
    await api.post(BATCH, {"agent_id": agent, "to": [ANN], "batch_id": "spring"})
    other = (await tenant()).key

    async def ask(path: str, key: str) -> list[Answer]:
        return [await api.get(path, key=key), await api.post(f"{path}/cancel", key=key)]

    asked = [
        *(await ask(f"{BATCH}/spring", other)),
        *(await ask(f"{BATCH}/summer", "")),
        *(await ask(f"{BATCH}/%00", "")),
    ]
    assert [(one.status, one.body["code"]) for one in asked] == [(404, "not_found")] * 6
    assert (await api.get(BATCH, key=other)).body["total"] == 0
    await number("+15559876544", key=other)
    theirs = (await api.post("/v1/agents", {"name": "Theirs"}, key=other)).body["id"]
    own = await api.post(BATCH, {"agent_id": theirs, "to": [BOB], "batch_id": "spring"}, key=other)
    assert (own.status, own.body["calls"][0]["identity"]) == (202, BOB)


async def test_what_cannot_be_done_with_batches_is_said(api: Api, agent: str):
    for method, path, allowed in (
        ("PUT", BATCH, {"GET", "POST"}),
        ("DELETE", f"{BATCH}/spring", {"GET"}),
        ("GET", f"{BATCH}/spring/cancel", {"POST"}),
    ):
        answer = await api.ask(method, path)
        assert (answer.status, answer.body["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(",")) >= allowed
    for name in ("a\nb", ".", ".."):
        unseen = await api.post(BATCH, {"agent_id": agent, "to": [ANN], "batch_id": name})
        assert (unseen.status, unseen.body["details"][0]["path"]) == (400, "batch_id")

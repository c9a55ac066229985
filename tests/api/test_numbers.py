"""A tenant's own phone numbers, in any spelling."""

import pytest

from tests.api.conftest import Api, MakeTenant

NUMBER = "+15559876543"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_number_is_registered_listed_attached_and_removed(api: Api, agent: str):
    created = await api.post("/v1/numbers", {"number": "+1 (555) 987-6543"})
    assert created.status == 201
    assert (created.body["number"], created.body["agent_id"]) == (NUMBER, None)
    attached = await api.post(f"/v1/numbers/{NUMBER}/attach", {"agent_id": agent})
    assert attached.status == 200
    assert attached.body == {**created.body, "agent_id": agent}
    detached = await api.post(f"/v1/numbers/{NUMBER}/attach", {"agent_id": None})
    assert (detached.status, detached.body["agent_id"]) == (200, None)
    assert (await api.post(f"/v1/numbers/{NUMBER}/attach", {"agent_id": agent})).status == 200
    listed = (await api.get("/v1/numbers")).body
    assert listed == {"numbers": [attached.body], "total": 1, "offset": 0, "limit": 50}
    assert (await api.delete(f"/v1/numbers/{NUMBER}")).status == 204
    assert (await api.delete(f"/v1/numbers/{NUMBER}")).status == 404
    assert (await api.get("/v1/numbers")).body["numbers"] == []


@pytest.mark.parametrize("spelling", ["+15559876543", "%2B15559876543", "+1%20555%20987%206543", "0015559876543"])
async def test_a_number_in_a_path_is_taken_in_any_spelling(api: Api, agent: str, spelling: str):
    await api.post("/v1/numbers", {"number": NUMBER})
    assert (await api.post(f"/v1/numbers/{spelling}/attach", {"agent_id": agent})).status == 200
    assert (await api.delete(f"/v1/numbers/{spelling}")).status == 204


async def test_an_unknown_agent_is_404_and_a_number_that_is_none_400(api: Api):
    assert (await api.post("/v1/numbers", {"number": NUMBER, "agent_id": UNKNOWN})).status == 404
    assert (await api.get("/v1/numbers")).body["total"] == 0
    for text in ("nobody", "5559876543", "", "+1"):
        wrong = await api.post("/v1/numbers", {"number": text})
        assert wrong.status == 400
        assert wrong.body["details"][0]["path"] == "number"
    await api.post("/v1/numbers", {"number": NUMBER})
    assert (await api.post(f"/v1/numbers/{NUMBER}/attach", {"agent_id": UNKNOWN})).status == 404
    assert (await api.post(f"/v1/numbers/{NUMBER}/attach", {})).status == 400


async def test_a_number_belongs_to_one_tenant(api: Api, agent: str, tenant: MakeTenant):
    stranger = await tenant()
    await api.post("/v1/numbers", {"number": NUMBER})
    taken = await api.post("/v1/numbers", {"number": NUMBER}, key=stranger.key)
    assert (taken.status, taken.body["code"]) == (409, "number_taken")
    assert (await api.get("/v1/numbers", key=stranger.key)).body["numbers"] == []
    assert (await api.delete(f"/v1/numbers/{NUMBER}", key=stranger.key)).status == 404
    own = (await api.post("/v1/agents", {"name": "Ben"}, key=stranger.key)).body["id"]
    attached = await api.post(f"/v1/numbers/{NUMBER}/attach", {"agent_id": own}, key=stranger.key)
    assert attached.status == 404
    assert (await api.post("/v1/numbers", {"number": "+15550001111", "agent_id": own})).status == 404


async def test_numbers_come_page_by_page(api: Api):
    numbers = [f"+1555987000{digit}" for digit in range(5)]
    for number in numbers:
        await api.post("/v1/numbers", {"number": number})
    page = (await api.get("/v1/numbers?limit=2&offset=2")).body
    assert [row["number"] for row in page["numbers"]] == numbers[2:4]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 2)

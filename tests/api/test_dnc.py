"""The do-not-call list; that calls obey it is tested where calls are created."""

import asyncio
from collections import Counter
from urllib.parse import quote

import pytest

from tests.api.conftest import Api, MakeTenant

NUMBER = "+15551234567"


async def test_a_number_is_added_once_listed_and_removed(api: Api):
    added = await api.post("/v1/dnc", {"phone_number": "+1 555 123-4567", "reason": "asked for it"})
    assert added.status == 201
    assert (added.body["phone_number"], added.body["reason"]) == (NUMBER, "asked for it")
    again = await api.post("/v1/dnc", {"phone_number": NUMBER})
    assert (again.status, again.body) == (200, added.body)
    assert (await api.get("/v1/dnc")).body == {"entries": [added.body], "total": 1, "offset": 0, "limit": 50}
    assert (await api.delete(f"/v1/dnc/{NUMBER}")).status == 204
    assert (await api.delete(f"/v1/dnc/{NUMBER}")).status == 404


@pytest.mark.parametrize("spelling", [NUMBER, quote(NUMBER, safe=""), quote("+1 555 123-4567")])
async def test_a_number_in_the_path_may_have_its_plus_either_way(api: Api, spelling: str):
    await api.post("/v1/dnc", {"phone_number": NUMBER})
    assert (await api.delete(f"/v1/dnc/{spelling}")).status == 204
    assert (await api.get("/v1/dnc")).body["total"] == 0


async def test_a_batch_says_how_many_are_new_and_which_are_no_numbers(api: Api):
    await api.post("/v1/dnc", {"phone_number": NUMBER})
    numbers = [NUMBER, "+15551234568", "+1 555 123 4568", "nobody", ""]
    added = await api.post("/v1/dnc/batch", {"phone_numbers": numbers, "reason": "list of May"})
    assert (added.status, added.body) == (200, {"added": 1, "invalid": ["nobody", ""]})
    entries = (await api.get("/v1/dnc")).body["entries"]
    assert {entry["phone_number"]: entry["reason"] for entry in entries} == {
        NUMBER: None,
        "+15551234568": "list of May",
    }


async def test_a_check_answers_for_each_number_and_adds_none(api: Api):
    await api.post("/v1/dnc", {"phone_number": NUMBER})
    checked = await api.post("/v1/dnc/check", {"phone_numbers": ["+1 (555) 1234567", "+15550001111"]})
    assert checked.body == {
        "results": [
            {"phone_number": NUMBER, "blocked": True},
            {"phone_number": "+15550001111", "blocked": False},
        ],
    }
    assert (await api.get("/v1/dnc")).body["total"] == 1
    wrong = await api.post("/v1/dnc/check", {"phone_numbers": [NUMBER, "nobody"]})
    assert wrong.body["details"][0]["path"] == "phone_numbers[1]"


async def test_a_thousand_numbers_at_once_and_five_hundred_to_check_are_the_most(api: Api):
    numbers = [f"+1555{index:07}" for index in range(2_000_000, 2_001_001)]
    most = await api.post("/v1/dnc/batch", {"phone_numbers": numbers[:1000]})
    assert most.body == {"added": 1000, "invalid": []}
    assert (await api.post("/v1/dnc/batch", {"phone_numbers": numbers})).status == 400
    assert (await api.post("/v1/dnc/check", {"phone_numbers": numbers[:500]})).status == 200
    assert (await api.post("/v1/dnc/check", {"phone_numbers": numbers[:501]})).status == 400
    assert (await api.post("/v1/dnc/batch", {"phone_numbers": []})).status == 400


async def test_each_tenant_has_a_list_of_its_own(api: Api, tenant: MakeTenant):
    stranger = await tenant()
    await api.post("/v1/dnc", {"phone_number": NUMBER})
    assert (await api.get("/v1/dnc", key=stranger.key)).body["total"] == 0
    checked = await api.post("/v1/dnc/check", {"phone_numbers": [NUMBER]}, key=stranger.key)
    assert checked.body["results"][0]["blocked"] is False
    assert (await api.delete(f"/v1/dnc/{NUMBER}", key=stranger.key)).status == 404
    assert (await api.post("/v1/dnc", {"phone_number": NUMBER}, key=stranger.key)).status == 201


async def test_many_who_add_the_same_at_once_add_it_once(api: Api, database_url: str):
    single = await asyncio.gather(*(api.post("/v1/dnc", {"phone_number": NUMBER}) for _ in range(10)))
    assert Counter(answer.status for answer in single) == {201: 1, 200: 9}
    numbers = [f"+155512340{digit:02}" for digit in range(40)]
    orders = [numbers, numbers[::-1]] * 5
    batches = await asyncio.gather(*(api.post("/v1/dnc/batch", {"phone_numbers": order}) for order in orders))
    assert {answer.status for answer in batches} == {200}
    assert sum(answer.body["added"] for answer in batches) == 40
    assert (await api.get("/v1/dnc")).body["total"] == 41

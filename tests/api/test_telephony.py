"""The tenant's SIP trunk as the API keeps it; what LiveKit makes of it is tested with the pipeline."""

import asyncio
from typing import Any

import pytest

from calls.database.engine import DEFAULT_TENANT
from calls.phones import trunk as telephony
from tests.api.conftest import Api, MakeTenant, stored_bytes

STATUS, TRUNK = "/v1/telephony/status", "/v1/telephony/trunk"


async def test_without_a_trunk_telephony_is_not_connected_and_says_why(api: Api):
    status = (await api.get(STATUS)).body
    assert status == {"connected": False, "provider": "sip", "reason": "No SIP trunk is configured."}
    assert (await api.get(TRUNK)).status == 404
    assert (await api.delete(TRUNK)).status == 404


async def test_a_trunk_is_saved_changed_and_removed_and_its_password_never_shown(api: Api):
    saved = await api.put(
        TRUNK,
        {
            "address": "sip.example.com:5061",
            "transport": "tls",
            "username": "callroom",
            "password": "correct horse",
            "allowed_addresses": ["192.0.2.0/24"],
        },
    )
    assert saved.status == 200
    shown = {name: value for name, value in saved.body.items() if name not in {"state", "reason", "updated_at"}}
    assert shown == {
        "address": "sip.example.com:5061",
        "transport": "tls",
        "username": "callroom",
        "allowed_addresses": ["192.0.2.0/24"],
    }
    changed = await api.put(TRUNK, {"address": "sip.example.net"})
    assert (changed.body["address"], changed.body["transport"]) == ("sip.example.net", "udp")
    assert (await api.get(TRUNK)).body == changed.body
    status = (await api.get(STATUS)).body
    assert status["connected"] is False
    assert status["reason"]
    assert (await api.delete(TRUNK)).status == 204
    assert (await api.delete(TRUNK)).status == 404


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"address": ""}, "address"),
        ({"address": "sip:alice@example.com"}, "address"),
        ({"address": "sip.example.com\r\nVia: x"}, "address"),
        ({"address": "sip.example.com:70000"}, "address"),
        ({"address": "..."}, "address"),
        ({"transport": "sctp"}, "transport"),
        ({"password": ""}, "password"),
        ({"username": 'me"\r\nVia: x'}, "username"),
        ({"allowed_addresses": ["anywhere"]}, "allowed_addresses[0]"),
        ({"allowed_addresses": ["192.0.2.1", "192.0.2.1/33"]}, "allowed_addresses[1]"),
        ({"allowed_addresses": ["192.0.2"]}, "allowed_addresses[0]"),
        ({"port": 5060}, "port"),
    ],
)
async def test_a_wrong_field_of_a_trunk_is_named(api: Api, fields: dict[str, Any], path: str):
    wrong = await api.put(TRUNK, {"address": "sip.example.com", **fields})
    assert wrong.status == 400
    assert [detail["path"] for detail in wrong.body["details"]] == [path]


async def test_each_tenant_has_a_trunk_of_its_own(api: Api, tenant: MakeTenant):
    stranger = await tenant()
    await api.put(TRUNK, {"address": "sip.example.com"})
    assert (await api.get(TRUNK, key=stranger.key)).status == 404
    assert (await api.delete(TRUNK, key=stranger.key)).status == 404


async def test_a_trunk_that_no_pipeline_has_seen_is_not_connected_and_the_status_says_what_is_missing(api: Api):
    await api.put(TRUNK, {"address": "sip.example.com"})
    assert (await api.get(STATUS)).body["reason"] == telephony.NO_NUMBERS
    await api.post("/v1/numbers", {"number": "+15559876543"})
    assert (await api.get(STATUS)).body == {"connected": False, "provider": "sip", "reason": telephony.NO_PIPELINE}
    shown = (await api.get(TRUNK)).body
    assert (shown["state"], shown["reason"]) == ("pending", telephony.NO_PIPELINE)
    async with api.database.writing() as conn:
        look = await telephony.begin_look(conn, 60, 0)
        assert look is not None
        await telephony.end_look(conn, look, "Phones are off.", [])
    shown = (await api.get(TRUNK)).body
    assert (shown["state"], shown["reason"]) == ("pending", "Phones are off."), "it is not about to be set up"
    again = (await api.put(TRUNK, {"address": "sip.example.net"})).body
    assert (again["state"], again["reason"]) == ("pending", "Phones are off.")


async def test_what_a_pipeline_saw_just_now_is_the_status(api: Api):
    await api.put(TRUNK, {"address": "sip.example.com"})
    await api.post("/v1/numbers", {"number": "+15559876543"})
    for problem in ("Nobody takes calls.", None):
        async with api.database.writing() as conn:
            look = await telephony.begin_look(conn, 60, 0)
            assert look is not None
            row = await telephony.get_trunk(conn, DEFAULT_TENANT)
            seen = telephony.Outcome(row.tenant_id, row.version, {"outbound": "ST_1"}, None)
            await telephony.end_look(conn, look, problem, [seen])
        assert (await api.get(STATUS)).body == {"connected": not problem, "provider": "sip", "reason": problem}
        assert (await api.get(TRUNK)).body["state"] == "ready"


async def test_the_password_does_not_stand_in_the_database_in_clear(api: Api):
    await api.put(TRUNK, {"address": "sip.example.com", "username": "ada", "password": "correct horse"})
    stored = await stored_bytes(api)
    assert b"sip.example.com" in stored
    assert b"correct horse" not in stored


async def test_trunk_and_numbers_of_many_at_once_leave_one(api: Api, database_url: str):
    trunks = await asyncio.gather(
        *(api.put("/v1/telephony/trunk", {"address": f"sip{index}.example.com"}) for index in range(8)),
    )
    assert {answer.status for answer in trunks} == {200}
    registered = await asyncio.gather(*(api.post("/v1/numbers", {"number": "+15559876543"}) for _ in range(8)))
    assert {answer.status for answer in registered} <= {201, 409}
    assert (await api.get("/v1/numbers")).body["total"] == 1

"""`GET /v1/usage`."""

from typing import Any

import pytest

from tests.api.conftest import Api, MakeTenant

USAGE = "/v1/usage"


async def ended(api: Api, agent: str, identity: str = "ada") -> dict[str, Any]:
    """A call that nobody came to."""
    body = {"agent_id": agent, "participants": [{"transport": "webrtc", "identity": identity}]}
    call = (await api.post("/v1/calls", body)).body
    await api.post(f"/v1/calls/{call['id']}/end")
    return dict(call)


async def test_calls_are_counted_by_day_and_agent_and_still_when_they_are_erased(
    api: Api, agent: str, tenant: MakeTenant
):
    other = (await api.post("/v1/agents", {"name": "Bob"})).body["id"]
    call = await ended(api, agent)
    await ended(api, other)
    day = call["created_at"][:10] if "created_at" in call else (await api.get(USAGE)).body["to_day"]

    whole = (await api.get(USAGE)).body
    assert (whole["total"]["calls"], whole["total"]["completed"], whole["total"]["failures"]) == (2, 2, {})
    assert [(group["day"], group["agent_id"], group["calls"]) for group in whole["groups"]] == [(day, None, 2)]
    by_both = (await api.get(f"{USAGE}?group_by=day,agent&from_day={day}&to_day={day}")).body["groups"]
    assert {(group["day"], group["agent_id"], group["calls"]) for group in by_both} == {
        (day, agent, 1),
        (day, other, 1),
    }
    of_one = (await api.get(f"{USAGE}?agent_id={other}&group_by=agent")).body
    assert [(group["day"], group["agent_id"]) for group in of_one["groups"]] == [(None, other)]
    assert of_one["total"]["answers"] == {"count": 0, "p50_ms": None, "p95_ms": None}

    assert (await api.delete(f"/v1/calls/{call['id']}")).status == 204
    assert (await api.get(USAGE)).body == whole
    stranger = await tenant()
    assert (await api.get(USAGE, key=stranger.key)).body["groups"] == []
    assert (await api.get(f"{USAGE}?to_day=2020-01-01")).body["groups"] == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("from_day=yesterday", "from_day"),
        ("from_day=20260301", "from_day"),
        ("from_day=2026-03-01&to_day=2026-02-01", "from_day"),
        ("from_day=2020-01-01&to_day=2021-01-01", "from_day"),
        ("group_by=week", "group_by[0]"),
        ("agent_id=aria", "agent_id"),
        ("from=2026-01-01", "from"),
    ],
)
async def test_a_wrong_parameter_is_named(api: Api, query: str, path: str):
    wrong = await api.get(f"{USAGE}?{query}")
    assert (wrong.status, [detail["path"] for detail in wrong.body["details"]]) == (400, [path])

"""`/v1/calls/batch`, `/fanout` and `/:id/participants`."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from calls.states import EndReason
from calls.store import CallStore
from tests.api.conftest import Api, browser, phone

Make = Callable[..., Awaitable[str]]


@pytest.fixture(autouse=True)
async def _own_number(number: Make) -> None:
    await number()


async def test_each_recipient_of_a_batch_gets_a_call_and_the_others_a_reason(
    database_url: str,
    api: Api,
    agent: str,
):
    await api.post("/v1/dnc", {"phone_number": "+15551230009"})
    recipients: list[dict[str, Any]] = [
        {"to": "+15551230001", "metadata": {"who": "Ann", "wave": 2}, "variables": {"name": "Ann"}},
        {"identity": "+1 555 123 0002"},
        {"phone": "nobody"},
        {"phone_number": "+15551230009"},
        {"to": "001 555 1230001"},
    ]
    body = {
        "agent_id": agent,
        "recipients": recipients,
        "batch_id": "batch_1710",
        "metadata": {"wave": 1, "campaign": "spring"},
        "variables": {"name": "friend", "city": "Ulm"},
    }
    answer = await api.post("/v1/calls/batch", body)
    assert answer.status == 202
    assert (answer.body["batch_id"], answer.body["queued"]) == ("batch_1710", 2)
    assert [(call["identity"], call["status"]) for call in answer.body["calls"]] == [
        ("+15551230001", "queued"),
        ("+15551230002", "queued"),
    ]
    assert all(set(call) == {"id", "identity", "status", "job_id"} for call in answer.body["calls"])
    assert [(one["identity"], one["code"]) for one in answer.body["rejected"]] == [
        ("nobody", "invalid_number"),
        ("+15551230009", "dnc"),
        ("+15551230001", "duplicate"),
    ]
    first = (await api.get(f"/v1/calls/{answer.body['calls'][0]['id']}")).body
    assert first["metadata"] == {"who": "Ann", "wave": 2, "campaign": "spring", "batch_id": "batch_1710"}
    assert first["variables"] == {"name": "Ann", "city": "Ulm"}
    assert first["participants"][0]["from_number"] == "+15559876543"
    assert (await api.get("/v1/calls/queue/stats")).body["waiting"] == 2
    assert (await api.get("/v1/calls")).body["total"] == 2


async def test_a_batch_whose_recipients_are_all_rejected_is_a_202(api: Api, agent: str):
    answer = await api.post("/v1/calls/batch", {"agent_id": agent, "to": ["nobody"]})
    assert (answer.status, answer.body["queued"], answer.body["calls"]) == (202, 0, [])
    assert answer.body["batch_id"]


async def test_a_batch_takes_500_recipients_and_no_more(api: Api, agent: str):
    numbers = [f"+1555{n:07d}" for n in range(2_000_000, 2_000_501)]
    refused = await api.post("/v1/calls/batch", {"agent_id": agent, "to": numbers})
    assert (refused.status, refused.body["details"][0]["path"]) == (400, "to")
    taken = await api.post("/v1/calls/batch", {"agent_id": agent, "to": numbers[:500]})
    assert (taken.status, taken.body["queued"]) == (202, 500)
    assert len({call["id"] for call in taken.body["calls"]}) == 500
    assert (await api.get("/v1/calls?status=queued")).body["total"] == 500


async def test_a_wrong_batch_is_a_400(api: Api, agent: str):
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, ""),
        ({"to": [], "recipients": None}, "to"),
        ({"to": ["+15551230001"], "recipients": [{"to": "+15551230002"}]}, ""),
        ({"recipients": [{}]}, "recipients[0]"),
        ({"recipients": [{"to": "+15551230001", "phone": "+15551230002"}]}, "recipients[0]"),
        ({"recipients": [{"to": "+15551230001", "name": "Ann"}]}, "recipients[0].name"),
        ({"recipients": [{"to": "+15551230001", "from_number": "x"}]}, "recipients[0].from_number"),
        ({"recipients": [{"to": "+15551230001", "from_number": "+15550000001"}]}, "recipients[0].from_number"),
        ({"to": ["+15551230001"], "from_number": "+15550000001"}, "from_number"),
    ]
    for path in ("/v1/calls/batch", "/v1/calls/fanout"):
        for fields, where in wrong:
            answer = await api.post(path, {"agent_id": agent, **fields})
            assert (answer.status, answer.body["details"][0]["path"]) == (400, where), (path, fields)
        unknown = await api.post(path, {"agent_id": str(uuid4()), "to": ["+15551230001"]})
        assert unknown.status == 404
    assert (await api.get("/v1/calls")).body["total"] == 0


async def test_a_fanout_is_one_call_with_all_recipients(api: Api, agent: str):
    body = {
        "agent_id": agent,
        "recipients": [{"to": "+15551230001", "metadata": {"seat": 1}}, {"to": "+15551230002"}],
        "metadata": {"topic": "standup"},
    }
    answer = await api.post("/v1/calls/fanout", body)
    assert answer.status == 202
    fields = {"id", "room_name", "status", "participants", "agent", "call_token", "warnings", "fanout_id", "queued"}
    assert set(answer.body) == fields
    assert (answer.body["status"], answer.body["queued"]) == ("queued", 2)
    assert [one["identity"] for one in answer.body["participants"]] == ["+15551230001", "+15551230002"]
    detail = (await api.get(f"/v1/calls/{answer.body['id']}")).body
    assert detail["metadata"] == {"topic": "standup", "fanout_id": answer.body["fanout_id"]}
    assert [one["metadata"] for one in detail["participants"]] == [{"seat": 1}, {}]
    assert (await api.get("/v1/calls")).body["total"] == 1


async def test_a_fanout_refuses_what_it_cannot_call(api: Api, agent: str):
    await api.post("/v1/dnc", {"phone_number": "+15551230009"})
    wrong = {"nobody": "to[1]", "+1 555 123 0001": "to[1]"}
    for number, path in wrong.items():
        answer = await api.post("/v1/calls/fanout", {"agent_id": agent, "to": ["+15551230001", number]})
        assert (answer.status, answer.body["details"][0]["path"]) == (400, path)
    blocked = await api.post("/v1/calls/fanout", {"agent_id": agent, "to": ["+15551230001", "+15551230009"]})
    assert (blocked.status, "+15551230009" in blocked.body["error"]) == (409, True)


async def test_browsers_and_phones_join_a_call_that_is_not_over(database_url: str, api: Api, agent: str):
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body
    path = f"/v1/calls/{call['id']}/participants"
    tab = await api.post(path, {"participants": [browser("browser-tab-2", metadata={"n": 2})]})
    leg = await api.post(path, {"participants": [phone(), browser("browser-tab-3")]})
    assert (tab.status, leg.status) == (201, 202)
    [added] = tab.body["participants"]
    assert (added["identity"], added["status"], set(added["access"])) == ("browser-tab-2", "joining", {"url", "token"})
    assert [one["status"] for one in leg.body["participants"]] == ["queued", "joining"]
    detail = (await api.get(f"/v1/calls/{call['id']}")).body
    assert [one["identity"] for one in detail["participants"]] == [
        "browser-tab-1",
        "browser-tab-2",
        "+15551234567",
        "browser-tab-3",
    ]
    assert detail["participant_count"] == 4
    assert detail["primary_participant"]["identity"] == "browser-tab-1"


async def test_adding_participants_is_refused_for_each_reason(api: Api, agent: str):
    await api.post("/v1/dnc", {"phone_number": "+15551230009"})
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    path = f"/v1/calls/{call}/participants"
    refused: list[tuple[list[dict[str, Any]], int]] = [
        ([], 400),
        ([phone("nobody")], 400),
        ([browser("a"), browser("a")], 400),
        ([browser()], 409),
        ([phone("+15551230009")], 409),
    ]
    for people, status in refused:
        assert (await api.post(path, {"participants": people})).status == status, people
    assert (await api.post(f"/v1/calls/{uuid4()}/participants", {"participants": [browser()]})).status == 404
    async with api.database.writing() as conn:
        await CallStore(conn).finish(call, EndReason.NOBODY_JOINED)
    over = await api.post(path, {"participants": [browser("tab-2")]})
    assert (over.status, over.body["code"]) == (409, "call_over")

"""A link for whoever has no page of their own: its code lets them in, once, as long as the call runs."""

import asyncio
from typing import Any

import pytest
from livekit import rtc

from tests.api.conftest import Answer, Api, browser, run_api
from tests.conftest import MakeSettings


async def place(api: Api, agent: str, **more: Any) -> dict[str, Any]:
    body = {"agent_id": agent, "participants": [browser("ada", metadata={"table": 4})]}
    created: dict[str, Any] = (await api.post("/v1/calls", body, **more)).body
    return created


def code(created: dict[str, Any]) -> str:
    return str(created["participants"][0]["join_url"].rpartition("/")[2])


async def join(api: Api, given: str) -> Answer:
    return await api.post("/v1/join", {"code": given}, key=None)


async def test_of_several_who_open_a_link_one_is_let_in_and_the_others_are_told(
    database_url: str, api: Api, agent: str
):
    created = await place(api, agent)
    answers = await asyncio.gather(*(join(api, code(created)) for _ in range(4)))
    [joined] = [one.body for one in answers if one.status == 200]
    refused = [(one.status, one.body["code"]) for one in answers if one.status != 200]
    assert refused == [(409, "code_used")] * 3
    assert (joined["call_id"], joined["participant_id"]) == (created["id"], created["participants"][0]["id"])
    assert joined["agent"] == {"id": agent, "name": "Aria"}
    room = rtc.Room()
    try:
        await room.connect(joined["access"]["url"], joined["access"]["token"])
        assert (room.name, room.local_participant.identity) == (created["room_name"], "ada")
        assert room.local_participant.metadata == '{"table": 4}'
    finally:
        await room.disconnect()
    path = f"/v1/calls/{created['id']}"
    assert (await api.get(path, key=joined["call_token"])).status == 403
    assert (await api.post(f"{path}/end", {}, key=joined["call_token"])).status == 200


async def test_who_is_added_later_has_a_link_and_a_publishable_key_gives_none(api: Api, agent: str, publishable: Any):
    created = await place(api, agent)
    added = await api.post(f"/v1/calls/{created['id']}/participants", {"participants": [browser("bob")]})
    assert (await join(api, code(added.body))).status == 200
    by_a_page = await place(api, agent, key=await publishable())
    assert by_a_page["participants"][0]["join_url"] is None


async def test_a_code_is_worth_nothing_once_its_call_is_over_or_its_key_revoked(api: Api, agent: str):
    over = await place(api, agent)
    await api.post(f"/v1/calls/{over['id']}/end", {})
    refused = await join(api, code(over))
    assert (refused.status, refused.body["code"]) == (409, "call_over")
    key = (await api.post("/v1/auth/api-keys", {"label": "another"})).body
    orphan = await place(api, agent, key=key["key"])
    assert (await api.delete(f"/v1/auth/api-keys/{key['id']}")).status == 204
    assert (await join(api, code(orphan))).status == 404


async def test_what_is_no_code_is_refused(api: Api, agent: str):
    created = await place(api, agent)
    token = created["call_token"].removeprefix("sb_call_")
    for given in ("", "nobody", "ü", code(created)[:-4] + "AAAA", token):
        assert (await join(api, given)).status == 404
    too_long = await join(api, "x" * 201)
    assert (too_long.status, too_long.body["details"][0]["path"]) == (400, "code")


@pytest.mark.parametrize("public", ["https://calls.example.com/voice/", None])
async def test_the_link_leads_to_where_browsers_reach_the_api(
    settings: MakeSettings, working: dict[str, str], public: str | None
):
    async for api in run_api(settings(public_url=public, **working)):
        agent = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
        link = (await place(api, agent))["participants"][0]["join_url"]
        assert link.startswith("https://calls.example.com/voice/join/" if public else f"{api.url}/join/")

"""Who changed which field of an agent, and undoing it."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from calls.tables import agent_changes
from tests.api.conftest import Api

Change = dict[str, Any]
TOOL = {"name": "look_up", "url": "https://1.1.1.1/orders", "headers": {"Authorization": "Bearer marzipan"}}


async def changed(api: Api, agent: str, **fields: Any) -> None:
    answer = await api.put(f"/v1/agents/{agent}", fields)
    assert answer.status == 200, answer.body


async def changes(api: Api, agent: str, query: str = "") -> list[Change]:
    answer = await api.get(f"/v1/agents/{agent}/changes{query}")
    assert answer.status == 200
    return list(answer.body["changes"])


async def undo(api: Api, agent: str, change: Change) -> tuple[int, Any]:
    answer = await api.post(f"/v1/agents/{agent}/changes/{change['id']}/undo", {})
    return answer.status, answer.body


async def test_each_field_that_is_changed_is_written_down_with_who_did_it(api: Api, agent: str):
    summary = {"enabled": True, "prompt": "What was booked"}
    await changed(api, agent, first_message="Hello!", features={"redact": ["card"]}, post_call={"summary": summary})
    await changed(api, agent, first_message="Hello!")  # it is so already
    await changed(api, agent, post_call={"summary": summary | {"prompt": "What was eaten"}})
    latest, *others = await changes(api, agent)
    assert (latest["field"], latest["before"], latest["after"]) == (
        "post_call.summary.prompt",
        "What was booked",
        "What was eaten",
    )
    assert {(one["field"], str(one["before"]), str(one["after"])) for one in others} == {
        ("first_message", "", "Hello!"),
        ("features.redact", "[]", "['card']"),
        ("post_call.summary", "None", str(summary)),
    }
    assert latest["changed_by"]["label"] == "tests"
    assert latest["changed_by"]["key_prefix"] == api.key[: len(latest["changed_by"]["key_prefix"])]


async def test_changes_come_page_by_page_and_since_a_moment(api: Api, agent: str):
    for number in range(3):
        await changed(api, agent, name=f"Aria {number}")
    moment = datetime.now(UTC).isoformat()
    await changed(api, agent, name="Aria 3")
    assert [one["after"] for one in await changes(api, agent, "?limit=2&offset=1")] == ["Aria 2", "Aria 1"]
    assert (await api.get(f"/v1/agents/{agent}/changes?limit=1")).body["total"] == 4
    later = await api.get(f"/v1/agents/{agent}/changes?since={moment.replace('+', '%2B')}")
    assert [one["after"] for one in later.body["changes"]] == ["Aria 3"]
    assert (await api.get(f"/v1/agents/{agent}/changes?since=yesterday")).body["details"][0]["path"] == "since"


async def test_an_undone_field_is_as_before_and_its_neighbours_stay(api: Api, agent: str):
    await changed(api, agent, post_call={"summary": {"enabled": True, "prompt": "What was booked"}})
    await changed(api, agent, post_call={"summary": {"enabled": True}})
    [gone] = [one for one in await changes(api, agent) if one["field"] == "post_call.summary.prompt"]
    await changed(api, agent, post_call={"summary": {"enabled": False}, "recording": {"enabled": True}})
    status, shown = await undo(api, agent, gone)
    assert status == 200
    assert shown["post_call"] == {
        "summary": {"enabled": False, "prompt": "What was booked"},
        "recording": {"enabled": True},
    }
    newest = (await changes(api, agent))[0]
    assert (newest["field"], newest["before"], newest["after"]) == (gone["field"], None, "What was booked")
    assert await undo(api, agent, newest) == (200, (await api.get(f"/v1/agents/{agent}")).body)
    assert "prompt" not in (await api.get(f"/v1/agents/{agent}")).body["post_call"]["summary"]


async def test_what_was_changed_again_since_is_not_undone(api: Api, agent: str):
    await changed(api, agent, name="Ada")
    await changed(api, agent, name="Eve")
    second, first = await changes(api, agent)
    assert (second["can_undo"], first["can_undo"]) == (True, False)
    status, body = await undo(api, agent, first)
    assert (status, body["code"]) == (409, "changed_since")
    assert [(await undo(api, agent, one))[0] for one in (second, first)] == [200, 200]
    assert (await api.get(f"/v1/agents/{agent}")).body["name"] == "Aria"


async def test_a_header_that_was_taken_away_is_hidden_encrypted_and_comes_back(api: Api, agent: str):
    await changed(api, agent, tools=[TOOL])
    await changed(api, agent, tools=[TOOL | {"headers": {"Authorization": "Bearer other"}}])
    await changed(api, agent, tools=[])
    shown = await changes(api, agent)
    assert "marzipan" not in str(shown)
    assert [one["before"][0]["headers"] for one in shown[:2]] == [{"Authorization": "•••"}] * 2
    async with api.database.reading() as conn:
        assert "marzipan" not in str((await conn.execute(sa.select(agent_changes))).all())
    for one in shown[:2]:
        assert (await undo(api, agent, one))[0] == 200
    assert (await api.get(f"/v1/agents/{agent}")).body["tools"][0]["headers"] == TOOL["headers"]


async def test_what_may_be_a_secret_is_hidden_wherever_it_stands(api: Api, agent: str):
    assert (await api.put("/v1/tool-secrets/SHOP", {"value": "plum", "host": "1.1.1.1"})).status == 200
    url = "https://1.1.1.1/{{arguments.number}}?of={{shop}}&api_key=marzipan&marzipan"
    kept = {"A": "Bearer {{secrets.SHOP}}", "B": "{{shop}}"}
    headers = {**kept, "C": "marzipan {{secrets.SHOP}}", "D": '{{shop | default: "marzipan"}}'}
    options = {"instructions": "As at https://a:marzipan@b/c", "speed": 1.5}
    tool = {"name": "look_up", "url": url, "headers": headers}
    await changed(api, agent, tools=[tool], tts=[{"voice": "v", "options": options}])
    shown = {one["field"]: one["after"][0] for one in await changes(api, agent)}
    assert shown["tools"]["url"] == "https://1.1.1.1/{{arguments.number}}?of={{shop}}&api_key=•••&•••"
    assert shown["tools"]["headers"] == {**kept, "C": "•••", "D": "•••"}
    assert shown["tts"]["options"] == {"instructions": "As at https://•••@b/c", "speed": 1.5}


async def test_an_undo_has_to_pass_what_a_change_has_to(api: Api, agent: str):
    secret = {"value": "marzipan", "host": "1.1.1.1"}
    assert (await api.put("/v1/tool-secrets/SHOP", secret)).status == 200
    await changed(api, agent, tools=[TOOL | {"headers": {"Authorization": "Bearer {{secrets.SHOP}}"}}])
    await changed(api, agent, tools=[])
    assert (await api.delete("/v1/tool-secrets/SHOP")).status == 204
    status, body = await undo(api, agent, (await changes(api, agent))[0])
    assert (status, body["details"][0]["path"]) == (400, "tools[0].headers.Authorization")


async def test_changes_are_gone_with_the_agent_and_of_no_other(api: Api, agent: str):
    await changed(api, agent, name="Ada")
    [change] = await changes(api, agent)
    other = (await api.post("/v1/agents", {"name": "Other"})).body["id"]
    assert (await undo(api, other, change))[0] == 404
    await api.delete(f"/v1/agents/{agent}")
    assert (await api.get(f"/v1/agents/{agent}/changes")).status == 404
    async with api.database.reading() as conn:
        assert (await conn.execute(sa.select(agent_changes))).all() == []

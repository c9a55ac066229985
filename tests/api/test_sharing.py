"""Share links: who comes by one talks to its agent, within limits that hold for everybody together."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from calls.tables import share_visits
from tests.api.conftest import Answer, Api, Serve
from tests.servers import free_port


async def linked(api: Api, agent_id: str, **limits: Any) -> str:
    """The code of the agent's link with these limits."""
    answer = await api.put(f"/v1/agents/{agent_id}/share-link", limits)
    assert answer.status == 200
    assert answer.body["url"].startswith(f"{api.url}/talk/")
    return str(answer.body["url"].rpartition("/")[2])


async def visit(api: Api, code: str, **headers: str) -> Answer:
    return await api.post(f"/v1/shared/{code}/calls", {}, key=None, headers=headers)


async def test_a_visitor_needs_no_key_and_talks_no_longer_than_the_link_says(api: Api, agent: str):
    code = await linked(api, agent, max_call_seconds=45)
    shared = (await api.get(f"/v1/shared/{code}", key=None)).body
    assert shared == {"agent_name": "Aria", "max_call_seconds": 45}
    answer = await visit(api, code)
    assert (answer.status, answer.body["max_call_seconds"]) == (201, 45)
    assert set(answer.body["access"]) == {"url", "token"}
    call = (await api.get(f"/v1/calls/{answer.body['call_id']}")).body
    assert answer.body["participant_id"] == call["participants"][0]["id"]
    assert call["metadata"] == {"source": "share_link"}
    assert call["participants"][0]["identity"].startswith("visitor-")
    token = answer.body["call_token"]
    assert (await api.get(f"/v1/calls/{call['id']}", key=token)).status == 403
    assert (await api.post(f"/v1/calls/{call['id']}/end", {}, key=token)).status == 200
    assert (await api.get("/v1/keys/publishable")).body == {"keys": []}
    async with api.database.reading() as conn:
        kept = await conn.scalar(sa.text("SELECT agent FROM calls"))
    assert '"max_duration_s": 45' in str(kept).replace("'", '"')


async def test_a_link_names_the_variables_that_its_visitors_would_hear_as_a_hole(api: Api):
    tool = {
        "name": "book",
        "description": "Books.",
        "url": "https://example.com/{{arguments.room}}/{{ branch }}",
        "headers": {"X-From": "{{ source }}"},
    }
    texts = {
        "first_message": 'Hello {{ guest }}, or {{ name | default: "you" }}.',
        "system_prompt": "{{guest}} comes from {{ city }}.",
        "tools": [tool],
    }
    agent = (await api.post("/v1/agents", {"name": "Aria"} | texts)).body["id"]
    link = (await api.put(f"/v1/agents/{agent}/share-link", {})).body
    assert [warning.split(": ")[1].split()[0] for warning in link["warnings"]] == ["guest", "city", "branch"]
    assert (await api.get(f"/v1/agents/{agent}/testers")).body["link"] == link


async def test_a_link_grants_and_sets_aside_no_more_than_its_agents_calls_last(api: Api):
    agent = (await api.post("/v1/agents", {"name": "Aria", "max_duration_s": 60})).body["id"]
    code = await linked(api, agent, minutes_limit=2)
    assert (await api.get(f"/v1/shared/{code}", key=None)).body["max_call_seconds"] == 60
    answers = [await visit(api, code) for _ in range(2)]
    assert [(one.status, one.body["max_call_seconds"]) for one in answers] == [(201, 60)] * 2


async def test_a_visit_of_which_there_came_no_call_does_not_count(serve: Serve):
    api = await serve(livekit_url=f"ws://127.0.0.1:{free_port()}")
    agent = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
    code = await linked(api, agent, calls_per_ip_hour=1)
    answers = [await visit(api, code) for _ in range(2)]
    assert [(one.status, one.body["code"]) for one in answers] == [(503, "livekit_unavailable")] * 2


async def test_only_the_given_limits_change_and_a_bad_one_names_its_field(api: Api, agent: str):
    path = f"/v1/agents/{agent}/share-link"
    await api.put(path, {"minutes_limit": 7})
    link = (await api.put(path, {"max_concurrent": 3})).body
    assert (link["minutes_limit"], link["max_concurrent"], link["max_call_seconds"]) == (7, 3, 300)
    assert (await api.get(f"/v1/agents/{agent}/testers")).body == {"link_feature": True, "link": link}
    refused = await api.put(path, {"max_call_seconds": 0})
    assert (refused.status, refused.body["details"][0]["path"]) == (400, "max_call_seconds")


@pytest.mark.usefixtures("database_url")
async def test_a_link_that_is_off_renewed_or_of_no_agent_any_more_leads_nowhere(api: Api, agent: str):
    code = await linked(api, agent)
    await linked(api, agent, enabled=False)
    assert (await visit(api, code)).status == 404
    assert await linked(api, agent, enabled=True) == code
    renewed = (await api.post(f"/v1/agents/{agent}/share-link/regenerate", {})).body["url"].rpartition("/")[2]
    assert [(await visit(api, one)).status for one in (code, renewed)] == [404, 201]
    assert (await api.get(f"/v1/shared/{code}", key=None)).status == 404
    assert [(await visit(api, one)).status for one in ("%00" * 22, "x", "x" * 22)] == [404] * 3
    await api.delete(f"/v1/agents/{agent}")
    assert (await visit(api, renewed)).status == 404


@pytest.mark.usefixtures("database_url")
async def test_no_more_talk_at_once_than_may_however_many_come_at_the_same_moment(serve: Serve):
    first, second = await serve(), await serve()
    agent = (await first.post("/v1/agents", {"name": "Aria"})).body["id"]
    code = await linked(first, agent, max_concurrent=2, calls_per_ip_hour=100)
    answers = await asyncio.gather(*(visit(api, code) for api in (first, second) * 5))
    assert Counter((one.status, one.body.get("code")) for one in answers) == {
        (201, None): 2,
        (429, "too_many_at_once"): 8,
    }
    taken = next(one.body["call_id"] for one in answers if one.status == 201)
    await first.post(f"/v1/calls/{taken}/end", {})
    assert (await visit(second, code)).status == 201


@pytest.mark.usefixtures("database_url")
async def test_the_minutes_are_those_of_all_calls_and_one_that_runs_has_its_own_set_aside(api: Api, agent: str):
    code = await linked(api, agent, minutes_limit=1, max_call_seconds=45, max_concurrent=100, calls_per_ip_hour=100)
    answers = await asyncio.gather(*(visit(api, code) for _ in range(4)))
    granted = sorted(one.body["max_call_seconds"] for one in answers if one.status == 201)
    assert granted == [15, 45]
    assert {(one.status, one.body["code"]) for one in answers if one.status != 201} == {(409, "minutes_used_up")}
    link = (await api.get(f"/v1/agents/{agent}/testers")).body["link"]
    assert link["minutes_used"] == 1.0
    for one in answers:
        if one.status == 201:
            await api.post(f"/v1/calls/{one.body['call_id']}/end", {})  # nobody had said a word
    assert (await visit(api, code)).body["max_call_seconds"] == 45


@pytest.mark.usefixtures("database_url")
async def test_an_address_may_come_so_often_in_an_hour_and_behind_a_proxy_each_is_its_own(serve: Serve):
    api = await serve(trusted_proxies=("127.0.0.1/32",))
    agent = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
    code = await linked(api, agent, max_concurrent=100, calls_per_ip_hour=2)

    async def come(address: str) -> tuple[int, str | None]:
        answer = await visit(api, code, **{"X-Forwarded-For": address})
        return answer.status, answer.body.get("code")

    came = await asyncio.gather(*(come("203.0.113.7") for _ in range(4)))
    assert Counter(came) == {(201, None): 2, (429, "too_many_calls"): 2}
    assert await come("203.0.113.8") == (201, None)
    async with api.database.writing() as conn:
        rows = (await conn.execute(sa.select(share_visits))).all()
        for row in rows:
            past = sa.update(share_visits).where(share_visits.c.id == row.id)
            await conn.execute(past.values(created_at=row.created_at - timedelta(hours=1)))
    assert await come("203.0.113.7") == (201, None)

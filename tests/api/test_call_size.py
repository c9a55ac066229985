"""How many people a call has room for."""

from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa

from calls.tables import participants
from tests.api.conftest import Answer, Api, browser


def people(first: int, last: int) -> list[dict[str, Any]]:
    return [browser(f"browser-{n}") for n in range(first, last)]


def refused(answer: Answer, field: str) -> bool:
    [detail] = answer.body["details"]
    sentence = "expected at most 50 participants in one call"
    return (answer.status, detail["path"], detail["message"]) == (400, field, sentence)


async def test_a_call_begins_with_fifty_people_at_most(api: Api, agent: str):
    answer = await api.post("/v1/calls", {"agent_id": agent, "participants": people(0, 51)})
    assert refused(answer, "participants")
    assert "50" in answer.body["error"]
    assert (await api.post("/v1/calls", {"agent_id": agent, "participants": people(0, 50)})).status == 201


async def test_a_conference_of_phones_has_no_more_room(
    api: Api, agent: str, number: Callable[..., Awaitable[str]]
) -> None:
    await number()
    numbers = [f"+1555{n:07d}" for n in range(2_000_000, 2_000_051)]
    assert refused(await api.post("/v1/calls/fanout", {"agent_id": agent, "to": numbers}), "to")
    recipients = [{"to": one} for one in numbers]
    assert refused(await api.post("/v1/calls/fanout", {"agent_id": agent, "recipients": recipients}), "recipients")
    assert (await api.post("/v1/calls/fanout", {"agent_id": agent, "to": numbers[1:]})).status == 202


async def test_whoever_comes_later_takes_the_place_of_who_has_left(database_url: str, api: Api, agent: str):
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": people(0, 49)})).body
    path = f"/v1/calls/{call['id']}/participants"
    assert refused(await api.post(path, {"participants": people(49, 51)}), "participants")
    assert (await api.post(path, {"participants": people(49, 50)})).status == 201
    assert refused(await api.post(path, {"participants": people(50, 51)}), "participants")
    assert len((await api.get(f"/v1/calls/{call['id']}")).body["participants"]) == 50
    async with api.database.writing() as conn:
        left = sa.update(participants).where(participants.c.identity == "browser-7").values(status="left")
        await conn.execute(left)
    assert (await api.post(path, {"participants": people(50, 51)})).status == 201

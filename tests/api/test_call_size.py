"""How many people a call has room for."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from livekit import rtc

from calls.rooms import Rooms
from calls.tables import participants
from tests.api.conftest import Answer, Api, Serve, browser
from tests.conftest import Until


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


async def test_whoever_comes_back_finds_no_more_room_where_others_have_it_until_one_of_them_leaves(
    serve: Serve, until: Until
):
    api = await serve(max_participants=2)
    agent = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": people(0, 2)})).body
    async with api.database.writing() as conn:
        await conn.execute(sa.update(participants).values(status="left"))
    path = f"/v1/calls/{call['id']}/participants"
    added = (await api.post(path, {"participants": people(2, 4)})).body
    async with AsyncExitStack() as inside, Rooms.connect(api.settings) as rooms:

        async def enter(place: dict[str, Any]) -> rtc.Room:
            room = rtc.Room()
            inside.push_async_callback(room.disconnect)
            await room.connect(place["access"]["url"], place["access"]["token"])
            return room

        async def present() -> list[str]:
            return sorted(one.identity for one in await rooms.list_participants(call["room_name"]))

        back, back_too = call["participants"]
        await enter(back)
        new = await enter(added["participants"][0])
        for place in (back_too, added["participants"][1]):
            with pytest.raises(rtc.ConnectError):
                await enter(place)
        assert await present() == ["browser-0", "browser-2"]
        await new.disconnect()

        async def one_has_left() -> bool:
            return await present() == ["browser-0"]

        await until(one_has_left)
        await enter(back_too)
        assert await present() == ["browser-0", "browser-1"]

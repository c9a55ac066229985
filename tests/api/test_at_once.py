"""Many requests at the same moment: worked on together, each with an answer of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from api.together import Together
from tests.api.conftest import Api, MakeTenant, browser, phone

pytestmark = pytest.mark.restless

Make = Callable[..., Awaitable[str]]
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_calls_that_are_placed_at_once_are_each_answered_for_themselves(
    database_url: str,
    api: Api,
    agent: str,
    tenant: MakeTenant,
    number: Make,
):
    await api.post("/v1/dnc", {"phone_number": "+15551234567"})
    await number()
    another = await tenant()
    wanted = {
        "good": ({"agent_id": agent, "participants": [browser()]}, "", 201),
        "unknown": ({"agent_id": UNKNOWN, "participants": [browser()]}, "", 404),
        "blocked": ({"agent_id": agent, "participants": [phone("+15551234567")]}, "", 409),
        "stranger": ({"agent_id": agent, "participants": [browser()]}, another.key, 404),
        "nobody": ({"agent_id": agent, "participants": [browser()]}, "sk_nobody", 401),
        "dialled": ({"agent_id": agent, "participants": [phone("+15551234568")]}, "", 202),
    }

    async def place(name: str, nth: int) -> tuple[str, int, int, str | None]:
        body, key, _status = wanted[name]
        answer = await api.post("/v1/calls", {**body, "metadata": {"nth": nth}}, key=key)
        return name, nth, answer.status, answer.body.get("id")

    placed = await asyncio.gather(*(place(name, nth) for nth in range(8) for name in wanted))
    assert [(name, status) for name, _, status, _ in placed] == [(name, wanted[name][2]) for name, *_ in placed]
    ids = {call_id: nth for _, nth, status, call_id in placed if status in (201, 202)}
    listed = (await api.get("/v1/calls")).body
    assert {call["id"]: call["metadata"]["nth"] for call in listed["calls"]} == ids
    assert listed["total"] == len(ids) == 16


async def test_what_breaks_a_group_breaks_nobody_else_in_it():
    groups: list[int] = []

    async def divide(numbers: Sequence[int]) -> list[float]:
        groups.append(len(numbers))
        await asyncio.sleep(0)
        return [1 / number for number in numbers]

    together = Together(divide)
    answers = await asyncio.gather(*map(together.ask, (1, 0, 4)), return_exceptions=True)
    assert (answers[0], type(answers[1]), answers[2]) == (1, ZeroDivisionError, 0.25)
    assert groups == [3, 1, 1, 1]
    with pytest.raises(ZeroDivisionError):
        await together.ask(0)
    assert await together.ask(2) == 0.5


async def test_who_does_not_wait_for_the_answer_holds_up_nobody():
    may_answer = asyncio.Event()

    async def answer(questions: Sequence[str]) -> list[str]:
        await may_answer.wait()
        return list(questions)

    together = Together(answer)
    first, second = (asyncio.create_task(together.ask(name)) for name in ("first", "second"))
    await asyncio.sleep(0)
    first.cancel()
    may_answer.set()
    assert await second == "second"


async def test_a_phone_that_is_added_twice_at_the_same_moment_is_added_once(
    database_url: str, api: Api, agent: str, number: Make
):
    await number()
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": [phone("+15551234567")]})).body
    more = {"participants": [phone("+15551234568")]}
    added = await asyncio.gather(*(api.post(f"/v1/calls/{call['id']}/participants", more) for _ in range(4)))
    assert sorted(answer.status for answer in added) == [202, 409, 409, 409]

"""A call of several people, some on phones."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.api.conftest import Answer as ApiAnswer
from tests.api.conftest import Api, run_api
from tests.api.conftest import browser as a_browser
from tests.api.conftest import phone as a_phone
from tests.providers import Providers
from tests.servers import free_port
from tests.telephony import State
from tests.telephony.sound import read
from tests.worker.caller import Caller
from tests.worker.conftest import Talk
from tests.worker.house import House
from tests.worker.phones.conftest import HELLO, OURS, SPEECH, a_number, legs

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]


@pytest_asyncio.fixture(loop_scope="package")
async def api(house: House) -> AsyncIterator[Api]:
    """The house's API, where a minute costs 6 cents in a browser, and 12 on a phone."""
    prices = {"price_per_minute_webrtc": 0.06, "price_per_minute_pstn": 0.12}
    async for running in run_api(house.settings.model_copy(update={"api_port": free_port(), **prices})):
        yield running


async def test_people_come_into_a_phones_call_each_is_heard_and_named_and_the_last_who_leaves_ends_it(
    house, network, api, providers, until
):
    """Also one who was busy before, and one who had left."""
    first, second = a_number(), a_number()
    one, other = await network.phone(first), await network.phone(second, answers_after_s=0.2, declines_with=486)
    providers.hear_with(lambda utterance: f"I speak on line {utterance.stream}.")
    agent = (await api.post("/v1/agents", {"name": "Ada", "first_message": HELLO})).body["id"]
    people = [a_phone(number, from_number=OURS) for number in (first, second)]
    placed = await api.post("/v1/calls", {"agent_id": agent, "participants": people})
    call = house.stage.talk(placed.body["id"])
    await until(lambda: call.has_said("agent", HELLO))
    await until(lambda: legs_have(call, "failed", 1))
    assert (await call.status(), (await legs(call))[1]) == ("in_progress", (second, "failed", "busy"))
    other.declines_with = None

    async def add(*people: dict[str, Any]) -> ApiAnswer:
        answer: ApiAnswer = await api.post(f"/v1/calls/{call.id}/participants", {"participants": people})
        return answer

    added = await add(a_browser("bob"), a_phone(second))
    assert added.status == 202
    access = added.body["participants"][0]["access"]
    async with Caller(access["url"], access["token"]) as bob:
        await until(lambda: other.state is State.ANSWERED)
        await until(lambda: call.has_joined("bob"))
        await asyncio.gather(one.say(read(SPEECH)), other.say(read(SPEECH)), bob.say())
        await until(lambda: has_heard(call, first, second, "bob"))
        await until(lambda: names_read(providers) == {f"Phone {first[-4:]}", f"Phone {second[-4:]}", "bob"})
        assert (await add(a_phone(second))).status == 409, "it is there"

        await one.hang_up()
        await until(lambda: call.has_happened("leg.ended"))
        assert (await add(a_phone(first))).status == 202
        await until(lambda: one.state is State.ANSWERED)
        await until(lambda: legs_have(call, "joined", 3))
        await other.hang_up()
        await one.hang_up()
        await until(lambda: legs_have(call, "left", 3))
        assert await call.status() == "in_progress"
    assert (await until(call.ended)).end_reason == "caller_hung_up"
    assert (len(one.rings), len(other.rings)) == (2, 2)

    detail = (await api.get(f"/v1/calls/{call.id}")).body
    people = detail["participants"]
    assert [who["identity"] for who in people] == [first, second, "bob", second, first]
    assert [who["status"] for who in people] == ["left", "failed", "left", "left", "left"]
    said = [line for line in detail["transcript"]["segments"] if line["speaker"] == "user"]
    names = {who["id"]: who["identity"] for who in people}
    assert all(names[line["participant_id"]] == line["participant_identity"] for line in said)
    of_each = [[line for line in said if line["participant_identity"] == who] for who in (first, second, "bob")]
    lines = [{line["text"] for line in lines} for lines in of_each]
    assert len(set.union(*lines)) == sum(map(len, lines)), "each has a stream of its own"
    assert max(lines[0]["started_at_ms"] for lines in of_each) < min(lines[0]["ended_at_ms"] for lines in of_each)
    cents = {"webrtc": 6, "pstn": 12}
    assert all(who["cost"] == pytest.approx(cents[who["transport"]] * who["bill_duration"] / 6000) for who in people)
    assert all(0 < who["bill_duration"] <= detail["bill_duration"] for who in people if who["status"] == "left")
    assert detail["total_cost"] == pytest.approx(sum(who["cost"] for who in people))


def names_read(providers: Providers) -> set[str]:
    """Those which the model reads before what people say."""
    return {line.partition(": I ")[0] for chat in providers.chats for line in chat.user_lines if ": I " in line}


async def has_heard(call: Talk, *identities: str) -> bool:
    return {line.participant_identity for line in await call.transcript()} >= set(identities)


async def legs_have(call: Talk, status: str, count: int) -> bool:
    return [leg[1] for leg in await legs(call)].count(status) == count

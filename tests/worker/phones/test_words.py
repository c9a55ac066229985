"""What is done because of what was said on a phone: a voicemail's announcement, or a word into a goodbye."""

import pytest

from tests.providers import Chat, ToolCall, Utterance
from tests.providers.script import Answer
from tests.telephony import State
from tests.telephony.sound import read, seconds_of_sound
from tests.worker.phones.conftest import HELLO, SMITH, SPEECH, a_number, legs, place, with_one_pipeline

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]

GOODBYE = "It was a pleasure to talk to you, and if there is anything else, then call again at any time. " * 2


async def test_a_voicemail_is_known_by_its_words_and_hung_up_on_if_that_is_wanted(house, network, providers, until):
    providers.hear_with(lambda _utterance: "You have reached Smith. Please leave a message after the tone.")
    numbers = [a_number(), a_number()]
    phones = [await network.phone(number, answers_after_s=0.3, says=read(SPEECH)[:16_000]) for number in numbers]
    calls = [
        await place(house, number, machine_detection=wanted)
        for number, wanted in zip(numbers, ("hang_up", "continue"), strict=True)
    ]
    row = await until(calls[0].ended)
    assert (row.status, row.end_reason) == ("completed", "voicemail")
    assert not await calls[0].has_said("agent", HELLO)
    await until(lambda: phones[0].state is State.ENDED)
    await until(lambda: calls[1].has_said("agent", HELLO))
    await phones[1].hang_up()
    row = await until(calls[1].ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    for call, action in zip(calls, ("hang_up", "continue"), strict=True):
        [detected] = [event for event in await call.events() if event.kind == "voicemail.detected"]
        assert detected.data["action"] == action


async def test_a_voicemail_ends_no_call_in_which_others_are_still_to_be_called_and_who_picks_up_is_greeted(
    house, network, providers, until
):
    said = iter(["Please leave a message after the tone."])
    providers.hear_with(lambda _utterance: next(said, SMITH))
    few = await with_one_pipeline(house, phone_calls_at_once=1)
    machine, human = [await network.phone(a_number(), says=read(SPEECH)[:16_000]) for _ in range(2)]
    call = await place(house, machine.number, human.number, machine_detection="hang_up")
    await until(lambda: human.state is State.ANSWERED)
    await until(lambda: machine.state is State.ENDED)
    await until(lambda: call.has_said_also("agent", HELLO))
    await human.hang_up()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert await legs(call) == [(machine.number, "left", "voicemail"), (human.number, "left", None)]
    few.kill_group()


async def test_who_speaks_into_a_goodbye_takes_the_hang_up_back_unless_it_is_a_goodbye_too(
    house, network, providers, until
):
    said = iter(["That is all.", "No wait, one more thing.", "Really all.", "Okay, bye."])
    heard: list[str] = []

    def listener(_utterance: Utterance) -> str:
        heard.append(next(said, "What?"))
        return heard[-1]

    def model(chat: Chat) -> Answer | None:
        return "Gladly." if "No wait" in chat.last_user else [GOODBYE, ToolCall("end_call")]

    providers.hear_with(listener)
    providers.answer_with(model)
    number = a_number()
    phone = await network.phone(number)
    call = await place(house, number)
    await until(lambda: call.has_said("agent", HELLO))
    await phone.say(read(SPEECH)[:16_000])
    sounded = seconds_of_sound(phone.heard)
    await until(lambda: seconds_of_sound(phone.heard) > sounded + 0.5)
    await phone.say(read(SPEECH)[:16_000])
    await until(lambda: call.has_said_also("agent", "Gladly."))
    [back] = [event for event in await call.events() if event.kind == "hang_up.taken_back"]
    await phone.say(read(SPEECH)[:16_000])
    sounded = seconds_of_sound(phone.heard)
    await until(lambda: seconds_of_sound(phone.heard) > sounded + 0.5)
    await phone.say(read(SPEECH)[:16_000])
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "agent_hung_up")
    assert heard == ["That is all.", "No wait, one more thing.", "Really all.", "Okay, bye."]
    assert [event.id for event in await call.events() if event.kind == back.kind] == [back.id]

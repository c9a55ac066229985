"""The keys of a phone: those that are pressed on it, and those that the agent presses."""

import asyncio

import numpy as np
import pytest

from tests.providers import Chat, ToolCall
from tests.providers.script import Answer
from tests.telephony.sound import RATE, read, seconds_of_sound
from tests.worker.conftest import Talk
from tests.worker.phones.conftest import HELLO, SMITH, SPEECH, a_number, place

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="package")]

PRESSED_PIN = "[pressed on the phone's keys: 4 7 1 1 #]"
PRESSED_THREES = "[pressed on the phone's keys: 3 3 #]"
PRESSED_ONE, PRESSED_END = "[pressed on the phone's keys: 1]", "[pressed on the phone's keys: #]"


async def test_keys_reach_the_agent_as_what_was_pressed_and_it_can_press_some_itself(house, network, providers, until):
    def model(chat: Chat) -> Answer | None:
        assert "transfer_call" not in chat.tools, "there is nowhere to send anybody"
        match chat.messages[-1]:
            case {"role": "tool", "content": content}:
                return "Too wrong." if "expected" in str(content) else "Pressed."
            case _ if chat.last_user == PRESSED_PIN:
                return "Thank you."
            case _ if PRESSED_THREES in chat.last_user:
                return "Twice three."
            case _ if chat.last_user == PRESSED_ONE:
                return ["Now I.", ToolCall("send_dtmf", {"digits": "7w*#"})]
            case _:
                return ToolCall("send_dtmf", {"digits": "x"})

    providers.answer_with(model)
    number = a_number()
    phone = await network.phone(number)
    call = await place(house, number, first_message=f"{HELLO} " * 45)
    await until(lambda: seconds_of_sound(phone.heard) > 1)
    await phone.press("4711#")
    await until(lambda: call.has_said_also("agent", "Thank you."))
    await phone.press("1")
    await until(lambda: phone.digits == "7*#")
    await until(lambda: call.has_said_also("agent", "Pressed."))
    await phone.say(read(SPEECH)[:16_000])
    await until(lambda: call.has_said_also("agent", "Too wrong."))
    begun = providers.begun
    speaking = asyncio.create_task(phone.say(np.resize(read(SPEECH), 4 * RATE)))
    await until(lambda: providers.begun > begun)
    await phone.press("33#")
    await speaking
    await until(lambda: call.has_said_also("agent", "Twice three."))
    assert not any(chat.last_user == PRESSED_THREES for chat in providers.chats), "what was said with it was not over"
    await phone.press("9")
    await phone.hang_up()
    await until(call.ended)
    lines = [line for line in await call.transcript() if line.speaker == "user"]
    assert [(line.text, line.source) for line in lines] == [
        ("4711#", "dtmf"),
        ("1", "dtmf"),
        (SMITH, "runtime"),
        (SMITH, "runtime"),
        ("33#", "dtmf"),
        ("9", "dtmf"),
    ], "also what was pressed just before the end"
    assert {line.participant_identity for line in lines} == {number}
    told = [(event.kind, event.data["digits"]) for event in await call.events() if event.kind.startswith("dtmf")]
    sent = [digits for kind, digits in told if kind == "dtmf.sent"]
    received = [digits for kind, digits in told if kind == "dtmf.received"]
    assert (received, sent) == (["4711#", "1", "33#", "9"], ["7*#"])


async def test_keys_are_not_kept_of_a_call_of_which_nothing_is_and_a_number_pressed_piece_by_piece_is_taken_out(
    house, network, providers, until
):
    phones = [await network.phone(a_number()) for _ in range(2)]
    unwritten, redacted = [
        await place(house, phone.number, features=features)
        for phone, features in zip(phones, ({"transcription_enabled": False}, {"redact": ["card"]}), strict=True)
    ]

    async def told(call: Talk) -> list[list[str]]:
        return [list(event.data) for event in await call.events() if event.kind == "dtmf.received"]

    async def is_told(count: int) -> bool:
        return len(await told(redacted)) == count

    for phone in phones:
        await until(lambda phone=phone: seconds_of_sound(phone.heard) > 1)
    await phones[0].press("#")  # one alone: on a busy machine there may be long pauses between several
    for count, digits in enumerate(("41111111", "11111111#"), 1):
        await phones[1].press(digits)
        await until(lambda count=count: is_told(count))
    await until(lambda: any(chat.last_user == PRESSED_END for chat in providers.chats))
    for phone, call in zip(phones, (unwritten, redacted), strict=True):
        await phone.hang_up()
        await until(call.ended)
    assert await told(unwritten) == [["participant_id"]]
    assert await unwritten.transcript() == []
    assert await told(redacted) == [["participant_id"]] * 2
    assert [line.text for line in await redacted.transcript() if line.source == "dtmf"] == ["[card]", "[card]#"]

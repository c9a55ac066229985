"""Calls to and from phones: an agent comes, a phone rings, and each way in which that may go on has its own end."""

import asyncio
import math
import random
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from calls.agents import create_agent, snapshot
from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT
from calls.phones import dnc
from calls.phones import numbers as phones
from calls.phones import trunk as telephony
from calls.placing import batches
from calls.placing.creation import NewCall, NewParticipant, create_calls
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import calls, participants, stays
from tests.api.conftest import Answer as ApiAnswer
from tests.api.conftest import Api, run_api
from tests.api.conftest import browser as a_browser
from tests.api.conftest import phone as a_phone
from tests.conftest import Until
from tests.pipeline.mortal_agent import CHANGES, ENDS, EVENTS
from tests.pipeline.placed import changes_of, kinds_of
from tests.providers import Chat, Providers, ToolCall, Utterance
from tests.providers.script import Answer
from tests.servers import LiveKitServer, Program, free_port
from tests.telephony import FORMS, PhoneNetwork, State
from tests.telephony.sound import read, seconds_of_sound
from tests.worker.caller import Caller
from tests.worker.conftest import Talk, make_settings
from tests.worker.house import House, open_house

pytestmark = [pytest.mark.restless, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

HELLO = "Hello, this is Ada. I call about your order."
SMITH = "Smith speaking."
PRESSED_PIN, PRESSED_ONE = "[pressed on the phone's keys: 4 7 1 1 #]", "[pressed on the phone's keys: 1]"
CONNECTING = "One moment please, I'll connect you."
GOODBYE = "It was a pleasure to talk to you, and if there is anything else, then call again at any time. " * 3
OURS, ANSWERED, UNANSWERED = "+4930555", "+4930666", "+4930777"
RING_S, SHORT_RING_S = 30.0, 3.0  # on a busy machine the second of two phones rings late
PAUSE_S = 2.0  # by which it is known that somebody has finished
SPEECH = Path(__file__).with_name("speech.wav")
_numbers = iter(range(1000, 9999))


def a_number() -> str:
    """One that no other test calls."""
    return f"+4940{next(_numbers)}"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=FORMS)
async def network(
    request: pytest.FixtureRequest, livekit_with_sip: LiveKitServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PhoneNetwork]:
    async with FORMS[request.param](livekit_with_sip, tmp_path_factory.mktemp("network")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    network: PhoneNetwork,
    livekit_with_sip: LiveKitServer,
    scripted: Providers,
    migrated_sqlite: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[House]:
    """A pipeline and a worker whose LiveKit server reaches phones, and a tenant with a trunk and a number."""
    more = {"livekit_url": network.livekit_url, "pipeline_port": free_port(), "ring_timeout_s": RING_S}
    more["dispatch_attempts"] = 20  # a worker that starts on a busy machine takes its time
    folder = tmp_path_factory.mktemp("house")
    settings = make_settings(livekit_with_sip, scripted, migrated_sqlite, folder, **more)
    async with open_house(settings, workers=1) as opened:
        async with opened.database.writing() as conn:
            agent = await create_agent(conn, DEFAULT_TENANT, "Ada", {"first_message": HELLO})
            await phones.add_number(conn, DEFAULT_TENANT, OURS)
            await phones.add_number(conn, DEFAULT_TENANT, ANSWERED, agent.id)
            await phones.add_number(conn, DEFAULT_TENANT, UNANSWERED)
            await telephony.put_trunk(
                conn,
                Keyring.of(settings),
                DEFAULT_TENANT,
                address=network.trunk.address,
                transport="udp",
                username=network.trunk.username,
                password=network.trunk.password,
                allowed_addresses=list(network.trunk.allowed_addresses),
            )
        yield opened


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _ready(house: House, providers: Providers, until: Until) -> None:
    """Whatever a test before this one has killed is there again."""

    async def connected() -> bool:
        async with house.database.reading() as conn:
            return bool((await telephony.status(conn, DEFAULT_TENANT))["connected"])

    providers.hear_with(lambda _utterance: SMITH)
    await house.need_workers(1)
    if all(pipeline.returncode is not None for pipeline in house.pipelines):
        await house.add_pipeline()
    await until(connected)


def phone_of(number: str) -> NewParticipant:
    return NewParticipant("pstn", number, from_number=OURS)


async def place(house: House, *numbers: str, **more: Any) -> Talk:
    """A call to phones: nobody but the pipeline opens its room."""
    config = {"first_message": HELLO, "silence_reminder_s": 60, "silence_timeout_s": 90, **more}
    return await house.stage.place(phones=[phone_of(number) for number in numbers], **config)


async def legs(call: Talk) -> list[tuple[str, str, str | None]]:
    """Number, status and end reason of each phone."""
    columns = (participants.c.identity, participants.c.status, participants.c.end_reason)
    query = sa.select(*columns).where(participants.c.call_id == call.id).order_by(participants.c.position)
    async with call.database.reading() as conn:
        return [tuple(row) for row in await conn.execute(query)]


async def end_over_the_api(call: Talk) -> None:
    async with call.database.writing() as conn:
        await CallStore(conn).finish(call.id, EndReason.ENDED_BY_API)
    await call.rooms.delete_room(call.room)


async def test_an_agent_calls_and_lets_who_picks_up_speak_first(house, network, until):
    number = a_number()
    phone = await network.phone(number, answers_after_s=0.6, says=read(SPEECH)[:16_000])
    call = await place(house, number, price_micros_per_minute=60)
    await until(lambda: call.has_said("agent", HELLO))
    assert phone.rings == [OURS]
    await until(lambda: seconds_of_sound(phone.heard) > 1)
    await phone.hang_up()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert await legs(call) == [(number, "left", None)]
    said = [(line.speaker, line.text, line.participant_identity) for line in await call.transcript()]
    assert said == [("user", SMITH, number), ("agent", HELLO, None)], "the first message is the answer to that"
    kinds = [kind for kind in await kinds_of(call.database, call.id) if kind != "dispatch.repeated"]  # for a late agent
    assert kinds == EVENTS + ENDS[EndReason.CALLER_HUNG_UP]
    assert await changes_of(call.database, call.id) == CHANGES, "each of them is one at which an agent was killed"
    [answered] = [event for event in await call.events() if event.kind == "leg.answered"]
    assert row.started_at >= answered.created_at, "what rang is not billed"


@pytest.mark.parametrize(
    ("code", "reason"),
    [(486, "busy"), (603, "rejected"), (404, "invalid_number"), (480, "no_answer"), (503, "network_error")],
)
async def test_why_nobody_picked_up_is_told_apart(house, network, until, code, reason):
    number = a_number()
    phone = await network.phone(number, answers_after_s=0.3, declines_with=code)
    call = await place(house, number)
    row = await until(call.ended)
    assert (row.status, row.end_reason, row.cost_micros) == ("failed", reason, 0)
    assert await legs(call) == [(number, "failed", reason)]
    [failed] = [event for event in await call.events() if event.kind == "leg.failed"]
    assert failed.data["sip_status"] == code
    assert len(phone.rings) == 1


async def test_a_phone_rings_no_longer_than_it_may(house, network, until):
    number = a_number()
    impatient = await with_one_pipeline(house, ring_timeout_s=SHORT_RING_S)
    phone = await network.phone(number, answers_after_s=None)
    call = await place(house, number)
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("failed", "no_answer")
    await until(lambda: phone.state is State.ENDED)
    assert len(phone.rings) == 1
    impatient.kill_group()


async def test_no_phone_rings_on_when_its_call_was_ended(house, network, until):
    number = a_number()
    phone = await network.phone(number, answers_after_s=None)
    call = await place(house, number)
    await until(lambda: phone.state is State.RINGING)
    await end_over_the_api(call)
    await until(lambda: phone.state is State.ENDED)
    assert await legs(call) == [(number, "failed", "canceled")]


async def test_no_call_that_was_ended_while_it_was_answered_goes_on(house, network, until):
    async def race(after_s: float) -> None:
        number = a_number()
        phone = await network.phone(number, answers_after_s=0.2)
        call = await place(house, number)
        await until(lambda: phone.state is State.RINGING)
        await asyncio.sleep(after_s)
        await end_over_the_api(call)
        await until(lambda: phone.state is State.ENDED)
        row = await until(call.ended)
        assert (row.status, row.end_reason) == ("completed", "ended_by_api")
        assert len(phone.rings) == 1

    await asyncio.gather(*(race(random.uniform(0.15, 0.25)) for _ in range(4)))


async def test_who_does_not_want_to_be_called_any_more_is_not(house, network, until):
    number = a_number()
    phone = await network.phone(number)
    async with house.database.writing() as conn:  # after the API had looked
        await dnc.add(conn, DEFAULT_TENANT, number)
    call = await place(house, number)
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("failed", "do_not_call")
    assert phone.rings == []


async def test_keys_reach_the_agent_as_what_was_pressed_and_it_can_press_some_itself(house, network, providers, until):
    def model(chat: Chat) -> Answer | None:
        assert "transfer_call" not in chat.tools, "there is nowhere to send anybody"
        match chat.messages[-1]:
            case {"role": "tool", "content": content}:
                return "Too wrong." if "expected" in str(content) else "Pressed."
            case _ if chat.last_user == PRESSED_PIN:
                return "Thank you."
            case _ if chat.last_user == PRESSED_ONE:
                return ["Now I.", ToolCall("send_dtmf", {"digits": "7w*#"})]
            case _:
                return ToolCall("send_dtmf", {"digits": "x"})

    providers.answer_with(model)
    number = a_number()
    phone = await network.phone(number)
    call = await place(house, number, first_message=f"{HELLO} " * 20)
    await until(lambda: seconds_of_sound(phone.heard) > 1)
    await phone.press("4711#")
    await until(lambda: call.has_said_also("agent", "Thank you."))
    await phone.press("1")
    await until(lambda: phone.digits == "7*#")
    await until(lambda: call.has_said_also("agent", "Pressed."))
    await phone.say(read(SPEECH)[:16_000])
    await until(lambda: call.has_said_also("agent", "Too wrong."))
    await phone.press("9")
    await phone.hang_up()
    await until(call.ended)
    lines = [line for line in await call.transcript() if line.speaker == "user"]
    assert [(line.text, line.source) for line in lines] == [
        ("4711#", "dtmf"),
        ("1", "dtmf"),
        (SMITH, "runtime"),
        ("9", "dtmf"),
    ], "also what was pressed just before the end"
    assert {line.participant_identity for line in lines} == {number}
    told = [(event.kind, event.data["digits"]) for event in await call.events() if event.kind.startswith("dtmf")]
    assert told == [("dtmf.received", "4711#"), ("dtmf.received", "1"), ("dtmf.sent", "7*#"), ("dtmf.received", "9")]


async def test_keys_of_a_call_of_which_nothing_is_kept_are_not_kept_either(house, network, providers, until):
    number = a_number()
    phone = await network.phone(number)
    call = await place(house, number, features={"transcription_enabled": False})
    await until(lambda: seconds_of_sound(phone.heard) > 1)
    await phone.press("4711#")
    await until(lambda: providers.chats and providers.chats[-1].last_user == PRESSED_PIN)
    await phone.hang_up()
    await until(call.ended)
    [received] = [event for event in await call.events() if event.kind == "dtmf.received"]
    assert list(received.data) == ["participant_id"]
    assert await call.transcript() == []


async def test_a_number_that_is_pressed_piece_by_piece_is_taken_out_of_what_is_kept(house, network, until):
    number = a_number()
    phone = await network.phone(number)
    call = await place(house, number, features={"redact": ["card"]})

    async def told() -> list[dict[str, Any]]:
        return [event.data for event in await call.events() if event.kind == "dtmf.received"]

    async def is_told(count: int) -> bool:
        return len(await told()) == count

    await until(lambda: seconds_of_sound(phone.heard) > 1)
    for count, digits in enumerate(("41111111", "11111111#"), 1):
        await phone.press(digits)
        await until(lambda count=count: is_told(count))
    await phone.hang_up()
    await until(call.ended)
    assert [list(data) for data in await told()] == [["participant_id"]] * 2
    assert [line.text for line in await call.transcript() if line.source == "dtmf"] == ["[card]", "[card]#"]


async def test_a_caller_is_sent_on_and_stays_where_the_carrier_refuses(house, network, providers, until):
    def model(chat: Chat) -> Answer | None:
        return "I could not reach them." if "was not accepted" in chat.system else ToolCall("transfer_call")

    providers.answer_with(model)
    number, desk = a_number(), a_number()
    phone = await network.phone(number, transfers_with=603)
    target = await network.phone(desk)
    call = await place(house, number, features={"transfer_to": desk})
    await until(lambda: call.has_said("agent", HELLO))
    await phone.say(read(SPEECH)[:16_000])
    await until(lambda: call.has_said("agent", "I could not reach them."))
    assert await call.has_said("agent", CONNECTING), "before it was tried"
    phone.transfers_with = 202
    await phone.press("0#")
    await until(lambda: target.state is State.ANSWERED)
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "transferred")
    assert await legs(call) == [(number, "left", "transferred")]
    assert phone.state is State.ANSWERED, "with the other one"
    events = {event.kind: event.data for event in await call.events() if event.kind.startswith("transfer")}
    assert list(events) == ["transfer.started", "transfer.failed", "transfer.completed"]
    assert events["transfer.failed"]["sip_status"] == 603
    assert (await kinds_of(call.database, call.id))[-4:] == ENDS[EndReason.TRANSFERRED]
    await phone.hang_up()


async def test_who_hangs_up_before_the_other_one_answers_was_not_transferred(house, network, providers, until):
    providers.answer_with(lambda _chat: ToolCall("transfer_call"))
    number = a_number()
    phone = await network.phone(number, transfers_with=None)
    call = await place(house, number, features={"transfer_to": a_number()})
    await until(lambda: call.has_said("agent", HELLO))
    await phone.press("0#")
    await until(lambda: call.has_happened("transfer.started"))
    await asyncio.sleep(0.3)  # it was asked for by then; before, it fails the same
    await phone.hang_up()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert await legs(call) == [(number, "left", None)]
    told = [event.kind for event in await call.events() if event.kind.startswith("transfer")]
    assert told == ["transfer.started", "transfer.failed"]


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


async def test_a_call_outlives_the_pipeline_that_placed_it(house, network, until):
    number, busy = a_number(), a_number()
    phone = await network.phone(number, answers_after_s=None)
    other = await network.phone(busy, answers_after_s=None)
    calls = [await place(house, number), await place(house, busy)]
    await until(lambda: phone.state is State.RINGING and other.state is State.RINGING)
    for pipeline in house.pipelines:
        pipeline.kill_group()
    await other.decline(486)
    await phone.answer()
    await until(lambda: calls[0].has_said("agent", HELLO))
    await house.add_pipeline()
    row = await until(calls[1].ended)
    assert (row.status, row.end_reason) == ("failed", "rejected"), "the code went with who asked for it"
    await phone.hang_up()
    row = await until(calls[0].ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert [len(one.rings) for one in (phone, other)] == [1, 1]


async def test_another_agent_waits_with_a_phone_that_rings_and_speaks_after_a_moment_to_who_says_nothing(
    house, network, until
):
    number = a_number()
    phone = await network.phone(number, answers_after_s=None)
    call = await place(house, number)
    await until(lambda: phone.state is State.RINGING)
    (await house.job_of(call)).kill()
    await until(lambda: call.has_happened("agent.lost"))
    await until(lambda: agents_came(call, 2))
    assert phone.state is State.RINGING
    await phone.answer()
    await until(lambda: call.has_said("agent", HELLO))
    [line] = await call.transcript()
    assert line.started_at_ms > 1000
    await phone.hang_up()
    row = await until(call.ended)
    assert row.end_reason == "caller_hung_up"
    assert len(phone.rings) == 1


async def agents_came(call: Talk, count: int) -> bool:
    joined = [event for event in await call.events() if event.kind == "agent.joined"]
    return len(joined) == count


@pytest_asyncio.fixture(loop_scope="module")
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
        speech = read(SPEECH)
        await asyncio.gather(one.say(speech), other.say(speech), bob.say())
        await until(lambda: has_heard(call, first, second, "bob"))
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


async def has_heard(call: Talk, *identities: str) -> bool:
    return {line.participant_identity for line in await call.transcript()} >= set(identities)


async def legs_have(call: Talk, status: str, count: int) -> bool:
    return [leg[1] for leg in await legs(call)].count(status) == count


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


async def test_a_batch_is_called_by_real_agents_within_its_lines_and_ends(house, network, until):
    """Those who pick up hang up again, others are busy; the limits are small, and kept."""
    few = await with_one_pipeline(house, phone_calls_at_once=2, phone_calls_per_second=2)
    called = [await network.phone(a_number(), answers_after_s=0.2, declines_with=486) for _ in range(4)]
    called.append(await network.phone(a_number(), answers_after_s=0.2))
    most = 0

    async def is_over() -> bool:
        nonlocal most
        most = max(most, sum(phone.state in {State.RINGING, State.ANSWERED} for phone in called))
        if called[-1].state is State.ANSWERED and seconds_of_sound(called[-1].heard) > 1:
            await called[-1].hang_up()
        async with house.database.reading() as conn:
            return (await batches.get_batch(conn, DEFAULT_TENANT, "spring")).row.completed_at is not None

    await place_batch(house, [phone.number for phone in called])
    await until(is_over)
    few.kill_group()
    async with house.database.reading() as conn:
        over = await batches.get_batch(conn, DEFAULT_TENANT, "spring")
        at = list(
            await conn.scalars(sa.select(participants.c.dialed_at).join(calls).where(calls.c.batch_id == "spring"))
        )
    assert (over.row.status, over.counts["completed"], over.counts["failed"]) == ("completed", 1, 4)
    assert [phone.rings for phone in called] == [[OURS]] * 5
    assert most <= 2
    assert all(sum(one <= other < one + timedelta(seconds=1) for other in at) <= 2 for one in at)


async def with_one_pipeline(house: House, **limits: float) -> Program:
    """The only one from now on, until it is killed."""
    for pipeline in house.pipelines:
        pipeline.kill_group()
    return await house.add_pipeline(**limits)


async def place_batch(house: House, numbers: list[str]) -> None:
    config = {"first_message": HELLO, "silence_reminder_s": 60, "silence_timeout_s": 90}
    async with house.database.writing() as conn:
        agent = snapshot(await create_agent(conn, DEFAULT_TENANT, "Ada", config))
        await batches.begin(conn, DEFAULT_TENANT, "spring", agent["id"], "hash")
        new = [NewCall(DEFAULT_TENANT, agent, [phone_of(number)], batch_id="spring") for number in numbers]
        await create_calls(conn, new)
        await batches.keep(conn, DEFAULT_TENANT, "spring", {"calls": [call.id for call in new], "rejected": []})


async def call_from(house: House, number: str) -> Talk | None:
    """The call of that phone, once it is written."""
    query = sa.select(calls.c.id).where(calls.c.primary_identity == number)
    async with house.database.reading() as conn:
        call_id = await conn.scalar(query)
    return house.stage.talk(call_id) if call_id is not None else None


async def test_who_calls_a_number_is_answered_by_its_agent(house, network, until):
    number = a_number()
    caller = await network.ring(from_=number, to=ANSWERED)
    await until(lambda: caller.state is State.ANSWERED)
    call = await until(lambda: call_from(house, number))
    await until(lambda: call.has_said("agent", HELLO))
    await until(lambda: seconds_of_sound(caller.heard) > 1)
    row = await call.row()
    assert (row.status, row.participant_count) == ("in_progress", 1)
    assert row.variables == {"caller_number": number, "called_number": ANSWERED}
    assert number not in row.room_name
    await caller.say(read(SPEECH))
    await until(lambda: call.has_said_also("user", SMITH))
    assert {line.participant_identity for line in await call.transcript() if line.speaker == "user"} == {number}
    await caller.hang_up()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    assert await legs(call) == [(number, "left", None)]


async def test_a_number_without_an_agent_is_refused_at_once(house, network, until):
    number = a_number()
    caller = await network.ring(from_=number, to=UNANSWERED)
    await until(lambda: caller.state is State.REJECTED)
    assert await call_from(house, number) is None


async def test_several_call_at_once_also_without_showing_a_number_and_each_has_a_call(house, network, until):
    callers = [await network.ring(from_=number, to=ANSWERED) for number in ("anonymous", "anonymous")]
    await until(lambda: all(caller.state is State.ANSWERED for caller in callers))
    await until(lambda: all(seconds_of_sound(caller.heard) > 1 for caller in callers))
    for caller in callers:
        await caller.hang_up()
    query = sa.select(sa.func.count()).select_from(calls).where(calls.c.primary_identity == "anonymous")

    async def both_are_over() -> bool:
        async with house.database.reading() as conn:
            over: int | None = await conn.scalar(query.where(calls.c.status == "completed"))
        return over == 2

    await until(both_are_over)


async def test_a_phone_that_calls_when_no_worker_is_there_is_answered_when_one_comes_or_was_never_answered(
    house, network, until
):
    for worker in house.alive:
        worker.kill_group()
    patient, impatient = a_number(), a_number()
    callers = [await network.ring(from_=number, to=ANSWERED) for number in (patient, impatient)]
    answered, given_up = [await until(lambda n=number: call_from(house, n)) for number in (patient, impatient)]
    await callers[1].hang_up()
    await house.need_workers(1)
    await until(lambda: callers[0].state is State.ANSWERED)
    await until(lambda: answered.has_said("agent", HELLO))
    await callers[0].hang_up()
    assert (await until(answered.ended)).status == "completed"
    assert (await until(given_up.ended)).status == "failed"


async def test_a_deploy_fails_no_phone_that_rings_and_a_busy_one_is_told_to_be_busy(house, network, until):
    """The pipeline is told to go, then the worker, then the API."""
    answered, busy = [await network.phone(a_number(), answers_after_s=None) for _ in range(2)]
    settings = house.settings.model_copy(update={"api_port": free_port()})
    before = run_api(settings)
    api = await anext(before)
    agent = (await api.post("/v1/agents", {"name": "Ada", "first_message": HELLO})).body["id"]
    placed = []
    for phone in (answered, busy):
        people = [a_phone(phone.number, from_number=OURS)]
        placed.append((await api.post("/v1/calls", {"agent_id": agent, "participants": people})).body["id"])
    await until(lambda: answered.state is State.RINGING and busy.state is State.RINGING)
    leaving = [program for program in [*house.pipelines, *house.workers] if program.returncode is None]
    for program in leaving:
        program.send(signal.SIGTERM)
    await before.aclose()
    await busy.decline(486)
    await answered.answer()
    after = run_api(settings)
    api = await anext(after)
    talk, failed = [house.stage.talk(call_id) for call_id in placed]
    await until(lambda: talk.has_said("agent", HELLO))
    row = await until(failed.ended)
    assert (row.status, row.end_reason) == ("failed", "busy")
    await answered.hang_up()
    assert (await until(talk.ended)).end_reason == "caller_hung_up"
    [leg] = (await api.get(f"/v1/calls/{talk.id}")).body["participants"]
    assert leg["status"] == "left"
    await until(lambda: [program.returncode for program in leaving] == [0] * len(leaving))
    await after.aclose()
    assert [len(phone.rings) for phone in (answered, busy)] == [1, 1]


@pytest.mark.timeout(300)
async def test_no_call_hangs_when_livekit_is_restarted_and_what_it_was_away_costs_nothing(
    house, network, livekit_with_sip, until
):
    """It goes on, unless LiveKit throws the phone out: of who came back it may still have an older attempt to come.

    Or it does not pass on what the phone says any more: then the agent says that it hears nothing, and hangs up.
    """

    async def is_heard_or_over() -> bool:
        await phone.say(read(SPEECH)[:16_000])
        await asyncio.sleep(PAUSE_S)
        return await call.has_said("user", SMITH) or await call.ended() is not None

    number = a_number()
    phone = await network.phone(number)
    call = await place(house, number, price_micros_per_minute=60)
    await until(lambda: call.has_said("agent", HELLO))
    livekit_with_sip.kill_group()
    await until(lambda: call.has_happened("leg.ended"))
    livekit_with_sip.start()
    await asyncio.to_thread(livekit_with_sip.wait_ready)
    await until(is_heard_or_over, timeout=200)
    went_on = await call.status() == "in_progress"
    await phone.hang_up()
    row = await until(call.ended)
    assert row.status == "completed"
    assert row.end_reason in {"caller_hung_up", "connection_lost", "silence"}
    assert await legs(call) == [(number, "left", None)]
    there_s = await seconds_there(call)
    assert row.cost_micros == math.ceil(there_s)
    assert not went_on or there_s < (row.ended_at - row.started_at).total_seconds()
    await until(lambda: phone.state is State.ENDED)
    assert len(phone.rings) == 1


async def seconds_there(call: Talk) -> float:
    """How long the phones of a call that is over were in it, each by itself."""
    row = await call.row()
    mine = sa.select(stays.c.joined_at, stays.c.left_at).join(participants).where(participants.c.call_id == call.id)
    async with call.database.reading() as conn:
        there = (await conn.execute(mine)).all()
    times: list[timedelta] = [min(left, row.ended_at) - max(joined, row.started_at) for joined, left in there]
    return sum(max(time.total_seconds(), 0) for time in times)

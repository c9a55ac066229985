"""When something outside fails in the middle of a call."""

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import pytest

from calls.database.engine import Database
from calls.rooms import Rooms
from calls.version import VERSION
from tests.conftest import PATIENCE_S, Until
from tests.providers import Chat, Never, Providers, field
from tests.servers import LiveKitServer, Program, process
from tests.worker.conftest import WITHOUT_A_WORD, Stage, Together, make_settings

pytestmark = pytest.mark.restless

MOMENT = "One moment, please."
SORRY = "Pardon?"
BRIEF: dict[str, Any] = {"phrases": {"sorry": SORRY}}
LONG = "This is a long sentence that the agent goes on with for quite a while, so that there is time to die."


async def a_failing_model_is_noted_and_apologised_for_and_the_call_goes_on(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear_with(lambda _utterance: "Do you have a table?")
    providers.answer("Yes, we have.")
    providers.fail("llm", 503)
    call = await stage.call(**BRIEF)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", SORRY))
        providers.recover()
        await until(lambda: call.has_happened("provider.failed"))
        failures = [event for event in await call.events() if event.message == "provider failed"]
        told = [(event.level, event.data["provider"], event.data["name"]) for event in failures]
        assert told == [("error", "llm", stage.model)]
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes, we have."))
    await until(call.ended)


async def a_guess_that_fails_is_nobodys_business(stage: Stage, providers: Providers, until: Until) -> None:
    providers.hear("Do you have a table?")
    providers.answer("Yes, we have.")
    providers.fail("llm", 500, times=1)
    call = await stage.call(**WITHOUT_A_WORD)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes, we have."))
        assert await call.said("agent") == "Yes, we have."
        assert not await call.has_happened("provider.failed")
    await until(call.ended)


async def what_is_no_answer_is_asked_again_and_a_model_without_tools_talks_on(
    stage: Stage, providers: Providers, until: Until
) -> None:
    thoughts = iter(["<think>They want a table.</think>", "\N{THINKING FACE}", "[laughs]", "", "*smiles*", "…", ""])
    providers.answer_with(
        field.refusing(lambda chat: "tools" in chat.body, field.error("No."))(lambda _: next(thoughts, None))
    )
    providers.answer("Yes, we have.", "Until when?")
    providers.hear_with(lambda _utterance: "Do you have a table?")
    call = await stage.call(**BRIEF)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", SORRY))
        assert await call.has_happened("answer.empty")
        list(thoughts)
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes, we have."))
        providers.hang("llm", times=2)
        await caller.say()
        await until(lambda: call.has_said("agent", MOMENT))
        await until(lambda: call.has_said("agent", "Until when?"))
    await until(call.ended)
    happened = Counter(event.kind for event in await call.events())
    assert (happened["tools.refused"], happened["provider.failed"]) == (1, 0)


async def the_second_model_takes_over_within_the_turn_and_the_first_is_not_asked_again_at_once(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table?", "For four.")
    answers = iter(["Yes, we have.", "Until when?"])
    said: dict[str, str] = {}

    def second(chat: Chat) -> str:
        return said.setdefault(chat.position(), next(answers, "I see."))

    providers.answer_with(lambda chat: second(chat) if chat.body["model"] == "second" else Never())
    call = await stage.call(llm=[{"model": "first"}, {"model": "second"}])
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes, we have."))
        asked = sum(chat.body["model"] == "first" for chat in providers.chats)
        await caller.say()
        await until(lambda: call.has_said("agent", "Until when?"))
        assert sum(chat.body["model"] == "first" for chat in providers.chats) == asked
    await until(call.ended)
    switched = [event.data for event in await call.events() if event.kind == "provider.switched"]
    assert [(data["provider"], data["model"]) for data in switched] == [("llm", "second")]
    assert not await call.has_happened("provider.failed")


async def okay_said_to_one_moment_leaves_the_answer_that_is_waited_for(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table?", "Okay.")
    providers.answer("Yes, we have.")
    models = ("first", "second", "third", "fourth")
    for model in models[:-1]:
        providers.hang("llm", model=model)
    call = await stage.call(llm=[{"model": model} for model in models])
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", MOMENT))
        await caller.say()
        await until(lambda: call.has_said("user", "Okay."))
        await until(lambda: call.has_said("agent", "Yes, we have."))
        await until(caller.agent_listens)
    await until(call.ended)
    assert await call.said("agent") == f"{MOMENT} Yes, we have."
    assert "Okay" not in str([chat.messages for chat in providers.chats])


async def a_broken_recognition_stream_is_replaced_and_what_it_had_heard_is_not_lost(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("This goes down with the stream.", "Do you still hear me?")
    providers.answer("Yes, I do.")
    call = await stage.call()
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        speaking = asyncio.create_task(caller.say(6))
        await until(lambda: providers.begun)
        await providers.cut_listeners()
        await speaking
        await until(lambda: call.has_said("agent", "Yes, I do."))
        (heard,) = [row for row in await call.transcript() if row.speaker == "user"]
        assert heard.text == "Do you still hear me?"
        assert heard.ended_at_ms - heard.started_at_ms > 1500
    await until(call.ended)


@pytest.mark.timeout(180)
async def test_a_full_worker_takes_no_call_and_what_was_said_outlives_its_sudden_death(
    livekit: LiveKitServer, scripted: Providers, migrated_sqlite, tmp_path, until: Until
) -> None:
    scripted.reset()
    scripted.hear("Do you have a table?")
    scripted.answer(LONG)
    settings = make_settings(livekit, scripted, migrated_sqlite, tmp_path, worker_max_calls=1)
    async with (
        process("worker", settings, tmp_path / "worker.log") as worker,
        Rooms.connect(settings, PATIENCE_S) as rooms,
    ):
        database = Database(settings.database, patience_s=PATIENCE_S)
        stage = Stage(settings, database, rooms)
        call = await stage.call(first_message="Hello there.", **WITHOUT_A_WORD)
        async with call.caller() as caller:
            await until(lambda: call.said("agent"))
            one_too_many = await stage.call()
            await caller.say()
            await until(lambda: caller.seconds_heard() > 2)
            assert await one_too_many.messages() == ["Call created"]
            worker.kill_group()
            assert (await call.said("agent"), await call.said("user")) == ("Hello there.", "Do you have a table?")
            unfinished = (await call.transcript())[-1]
            assert LONG.startswith(unfinished.text)
            assert unfinished.text
        await rooms.delete_room(one_too_many.room)
        await database.close()


async def test_the_worker_says_that_it_is_alive_and_ready(worker: Program, worker_settings) -> None:
    url = f"http://127.0.0.1:{worker_settings.worker_port}"
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/healthz") as answer:
            assert answer.status == 200
        async with http.get(f"{url}/readyz") as answer:
            body = await answer.json()
    assert body == {"status": "ready", "registered": True, "database": True, "livekit": True}
    assert f"version={VERSION}" in worker.output


@pytest.mark.timeout(300)
async def test_a_provider_that_fails_for_once_ends_no_call(together: Together) -> None:
    """Those first that take longest; as many calls at a time as there are booths."""
    await together(
        what_is_no_answer_is_asked_again_and_a_model_without_tools_talks_on,
        okay_said_to_one_moment_leaves_the_answer_that_is_waited_for,
        the_second_model_takes_over_within_the_turn_and_the_first_is_not_asked_again_at_once,
        a_failing_model_is_noted_and_apologised_for_and_the_call_goes_on,
        a_broken_recognition_stream_is_replaced_and_what_it_had_heard_is_not_lost,
        a_guess_that_fails_is_nobodys_business,
    )

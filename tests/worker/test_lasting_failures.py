"""What fails for so long that the call cannot go on, or that the one that failed is tried again."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from calls.database.engine import Database
from calls.rooms import Rooms
from calls.settings import Settings
from tests.conftest import PATIENCE_S, Until
from tests.providers import Providers
from tests.servers import LiveKitServer, process
from tests.worker.booth import Booth
from tests.worker.caller import Caller
from tests.worker.conftest import Stage, Talk, Together, make_settings

pytestmark = pytest.mark.restless

SORRY, UNHEARD, FAILED = "Pardon?", "I can't hear you.", "Something is wrong."
BRIEF: dict[str, Any] = {"phrases": {"sorry": SORRY, "unheard": UNHEARD, "failed": FAILED}}
WORDS_S = 2.0  # from the end of a speech; here nobody has to be understood in time
LASTING_S = 10.0  # without words in what is said,
DEAF_S = 10.0  # or without recognition, and the call is ended
AGAIN_S = 8.0  # after a failure one is asked again
FIRST_WORD_S = 2.0  # of a model
IN_VAIN_S = 1.2  # who speaks again after so long was not answered
SHORTER = {
    "worker.room.unanswered.LASTING_S": LASTING_S,
    "worker.room.hearing.DEAF_S": DEAF_S,
    "worker.ranking.AGAIN_S": AGAIN_S,
    "worker.speaker.answers.IN_VAIN_S": IN_VAIN_S,
}


@pytest.fixture(scope="module")
def hasty(
    livekit: LiveKitServer,
    scripted: Providers,
    booths: list[Booth],
    migrated_sqlite: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Settings]:
    """The settings of a worker that takes for lasting what is that for people in half a minute."""
    folder = tmp_path_factory.mktemp("hasty")
    named = {name: one for booth in booths for name, one in booth.named().items()}
    waits = {"stt_words_s": WORDS_S, "llm_first_word_s": FIRST_WORD_S}
    settings = make_settings(livekit, scripted, migrated_sqlite, folder, providers=named, **waits)
    with process("worker", settings, folder / "worker.log", constants=SHORTER):
        yield settings


@pytest.fixture
async def stage(hasty: Settings) -> AsyncIterator[Stage]:
    database = Database(hasty.database, patience_s=PATIENCE_S)
    async with Rooms.connect(hasty, PATIENCE_S) as rooms:
        yield Stage(hasty, database, rooms)
    await database.close()


async def the_first_is_tried_again_later(stage: Stage, providers: Providers, until: Until) -> None:
    providers.hear_with(lambda _utterance: "Hello.")
    providers.fail("stt", 503, model="first")
    call = await stage.call(stt=[{"model": "first"}, {"model": "second"}])

    async def switched_to() -> list[str]:
        return [event.data["model"] for event in await call.events() if event.kind == "provider.switched"]

    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        failed_at = time.monotonic()
        await caller.say()
        await until(switched_to)
        providers.recover()
        await asyncio.sleep(failed_at + AGAIN_S - time.monotonic())

        async def talk_on() -> bool:
            await caller.say()
            await asyncio.sleep(2)
            return await switched_to() == ["second", "first"]

        await until(talk_on, timeout=90)
    await until(call.ended)


async def who_is_understood_by_nobody_hears_so_each_time_and_in_the_end_a_goodbye(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.silence(model="silent")
    call = await stage.call(stt=[{"model": "silent"}], silence_reminder_s=60, **BRIEF)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", SORRY))
        began_at = time.monotonic()
        await until(caller.agent_listens)
        await caller.say()
        await until(lambda: call.has_said("agent", UNHEARD))
        await asyncio.sleep(began_at + LASTING_S - time.monotonic())  # until it has lasted
        while not await call.has_said("agent", FAILED):  # time in which a busy machine stands still does not count
            before = await unheard(call)
            await until(caller.agent_listens)
            await caller.say()
            await until(partial(is_answered, call, before))
        row = await until(call.ended)
    assert row.end_reason == "provider_failed"


async def unheard(call: Talk) -> int:
    """How often the agent has said that it hears nobody."""
    return sum(row.text == UNHEARD for row in await call.transcript() if row.speaker == "agent")


async def is_answered(call: Talk, before: int) -> bool:
    """Whether the agent has said that it hears nobody, which it had said so often before, or has given up."""
    return await unheard(call) > before or await call.has_said("agent", FAILED)


async def recognition_that_fails_for_long_ends_the_call(stage: Stage, providers: Providers, until: Until) -> None:
    providers.fail("stt", 401, model="broken")
    call = await stage.call(stt=[{"model": "broken"}], first_message="Hello there.", **BRIEF)
    async with call.caller():
        row = await until(call.ended)
    assert row.end_reason == "provider_failed"
    assert FAILED in await call.said("agent")
    assert (row.ended_at - row.started_at).total_seconds() > DEAF_S


async def a_model_that_never_answers_ends_the_call(stage: Stage, providers: Providers, until: Until) -> None:
    providers.hang("llm", model="broken")
    providers.hear_with(lambda _utterance: "Do you have a table?")
    call = await stage.call(llm=[{"model": "broken"}], silence_reminder_s=1, **BRIEF)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        asking = asyncio.create_task(_ask_on(caller))
        row = await until(call.ended, timeout=120)
        asking.cancel()
    assert row.end_reason == "provider_failed"
    assert FAILED in await call.said("agent")


async def _ask_on(caller: Caller) -> None:
    while True:
        await caller.say()
        await asyncio.sleep(0.75 * FIRST_WORD_S)  # it is still waited for


@pytest.mark.timeout(180)
async def test_what_fails_for_long_ends_the_call_politely_unless_it_works_again(together: Together) -> None:
    """As many calls at a time as there are booths."""
    await together(
        a_model_that_never_answers_ends_the_call,
        who_is_understood_by_nobody_hears_so_each_time_and_in_the_end_a_goodbye,
        the_first_is_tried_again_later,
        recognition_that_fails_for_long_ends_the_call,
    )

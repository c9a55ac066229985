"""Several people in one call."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from calls.database.engine import Database
from calls.rooms import Rooms
from tests.conftest import PATIENCE_S, Until
from tests.providers import Providers
from tests.servers import LiveKitServer, process
from tests.worker.caller import Caller, leave, mute
from tests.worker.conftest import Stage, Talk, Together, make_settings

pytestmark = pytest.mark.restless

TALK_S = 6  # in which another one begins to speak, and is heard to


async def is_heard(call: Talk, identity: str) -> bool:
    return any(row.participant_identity == identity for row in await call.transcript())


async def said_by(call: Talk, identity: str) -> list[str]:
    return [row.text for row in await call.transcript() if row.participant_identity == identity and row.is_final]


def last_lines(providers: Providers) -> list[str]:
    """What the model read last of the people, line by line."""
    return [line.strip() for line in providers.chats[-1].last_user.splitlines()]


async def two_who_talk_at_once_are_both_written_down_and_the_model_reads_who_said_what(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("I want fish and chips.", "And I want soup, please.")
    providers.answer("Fish and soup.")
    call = await stage.call(people=("alice", "bob"))
    async with call.caller("alice") as alice, call.caller("bob") as bob:
        await until(lambda: call.has_joined("alice", "bob"))
        talking = asyncio.create_task(alice.say(6))
        await until(lambda: is_heard(call, "alice"))
        await asyncio.gather(talking, bob.say(6))
        await until(lambda: call.has_said("agent", "Fish and soup."))
        assert await said_by(call, "alice") == ["I want fish and chips."]
        assert await said_by(call, "bob") == ["And I want soup, please."]
        read = providers.chats[-1].user_lines  # in one message or two, as the words come
        assert read == ["alice: I want fish and chips.", "bob: And I want soup, please."]
    await until(call.ended)


async def who_leaves_or_mutes_in_mid_word_leaves_the_others_turn_whole(
    vanish: Callable[[Caller], Any], stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Let me tell you all about it.", "I am so sorry but I")
    call = await stage.call(people=("alice", "bob"))
    async with call.caller("alice") as alice, call.caller("bob") as bob:
        await until(lambda: call.has_joined("alice", "bob"))
        talking = asyncio.create_task(alice.say(TALK_S))
        await until(lambda: is_heard(call, "alice"))
        interrupting = asyncio.create_task(bob.say(TALK_S))
        await until(lambda: is_heard(call, "bob"))
        await vanish(bob)
        await talking
        await until(lambda: call.said("agent"))
        interrupting.cancel()
        read = providers.chats[-1].user_lines  # in one message or two, as the words come
        assert read == ["bob: I am so sorry but I", "alice: Let me tell you all about it."]
        rows = await call.transcript()
        [whole] = [row for row in rows if row.participant_identity == "alice"]
        [answer] = [row for row in rows if row.speaker == "agent"]
        assert whole.ended_at_ms - whole.started_at_ms > (TALK_S - 1) * 1000
        assert answer.started_at_ms > whole.ended_at_ms
    await until(call.ended)


@pytest.mark.timeout(180)
async def test_five_people_outlast_a_second_without_speech_recognition(
    stage: Stage, providers: Providers, until: Until
) -> None:
    people = ("alice", "bob", "carol", "dave", "erin")
    call = await stage.call(people=people)
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(call.caller(name)) for name in people]
        await until(lambda: call.has_joined(*people))
        providers.hear("Hello.")
        await callers[0].say()
        await until(lambda: call.said("agent"))
        providers.fail("stt", 503)
        await providers.cut_listeners()
        await asyncio.sleep(1)
        providers.recover()
        providers.hear("Do you still hear me?")
        await callers[4].say()
        await until(lambda: call.has_said("agent", "I see. I see."))
        assert last_lines(providers) == ["erin: Do you still hear me?"]
        assert await call.status() == "in_progress"
        assert (await call.messages()).count("provider failed") == 1
    await until(call.ended)


@pytest.mark.timeout(180)
async def test_a_worker_is_full_when_it_has_as_many_ears_as_calls_to_take(
    livekit: LiveKitServer, scripted: Providers, migrated_sqlite: Path, tmp_path: Path, until: Until
) -> None:
    scripted.reset()
    scripted.hear("Hello.", "Hello.")
    settings = make_settings(livekit, scripted, migrated_sqlite, tmp_path, worker_max_calls=2)
    async with process("worker", settings, tmp_path / "worker.log"), Rooms.connect(settings, PATIENCE_S) as rooms:
        database = Database(settings.database, patience_s=PATIENCE_S)
        stage = Stage(settings, database, rooms)
        call = await stage.call(people=("alice", "bob"))
        async with call.caller("alice") as alice:
            async with call.caller("bob") as bob:
                await asyncio.gather(alice.say(), bob.say())
                await until(lambda: is_heard(call, "alice"))
                await until(lambda: is_heard(call, "bob"))
                refused = await stage.call()
                await alice.say(3)
                assert not await has_agent(refused)
            await until(lambda: has_left(call, "bob"))
            taken = await stage.call()
            await until(lambda: has_agent(taken))
        for room in (refused.room, taken.room):
            await rooms.delete_room(room)
        await until(call.ended)
        await until(taken.ended)
        await database.close()


async def has_left(call: Talk, identity: str) -> bool:
    left = [event for event in await call.events() if event.message == "Participant left"]
    return any(event.data["identity"] == identity for event in left)


async def has_agent(call: Talk) -> bool:
    return "Agent joined" in await call.messages()


@pytest.mark.timeout(180)
async def test_of_two_who_talk_at_once_each_is_heard_to_the_end(together: Together) -> None:
    """As many calls at a time as there are booths."""
    await together(
        two_who_talk_at_once_are_both_written_down_and_the_model_reads_who_said_what,
        partial(who_leaves_or_mutes_in_mid_word_leaves_the_others_turn_whole, leave),
        partial(who_leaves_or_mutes_in_mid_word_leaves_the_others_turn_whole, mute),
    )

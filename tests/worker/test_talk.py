"""A call as a caller hears it."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from tests.conftest import Until
from tests.pipeline.sound import RATE, Pcm, read_sound
from tests.providers import Providers
from tests.worker.caller import LOUD as HEARD
from tests.worker.caller import Caller
from tests.worker.conftest import WITHOUT_A_WORD, Stage, Together
from worker.call import WRITTEN_S
from worker.speaker.held import LISTENING_S

pytestmark = pytest.mark.restless

LONG = "This is a sentence that the agent goes on with for a while, so that you can speak."


BLOCK_S = 0.02
CLOSE = round(0.3 / BLOCK_S)
LOUD = 600


def loudness(file: Path) -> list[Pcm]:
    """The highest sample of each block: the people's, then the agent's."""
    sound, size = read_sound(file), round(RATE * BLOCK_S)
    blocks: Pcm = np.abs(sound[: len(sound) // size * size]).reshape(-1, size, 2)
    return [blocks[:, :, side].max(axis=1) for side in (0, 1)]


def silences(caller: Caller) -> list[float]:
    """How long the agent was silent between two sounds, in seconds, each time it was."""
    loud = [at for at, level in caller.heard if level > HEARD]
    return [after - before for before, after in pairwise(loud) if after - before > 0.1]


def check_sound(recording: Path, rows: Sequence[sa.Row[Any]]) -> None:
    """Each line is heard when the transcript says, in its own channel, and not in the other."""
    sound = loudness(recording)
    for row in rows:
        own, other = sound[row.speaker == "agent"], sound[row.speaker != "agent"]
        begin, end = (round(at_ms / 1000 / BLOCK_S) for at_ms in (row.started_at_ms, row.ended_at_ms))
        [onset, *_] = np.flatnonzero(own[max(begin - CLOSE, 0) :] > LOUD) + max(begin - CLOSE, 0)
        assert abs(onset - begin) < CLOSE
        assert other[begin + CLOSE : end - CLOSE].max() < LOUD


async def test_a_recording_that_cannot_begin_begins_once_it_can_and_the_call_says_so(
    stage: Stage, until: Until
) -> None:
    call = await stage.call(first_message="Hello, this is Ada.", post_call={"recording": {"enabled": True}})
    folder = call.settings.recordings_dir
    folder.mkdir(exist_ok=True)
    aside = folder.rename(folder.with_name("aside"))
    folder.write_text("a file where the folder should be")
    async with call.caller():
        try:
            await until(lambda: call.has_happened("recording.interrupted"))
        finally:
            folder.unlink()
            aside.rename(folder)
        await until(lambda: call.has_happened("recording.started"))
    await until(call.ended)
    [recording] = await until(call.pieces)
    assert not recording.name.endswith(".0.ogg"), "it begins later than the call"
    told = [(event.kind, event.data) for event in await call.events() if event.kind.startswith("recording.")]
    assert told == [("recording.interrupted", {"error": "File exists"}), ("recording.started", None)]


async def without_a_first_message_the_agent_waits_and_its_prompt_knows_the_caller(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Hello?")
    providers.answer("Good evening.")
    call = await stage.call(
        system_prompt="You talk to {{name}} of {{city}}. {{nothing}}",
        variables={"name": "Mr. Blue"},
        metadata={"city": "Oslo"},
    )
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.said("agent"))
        assert providers.chats[0].system.startswith("You talk to Mr. Blue of Oslo.")
        assert [row.speaker for row in await call.transcript()] == ["user", "agent"]
        unknown = [event for event in await call.events() if "unknown" in event.message]
        assert [event.data for event in unknown] == [{"field": "system_prompt", "names": ["nothing"]}]
    await until(call.ended)


async def a_first_message_is_made_before_anybody_joins_and_once_if_it_is_the_same_in_every_call(
    greeting: str, requests: int, stage: Stage, providers: Providers, until: Until
) -> None:
    said = greeting.replace("{{name}}", "Mr. Blue")

    async def hear(requests: int) -> None:
        call = await stage.call(first_message=greeting, variables={"name": "Mr. Blue"})
        await until(lambda: providers.spoken == [said] * requests)
        async with call.caller() as caller:
            await until(lambda: call.has_said("agent", said))
            assert caller.seconds_heard() > len(said) / 15 / 2
        await until(call.ended)

    await hear(1)
    await hear(requests)
    assert providers.spoken == [said] * requests


async def after_a_cough_and_a_hum_the_sentence_goes_on_with_no_word_lost_and_no_turn_taken(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear(None, None, "Mm-hm.")
    call = await stage.call(first_message=LONG)
    async with call.caller() as caller:
        await until(caller.agent_has_been_heard)
        await caller.say(0.3)
        await until(lambda: silences(caller))
        await until(lambda: providers.utterances)
        for utterances in (2, 3):
            await until(caller.agent_is_heard)
            await caller.say(0.9)
            await until(lambda: not caller.agent_is_heard())
            await until(lambda n=utterances: len(providers.utterances) >= n)
        await until(lambda: call.has_said("agent", LONG))
        # What comes late to a busy machine is stretched; were the sentence said twice it would take 5 s longer.
        assert -1 < caller.seconds_heard() - len(LONG) / 15 < 3
        assert providers.chats == []
        assert await call.said("user") == "Mm-hm."
    await until(call.ended)


async def voice_and_transcript_get_the_same_words_in_pieces_and_what_was_heard_of_them_stays(
    stage: Stage, providers: Providers, until: Until
) -> None:
    """A reply in a script without spaces or end marks, with marks that nobody says, is cut and then interrupted."""
    said = "เรามีโต๊ะริมหน้าต่างว่างตอนสองทุ่มค่ะ ต้องการจองสำหรับกี่ท่านคะ " * 100
    providers.hear("สวัสดีค่ะ", "หยุดก่อน")
    providers.answer(f"*ยิ้ม* **{said[:20]}**{said[20:]}😀", "ค่ะ")
    call = await stage.call(language="th")
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: caller.seconds_heard() > 2)
        await caller.say()
        await until(lambda: call.has_said_also("agent", "ค่ะ"))
        cut = next(row.text for row in await call.transcript() if row.speaker == "agent")
        assert len(cut) > 20
        assert said.startswith(cut)
        assert abs(len(cut) / 15 - caller.seconds_heard()) < 2.5
        pieces = [text for text in providers.spoken if text != "ค่ะ"]
        assert said.startswith(" ".join(pieces))
        assert max(map(len, pieces)) < 100
        assert cut[:20] in str(providers.chats[-1].messages)
        assert said not in str(providers.chats[-1].messages)
    await until(call.ended)


async def who_interrupts_leaves_of_the_agents_sentence_what_was_heard_of_it(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Hello?", "Wait, stop.")
    providers.answer("Yes?")
    call = await stage.call(first_message=LONG)
    async with call.caller() as caller:
        await until(caller.agent_has_been_heard)
        await caller.say(0.9)  # which does not stop a greeting; who insists does
        await until(lambda: call.has_said("user", "Hello?"))
        heard_s = caller.seconds_heard()
        await until(lambda: caller.seconds_heard() > heard_s + 0.5)
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes?"))
        assert providers.chats[-1].last_user == "Hello? Wait, stop."
        cut = next(row.text for row in await call.transcript() if row.speaker == "agent")
        assert LONG.startswith(cut)
        assert 10 < len(cut) < 90
        known, _, _last_word = cut.rpartition(" ")  # what was being heard as it was cut may be half of a word
        assert known in str(providers.chats[-1].messages)
        assert LONG not in str(providers.chats[-1].messages)
    await until(call.ended)


async def a_sign_of_listening_in_the_calls_language_stops_nothing_and_is_the_answer_to_a_question(
    stage: Stage, providers: Providers, until: Until
) -> None:
    question = "Soll ich Ihnen für heute Abend um acht Uhr einen Tisch am Fenster reservieren?"
    providers.hear("Ja, genau.")
    providers.answer("Der Tisch ist reserviert.")
    call = await stage.call(first_message=question, language="de", **WITHOUT_A_WORD)
    async with call.caller() as caller:
        await until(lambda: caller.seconds_heard() > len(question) / 15 * 0.3)
        await caller.say(0.9)
        await until(lambda: call.has_said("agent", "Der Tisch ist reserviert."))
        assert abs(caller.seconds_heard() - (len(question) + len("Der Tisch ist reserviert.")) / 15) < 1
        assert await call.said("agent") == f"{question} Der Tisch ist reserviert."
        assert [chat.last_user for chat in providers.chats] == ["Ja, genau."]
    await until(call.ended)


async def a_sign_of_listening_before_a_question_was_heard_or_while_its_speaker_is_owed_an_answer_says_nothing(
    stage: Stage, providers: Providers, until: Until
) -> None:
    found = "I have found three bookings in your name, at seven, at eight and at nine. Shall I cancel all of them now?"
    providers.hear("My bookings, please.", "Mm-hm.", "Okay.", "At nine.")
    providers.answer(found, "Which one?")
    call = await stage.call(**WITHOUT_A_WORD)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        providers.think()
        await caller.say()
        await until(caller.agent_thinks)
        await caller.say(0.9)
        await until(lambda: call.has_said_also("user", "Mm-hm."))
        providers.speak_out()
        await until(caller.agent_has_been_heard)
        await caller.say(0.9)
        await until(lambda: call.has_said_also("agent", found))
        await asyncio.sleep(2 * LISTENING_S)  # would it be an answer, it would be one by then
        await caller.say()
        await until(lambda: call.has_said_also("agent", "Which one?"))
        assert await call.said("user") == "My bookings, please. Mm-hm. Okay. At nine."
        assert [chat.last_user for chat in providers.chats] == ["My bookings, please.", "At nine."]
    await until(call.ended)


async def who_says_yes_after_a_no_that_is_not_answered_yet_is_heard(
    stage: Stage, providers: Providers, until: Until
) -> None:
    question = "Shall I cancel the booking?"
    providers.hear("No.", "Yes.")
    providers.answer("It is cancelled.")
    call = await stage.call(first_message=question, **WITHOUT_A_WORD)
    async with call.caller() as caller:
        await until(lambda: call.has_said_also("agent", question))
        providers.think()
        await caller.say()
        await until(caller.agent_thinks)
        await caller.say(0.9)
        await until(lambda: call.has_said("user", "Yes."))
        providers.speak_out()
        await until(lambda: call.has_said_also("agent", "It is cancelled."))
        assert "Yes" in providers.chats[-1].last_user
        assert await call.said("agent") == f"{question} It is cancelled."
    await until(call.ended)


async def a_greeting_that_the_callers_first_word_came_before_is_heard_and_then_that_is_answered(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Good evening.")
    providers.answer("Good evening to you.")
    providers.tts_s = 2.5  # the caller is quicker
    call = await stage.call(first_message="Hello, Ada speaking.", **WITHOUT_A_WORD)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", "Good evening to you."))
        assert await call.said("agent") == "Hello, Ada speaking. Good evening to you."
        assert providers.chats[-1].last_user == "Good evening."
        assert "Hello, Ada speaking." in str(providers.chats[-1].messages)
    await until(call.ended)


async def every_voice_in_the_room_is_heard_and_named(stage: Stage, providers: Providers, until: Until) -> None:
    providers.hear("I want fish.", "And I want soup.", "Alone now.")
    call = await stage.call(people=("alice", "bob"))
    async with call.caller("alice") as alice, call.caller("bob") as bob:
        await until(lambda: call.has_joined("alice", "bob"))
        await alice.say()
        await until(lambda: call.has_said("agent", "I see."))
        await bob.say()
        await until(lambda: call.has_said("agent", "I see. I see."))
        people = [(r.participant_identity, r.text) for r in await call.transcript() if r.speaker == "user"]
        assert people == [("alice", "I want fish."), ("bob", "And I want soup.")]
        assert providers.chats[-1].last_user == "bob: And I want soup."
        await alice.hang_up()
        await bob.say()
        await until(lambda: call.has_said("agent", "I see. I see. I see."))
        assert providers.chats[-1].last_user == "Alone now."
    await until(call.ended)


async def test_nothing_is_heard_before_it_is_written_that_the_call_has_begun(stage: Stage, until: Until) -> None:
    """Should the agent die with its first word, there was a conversation. A database that is away hushes nobody."""
    call = await stage.call(first_message="Hello, this is Ada.")
    await until(lambda: call.has_happened("agent.joined"))
    clock = asyncio.get_running_loop().time
    began = clock()
    async with AsyncExitStack() as lock:
        connection = await lock.enter_async_context(call.database.writing())
        await connection.execute(sa.select(1))  # from here on nobody else writes
        async with call.caller() as caller:
            await until(lambda: caller.agent_has_been_heard() or clock() > began + 0.9 * WRITTEN_S)
            assert not caller.agent_has_been_heard() or clock() > began + WRITTEN_S
            await until(caller.agent_has_been_heard)
            assert not await call.has_status("in_progress")
            await lock.aclose()
            await until(lambda: call.has_said("agent", "Hello, this is Ada."))
    await until(call.ended)


@pytest.mark.timeout(240)
async def test_a_call_as_its_caller_hears_it(together: Together) -> None:
    """In the order of how long they take; as many calls at a time as there are booths."""
    await together(
        every_voice_in_the_room_is_heard_and_named,
        voice_and_transcript_get_the_same_words_in_pieces_and_what_was_heard_of_them_stays,
        a_sign_of_listening_before_a_question_was_heard_or_while_its_speaker_is_owed_an_answer_says_nothing,
        a_sign_of_listening_in_the_calls_language_stops_nothing_and_is_the_answer_to_a_question,
        after_a_cough_and_a_hum_the_sentence_goes_on_with_no_word_lost_and_no_turn_taken,
        a_greeting_that_the_callers_first_word_came_before_is_heard_and_then_that_is_answered,
        who_says_yes_after_a_no_that_is_not_answered_yet_is_heard,
        who_interrupts_leaves_of_the_agents_sentence_what_was_heard_of_it,
        without_a_first_message_the_agent_waits_and_its_prompt_knows_the_caller,
        partial(
            a_first_message_is_made_before_anybody_joins_and_once_if_it_is_the_same_in_every_call,
            "Welcome back, {{name}}.",
            2,
        ),
        partial(
            a_first_message_is_made_before_anybody_joins_and_once_if_it_is_the_same_in_every_call,
            "You have reached Ada.",
            1,
        ),
    )

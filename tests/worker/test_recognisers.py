"""What recognisers of speech do in the field, and what a caller notices of it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Literal, TypeAlias

import pytest

from calls.database.engine import Database
from calls.rooms import Rooms
from calls.settings import NamedProvider, Settings
from tests.conftest import PATIENCE_S, Until
from tests.providers import Corrected, InPieces, Interim, Providers, Timed, Utterance, in_thread
from tests.servers import LiveKitServer, process
from tests.worker.booth import Booth
from tests.worker.caller import Caller
from tests.worker.conftest import Stage, Talk, Together, make_settings

pytestmark = pytest.mark.restless

QUESTION_S = 1.2  # of who is known to be heard: on a busy machine that begins some time after the call
HOLE_S = 1.5  # between two questions there is an answer, which takes longer
WORDS_S = 4  # more than the stand-in takes for the end of an utterance, on a busy machine too
SENTENCE_S = 2.5  # in which words come before the sentence is over
SHORT_S = 0.3  # a word, and though a busy machine stretches it no more than a cough may be
TWO = [{"model": "first"}, {"model": "second"}]
SORRY = "I'm sorry, I didn't get that. Could you say it again?"
MOMENT = "One moment, please."
PARDON, DEAF = "Pardon?", "I can't hear you."
BRIEF: dict[str, Any] = {
    "phrases": {"sorry": PARDON, "unheard": DEAF}
}  # where what is said in their place does not matter
When: TypeAlias = Literal["at once", "when that is answered"]
UNHEARD = "I'm sorry, I can't hear you at the moment. One moment, please."


@pytest.fixture(scope="module")
def scripted() -> Iterator[Providers]:
    with in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def others() -> Iterator[dict[str, Providers]]:
    """Recognisers that fail by themselves, by the names that they have for agents."""
    with in_thread() as away, in_thread() as wordless:
        yield {"away": away, "wordless": wordless}


@pytest.fixture(scope="module")
def impatient(
    livekit: LiveKitServer,
    scripted: Providers,
    others: dict[str, Providers],
    booths: list[Booth],
    migrated_sqlite: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Settings]:
    """The settings of a worker that waits for words no longer than people do."""
    folder = tmp_path_factory.mktemp("impatient")
    named = {name: NamedProvider(url=other.url, protocol="deepgram") for name, other in others.items()}
    named |= {name: one for booth in booths for name, one in booth.named().items()}
    settings = make_settings(livekit, scripted, migrated_sqlite, folder, stt_words_s=WORDS_S, providers=named)
    with process("worker", settings, folder / "worker.log"):
        yield settings


@pytest.fixture
def providers(scripted: Providers) -> Providers:
    scripted.reset()
    return scripted


@pytest.fixture
def away(others: dict[str, Providers]) -> Providers:
    others["away"].reset()
    return others["away"]


@pytest.fixture
def wordless(others: dict[str, Providers]) -> Providers:
    others["wordless"].reset()
    return others["wordless"]


@pytest.fixture
async def stage(impatient: Settings) -> AsyncIterator[Stage]:
    database = Database(impatient.database, patience_s=PATIENCE_S)
    async with Rooms.connect(impatient, PATIENCE_S) as rooms:
        yield Stage(impatient, database, rooms)
    await database.close()


async def heard(call: Talk) -> list[tuple[str, bool]]:
    """What was heard of people, segment by segment, and whether that is final."""
    return [(row.text, row.is_final) for row in await call.transcript() if row.speaker == "user"]


async def said(call: Talk, text: str) -> int:
    """How often the agent has said it."""
    return sum(row.text == text for row in await call.transcript() if row.speaker == "agent")


async def told(call: Talk, kind: str) -> list[tuple[str, str]]:
    return [(event.data["provider"], event.data["model"]) for event in await call.events() if event.kind == kind]


WAYS: dict[str, Callable[[Providers, str], None]] = {
    "refuses": lambda providers, model: providers.fail("stt", 401, model=model),
    "hangs": lambda providers, model: providers.hang("stt", model=model),
    "is silent": lambda providers, model: providers.silence(model=model),
}


async def test_the_second_takes_over_within_the_turn_and_the_events_say_so(
    stage: Stage, providers: Providers, until: Until
) -> None:
    """However the first one fails: a call for each way, all at the same time."""
    times: Counter[int] = Counter()

    def listen(utterance: Utterance) -> str:
        times[utterance.stream] += 1
        return "Do you have a table?" if times[utterance.stream] == 1 else "For four."

    providers.hole_s = HOLE_S
    providers.hear_with(listen)
    providers.answer_with(lambda chat: "Until when?" if "For four." in chat.user_lines else "Yes, we have.")
    await asyncio.gather(*(another_takes_over(stage, providers, until, way) for way in WAYS))


async def another_takes_over(stage: Stage, providers: Providers, until: Until, way: str) -> None:
    WAYS[way](providers, way)
    call = await stage.call(stt=[{"model": way}, {"model": "second"}])
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes, we have."))
        await caller.say(QUESTION_S)
        await until(lambda: call.has_said("agent", "Until when?"))
    await until(call.ended)
    assert await heard(call) == [("Do you have a table?", True), ("For four.", True)]
    assert await told(call, "provider.failed") == [("stt", way)]
    assert await told(call, "provider.switched") == [("stt", "second")]


async def one_that_takes_whole_recordings_is_waited_for_no_longer_nor_in_silence(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hang("stt", model="first")
    providers.hear("Do you have a table?")
    providers.answer("Yes, we have.")
    call = await stage.call(
        stt=[{"provider": stage.model, "model": "first"}, {"provider": stage.model, "model": "second"}]
    )
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes, we have."))
        assert await said(call, MOMENT) == 1
    await until(call.ended)
    assert await heard(call) == [("Do you have a table?", True)]
    assert await told(call, "provider.failed") == [("stt", "first")]
    assert await told(call, "provider.switched") == [("stt", "second")]


async def what_is_said_when_somebody_hangs_up_becomes_text_with_one_of_whole_recordings_too(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.stt_s = 2.0
    providers.hear("Do you have a table?")
    call = await stage.call(stt=[{"provider": stage.model, "model": "first"}])
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await until(caller.agent_listens)
        speaking = asyncio.create_task(caller.say())
        await asyncio.sleep(1)  # of the sentence
    speaking.cancel()
    await until(call.ended)
    assert await heard(call) == [("Do you have a table?", True)]


async def recognition_that_is_away_for_20_s_ends_no_call_and_what_was_said_meanwhile_is_answered(
    stage: Stage, away: Providers, until: Until
) -> None:
    call = await stage.call(stt=[{"provider": "away"}], silence_reminder_s=4, silence_timeout_s=8)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        away.hear("Hello.")
        await caller.say()
        await until(lambda: call.has_said("agent", "I see."))
        away.hear("Do you have a table?", "For four people.")
        away.fail("stt", 503)
        began_at = time.monotonic()
        await away.cut_listeners()
        await caller.say()
        await until(lambda: call.has_said("agent", UNHEARD))
        await caller.say()
        await asyncio.sleep(began_at + 20 - time.monotonic())
        away.recover()
        await until(lambda: call.has_said("agent", "Yes, we have."))
        lines = await heard(call)
        # The pause between the last two has no length where the machine stands still in it: then they are one line.
        assert " ".join(text for text, _ in lines) == "Hello. Do you have a table? For four people."
        assert all(is_final for _, is_final in lines)
        assert await said(call, UNHEARD) == 1
        assert await call.status() == "in_progress"
        assert len(await told(call, "provider.failed")) == 1
    await until(call.ended)


async def each_speech_without_words_gets_a_word_and_from_the_second_on_the_next_recogniser_hears_it_too(
    stage: Stage, wordless: Providers, until: Until
) -> None:
    wordless.hear(None, None, None, "Is anybody there?", None, None, "Do you have a table?")
    call = await stage.call(stt=[{"provider": "wordless", **one} for one in TWO], silence_reminder_s=60, **BRIEF)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", PARDON))
        assert await told(call, "provider.failed") == []
        await until(caller.agent_listens)
        await caller.say()
        await until(lambda: call.has_said("agent", DEAF))
        assert await told(call, "provider.failed") == [("stt", "first")]
        await until(caller.agent_listens)
        await caller.say()
        await until(lambda: call.has_said("agent", "I see."))
        assert await told(call, "provider.switched") == [("stt", "second")]
        assert await said(call, PARDON) == 1
        await until(caller.agent_listens)
        await caller.say()
        await until(lambda: call.has_said_twice("agent", PARDON))
        assert await told(call, "provider.failed") == [("stt", "first")]
        await until(caller.agent_listens)
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes, we have."))
        assert (await said(call, PARDON), await said(call, DEAF)) == (2, 1), "the other one has heard this in time"
    await until(call.ended)


@pytest.mark.timeout(240)
async def test_recognition_that_does_not_work_for_long(
    stage: Stage, providers: Providers, away: Providers, wordless: Providers, until: Until
) -> None:
    """Each of these takes half a minute; they do so at the same time."""
    providers.hear_with(lambda _utterance: "Hello.")
    providers.answer_with(lambda chat: "Yes, we have." if "Do you have a table?" in chat.user_lines else "I see.")
    await asyncio.gather(
        recognition_that_is_away_for_20_s_ends_no_call_and_what_was_said_meanwhile_is_answered(stage, away, until),
        each_speech_without_words_gets_a_word_and_from_the_second_on_the_next_recogniser_hears_it_too(
            stage, wordless, until
        ),
    )


async def words_that_no_final_result_confirms_are_said_and_answered(
    speaks_on: When, stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear(Interim("I need a table. Now"), "For four people.")
    answers = {"I need a table.": "For how many?", "For four people.": "At what time?"}
    providers.answer_with(lambda chat: answers.get(chat.user_lines[-1], "At what time?"))
    call = await stage.call()
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        if speaks_on == "at once":
            await until(lambda: providers.utterances)
        else:
            await until(lambda: call.has_said("agent", "For how many?"))
        await caller.say()
        await until(lambda: call.has_said("agent", "At what time?"))
        assert await heard(call) == [("I need a table.", True), ("For four people.", True)]
        assert " ".join(providers.chats[-1].user_lines) == "I need a table. For four people."
    await until(call.ended)


async def a_final_result_that_comes_too_late_tells_only_what_was_not_known(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hold()
    providers.hear("I need a table for four.")
    providers.answer("At what time?", "I see that.")
    call = await stage.call()
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: heard_so_far(call, "I need a table for"))
        await until(lambda: call.has_said("agent", "At what time?"))
        providers.confirm()
        await until(lambda: call.has_said("user", "I need a table for four."))
        await until(lambda: call.has_said("agent", "I see that."))
        assert await heard(call) == [("I need a table for four.", True)]
        assert " ".join(providers.chats[-1].user_lines) == "I need a table for four."
    await until(call.ended)


async def heard_so_far(call: Talk, text: str) -> bool:
    return (text, True) in await heard(call)


async def final_results_in_pieces_are_one_segment_and_one_line_for_the_model(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear(InPieces("I need a table", "for four people", "on Friday."), "At six.")
    call = await stage.call(people=("alice", "bob"))
    async with call.caller("alice") as alice, call.caller("bob"):
        await until(lambda: call.has_joined("alice", "bob"))
        await alice.say()
        await until(lambda: call.has_said("agent", "I see."))
        assert await heard(call) == [("I need a table for four people on Friday.", True)]
        assert providers.chats[-1].user_lines == ["alice: I need a table for four people on Friday."]
        await alice.say()
        await until(lambda: call.has_said("agent", "I see. I see."))
        assert (await heard(call))[1:] == [("At six.", True)]
        assert providers.chats[-1].user_lines[-1] == "alice: At six."
    await until(call.ended)


async def a_final_result_that_comes_twice_or_corrected_is_said_once(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear(Corrected("In Boston.", "In Boston.", "In Austin."), Corrected("At six.", "At six."))
    call = await stage.call()
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        for turns, said_by_caller in ((1, "In Boston."), (2, "At six.")):
            await until(caller.agent_listens)
            await caller.say()
            await until(lambda turns=turns: has_answered(call, turns))
            assert providers.chats[-1].user_lines[-1] == said_by_caller
        assert await heard(call) == [("In Austin.", True), ("At six.", True)]
    await until(call.ended)


async def has_answered(call: Talk, turns: int) -> bool:
    return await call.has_said("agent", " ".join(["I see."] * turns))


async def one_that_says_nothing_is_replaced_and_hears_again_what_was_said(
    stage: Stage, away: Providers, until: Until
) -> None:
    away.silence(times=1)
    away.hear("Do you have a table?")
    call = await stage.call(stt=[{"provider": "away"}])
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes, we have."))
        assert await heard(call) == [("Do you have a table?", True)]
        assert await said(call, SORRY) == 0
    await until(call.ended)


async def one_that_stays_silent_is_asked_about(stage: Stage, providers: Providers, until: Until) -> None:
    providers.silence(times=2)
    providers.hear("Do you have a table?")
    call = await stage.call(**BRIEF)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", PARDON))
        await until(caller.agent_listens)
        await caller.say()
        await until(lambda: call.has_said("user", "Do you have a table?"))
    await until(call.ended)


async def test_a_recogniser_of_which_nothing_comes(
    stage: Stage, providers: Providers, away: Providers, until: Until
) -> None:
    """In two ways at the same time."""
    providers.answer_with(lambda _chat: "Yes, we have.")
    await asyncio.gather(
        one_that_says_nothing_is_replaced_and_hears_again_what_was_said(stage, away, until),
        one_that_stays_silent_is_asked_about(stage, providers, until),
    )


async def short_answers_of_which_nothing_came_are_heard_by_a_new_stream(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.silence(times=1)
    providers.hear("Yes.", "No.")
    call = await stage.call(stt=TWO)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        saying = asyncio.create_task(say_something_short_again_and_again(caller))
        await until(lambda: call.has_said("user", "No."))
        saying.cancel()
        assert await heard(call) == [("Yes.", True), ("No.", True)]
        assert await said(call, SORRY) == 0
    await until(call.ended)
    assert await told(call, "provider.failed") == []


async def say_something_short_again_and_again(caller: Caller) -> None:
    """A busy machine may swallow a sound so short."""
    while True:
        await caller.say(SHORT_S)
        await asyncio.sleep(WORDS_S + 1)  # the time in which words are waited for


async def results_that_do_not_tell_when_words_were_said_are_two_turns_of_two_sentences(
    timed: Timed, stage: Stage, providers: Providers, until: Until
) -> None:
    providers.timed = timed
    said_by_caller = ["Can you tell me what time you open?", "And when do you close on Sundays?"]
    answers = ["At nine.", "At six."]
    providers.hear(*said_by_caller)
    providers.answer(*answers)
    call = await stage.call()
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        for answer in answers:
            await until(caller.agent_listens)
            await caller.say(SENTENCE_S)
            await until(partial(call.has_said, "agent", answer))
        assert await heard(call) == [(text, True) for text in said_by_caller]
        assert await said(call, SORRY) == 0
        assert providers.chats[-1].user_lines == said_by_caller
    await until(call.ended)


@pytest.mark.timeout(180)
async def test_what_comes_late_or_in_pieces_or_not_at_all(together: Together) -> None:
    """Those first that take longest; as many calls at a time as there are booths."""
    await together(
        partial(words_that_no_final_result_confirms_are_said_and_answered, "when that is answered"),
        short_answers_of_which_nothing_came_are_heard_by_a_new_stream,
        a_final_result_that_comes_too_late_tells_only_what_was_not_known,
        final_results_in_pieces_are_one_segment_and_one_line_for_the_model,
        a_final_result_that_comes_twice_or_corrected_is_said_once,
        partial(results_that_do_not_tell_when_words_were_said_are_two_turns_of_two_sentences, "final"),
        partial(results_that_do_not_tell_when_words_were_said_are_two_turns_of_two_sentences, "none"),
        one_that_takes_whole_recordings_is_waited_for_no_longer_nor_in_silence,
        partial(words_that_no_final_result_confirms_are_said_and_answered, "at once"),
        what_is_said_when_somebody_hangs_up_becomes_text_with_one_of_whole_recordings_too,
    )

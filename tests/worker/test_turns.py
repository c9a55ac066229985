"""When the agent takes its turn."""

from functools import partial

import pytest

from tests.conftest import Until
from tests.providers import Providers
from tests.worker.conftest import WITHOUT_A_WORD, Stage, Together

pytestmark = pytest.mark.restless

WITHOUT_ITS_END = ("I would like to book a table for", "two people on Friday.")
WITHOUT_ITS_MARK = ("I would like to book a table", "for two people on Friday.")
CALLS = 4  # in one of them the machine does not stand still


async def what_seems_whole_is_asked_of_the_model_before_its_words_are_certain_unless_nothing_may_be_in_vain(
    eager: float, stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table for two? Thanks.")
    providers.answer("Yes, at eight.")
    call = await stage.call(eager=eager)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        providers.hold()
        await caller.say(3)
        if eager:
            await until(lambda: providers.chats)
            assert providers.chats[0].last_user == "Do you have a table for two?"
        await until(lambda: providers.utterances)
        assert bool(providers.chats) == bool(eager)
        assert await call.said("agent") == ""
        providers.confirm()
        await until(lambda: call.has_said("agent", "Yes, at eight."))
        assert providers.chats[-1].last_user == "Do you have a table for two? Thanks."
    await until(call.ended)


async def a_sentence_with_a_pause_is_one_turn_with_one_answer(
    halves: tuple[str, str], eager: float, stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear(*halves)
    providers.answer("A table for two.")
    providers.endpointing_s = 0.4  # the pause is to be one to it, too
    call = await stage.call(**WITHOUT_A_WORD, eager=eager)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say_haltingly(1, 0.8)
        await until(lambda: call.has_said("agent", "A table for two."))
        assert [chat.last_user for chat in providers.chats] == [
            "I would like to book a table for two people on Friday."
        ]
        assert await call.said("agent") == "A table for two."
    await until(call.ended)


async def a_word_that_was_heard_and_not_yet_written_belongs_to_the_turn(
    stage: Stage, providers: Providers, until: Until
) -> None:
    asked: list[str] = []
    while "No. Two." not in asked:  # a machine that stands still within the pause makes two turns of it
        assert len(asked) < CALLS, asked
        providers.reset()
        asked.append(await asked_first(stage, providers, until))


async def asked_first(stage: Stage, providers: Providers, until: Until) -> str:
    """What the model is asked when somebody says two words with a pause between them."""
    providers.endpointing_s, providers.stt_s = 0.25, 0.3
    providers.hear("No.", "Two.")
    call = await stage.call(eager=0)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say_haltingly(0.3, 0.4)
        await until(lambda: providers.chats)
        asked = providers.chats[0].last_user
    await until(call.ended)
    return asked


@pytest.mark.timeout(180)
async def test_when_the_agent_takes_its_turn(together: Together) -> None:
    """As many calls at a time as there are booths."""
    await together(
        partial(what_seems_whole_is_asked_of_the_model_before_its_words_are_certain_unless_nothing_may_be_in_vain, 0.1),
        partial(what_seems_whole_is_asked_of_the_model_before_its_words_are_certain_unless_nothing_may_be_in_vain, 0),
        partial(a_sentence_with_a_pause_is_one_turn_with_one_answer, WITHOUT_ITS_END, 0.1),
        partial(a_sentence_with_a_pause_is_one_turn_with_one_answer, WITHOUT_ITS_MARK, 0),
        a_word_that_was_heard_and_not_yet_written_belongs_to_the_turn,
    )

"""When the agent takes its turn."""

import pytest

from tests.conftest import Until
from tests.providers import Providers
from tests.worker.conftest import WITHOUT_A_WORD, Stage

pytestmark = pytest.mark.restless

CALLS = 4  # in one of them the machine does not stand still


@pytest.mark.parametrize("eager", [0.1, 0])
async def test_what_seems_whole_is_asked_of_the_model_before_its_words_are_certain_unless_nothing_may_be_in_vain(
    stage: Stage, providers: Providers, until: Until, eager: float
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


@pytest.mark.parametrize(
    ("halves", "eager"),
    [
        (("I would like to book a table for", "two people on Friday."), 0.1),
        (("I would like to book a table", "for two people on Friday."), 0),  # the mark alone is missing
    ],
)
async def test_a_sentence_with_a_pause_is_one_turn_with_one_answer(
    stage: Stage, providers: Providers, until: Until, halves: tuple[str, str], eager: float
) -> None:
    providers.hear(*halves)
    providers.answer("A table for two.")
    endpointing_s, providers.endpointing_s = providers.endpointing_s, 0.4  # the pause is to be one to it, too
    try:
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
    finally:
        providers.endpointing_s = endpointing_s


async def test_a_word_that_was_heard_and_not_yet_written_belongs_to_the_turn(
    stage: Stage, providers: Providers, until: Until
) -> None:
    timing = providers.endpointing_s, providers.stt_s
    providers.endpointing_s, providers.stt_s = 0.25, 0.3
    asked: list[str] = []
    try:
        while "No. Two." not in asked:  # a machine that stands still within the pause makes two turns of it
            assert len(asked) < CALLS, asked
            providers.reset()
            asked.append(await asked_first(stage, providers, until))
    finally:
        providers.endpointing_s, providers.stt_s = timing


async def asked_first(stage: Stage, providers: Providers, until: Until) -> str:
    """What the model is asked when somebody says two words with a pause between them."""
    providers.hear("No.", "Two.")
    call = await stage.call(eager=0)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say_haltingly(0.3, 0.4)
        await until(lambda: providers.chats)
        asked = providers.chats[0].last_user
    await until(call.ended)
    return asked

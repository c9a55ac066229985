"""When the agent takes its turn."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

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
    def say() -> Awaitable[list[str]]:
        providers.hear(*halves)
        providers.answer("A table for two.")
        providers.endpointing_s = 0.4  # the pause is to be one to it, too
        return asked_for(1, 0.8, WITHOUT_A_WORD | {"eager": eager}, stage, providers, until)

    await is_asked(["I would like to book a table for two people on Friday."], say, providers)


async def a_word_that_was_heard_and_not_yet_written_belongs_to_the_turn(
    stage: Stage, providers: Providers, until: Until
) -> None:
    def say() -> Awaitable[list[str]]:
        providers.hear("No.", "Two.")
        providers.answer("A table for two.")
        providers.endpointing_s, providers.stt_s = 0.25, 0.3
        return asked_for(0.3, 0.4, {"eager": 0}, stage, providers, until)

    await is_asked(["No. Two."], say, providers)


async def is_asked(expected: list[str], say: Callable[[], Awaitable[list[str]]], providers: Providers) -> None:
    """In one of several calls: a machine that stands still within a pause makes two turns of it."""
    asked: list[list[str]] = []
    while expected not in asked:
        assert len(asked) < CALLS, asked
        providers.reset()
        asked.append(await say())


async def asked_for(
    seconds: float,
    pause_s: float,
    changes: dict[str, Any],
    stage: Stage,
    providers: Providers,
    until: Until,
) -> list[str]:
    """All that the model is asked when somebody speaks twice for so long, with a pause between."""
    call = await stage.call(**changes)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say_haltingly(seconds, pause_s)
        await until(lambda: call.said("agent"))
    await until(call.ended)
    return [chat.last_user for chat in providers.chats]


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

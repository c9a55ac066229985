"""When the agent takes its turn."""

import pytest

from tests.conftest import Until
from tests.providers import Providers
from tests.worker.conftest import Stage

pytestmark = pytest.mark.restless


async def test_a_sentence_with_a_pause_is_one_turn_with_one_answer(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("I would like to book a table for", "two people on Friday.")
    providers.answer("A table for two.")
    endpointing_s, providers.endpointing_s = providers.endpointing_s, 0.4  # the pause is to be one to it, too
    try:
        call = await stage.call()
        async with call.caller() as caller:
            await until(lambda: call.has_status("in_progress"))
            await caller.say_haltingly(2, 1)
            await until(lambda: call.has_said("agent", "A table for two."))
            assert [chat.last_user for chat in providers.chats] == [
                "I would like to book a table for two people on Friday."
            ]
            assert await call.said("agent") == "A table for two."
        await until(call.ended)
    finally:
        providers.endpointing_s = endpointing_s

"""What is said while the agent speaks, whose voice here needs 10 s for all that it says."""

import asyncio
from typing import Any, cast

import pytest
from livekit.agents import AgentSession, llm
from livekit.agents.voice import SpeechHandle

from worker.speaker.held import Held

SAID = "Here is what I have found for you. Shall I book the table by the window for four people on Friday evening now?"
ASKED_S = 10 * SAID.index("Shall") / len(SAID)


class Session:
    user_state = "listening"

    def on(self, _event: str, _handler: object) -> None:
        pass


class Speech:
    """One that has been heard."""

    interrupted = False

    def __init__(self) -> None:
        self.chat_items = [llm.ChatMessage(role="assistant", content=[SAID])]

    async def wait_for_playout(self) -> None:
        pass


@pytest.mark.parametrize(
    ("after_s", "is_hum", "is_answer"),
    [
        (0.3, False, False),  # it is to what was said before
        (2, False, True),
        (2, True, False),
        (4, True, True),
    ],
)
async def test_a_word_answers_a_question_that_has_begun_and_a_hum_one_of_which_half_was_heard(
    *, after_s: float, is_hum: bool, is_answer: bool
) -> None:
    answered: list[str] = []
    session = cast(AgentSession[None], cast(Any, Session()))
    held = Held(session, lambda share: 10 * share, answered.append)
    speech = cast(SpeechHandle, cast(Any, Speech()))
    held.keep(speech, lambda: "Yes.", ASKED_S + after_s, only_listens=True, is_hum=is_hum)
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "held words"))
    assert answered == (["Yes."] if is_answer else [])

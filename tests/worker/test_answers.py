"""Who asks again before an answer has come."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from livekit.agents import APIStatusError, llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.agent_activity import _SpeechHandleContextVar

from calls.agent_config import AgentConfig
from tests.conftest import Until
from worker.ranking import Ranking
from worker.speaker.answers import IN_VAIN_S, Answers, Piece
from worker.speaker.memory import Memory
from worker.speaker.words.language import Language

MOST = 12  # turns of a caller who asks on


class Hasty:
    """A caller who waits for an answer only half as long as a wait in vain takes, and models that may hang."""

    def __init__(self, until: Until, *models: str) -> None:
        self.hung = set(models)
        self.asked: list[str] = []
        self.failed: list[int] = []  # their places
        self.guesses: list[str | Exception] = []  # what comes of the first ones
        self.chat = llm.ChatContext.empty()
        self._until = until
        ranking: Ranking[Any] = Ranking(models, on_switched=lambda _place: None)
        self._answers = Answers(
            ranking,
            Memory(ranking, on_cut=lambda: None),
            Language(AgentConfig()),
            first_word_s=60,
            on_turn_over=lambda _speech: None,
            on_answered=lambda: None,
            on_failed=lambda _error, place: self.failed.append(place),
            on_empty=lambda: None,
            on_wordless=lambda: None,
        )

    async def ask(self) -> str:
        """What is answered; nothing if he has given up."""
        before = len(self.asked)
        speech = SpeechHandle.create()
        speech._mark_scheduled()
        asking = asyncio.create_task(self.answer(speech))
        await self._until(lambda: len(self.asked) > before)
        await asyncio.wait({asking}, timeout=IN_VAIN_S * 0.55)
        asking.cancel()
        await asyncio.wait({asking})
        return "" if asking.cancelled() else asking.result()

    async def answer(self, speech: SpeechHandle) -> str:
        """What is answered in this speech."""
        _SpeechHandleContextVar.set(speech)
        return "".join([str(piece) async for piece in self._answers.answer(self.chat, self._say)])

    async def _say(self, model: Any, _sent: llm.ChatContext) -> AsyncGenerator[Piece, None]:
        self.asked.append(model)
        if model in self.hung:
            await asyncio.Event().wait()
        came = self.guesses.pop() if self.guesses else "I see."
        if isinstance(came, Exception):
            raise came
        yield came


@pytest.mark.parametrize(
    ("guess", "then"),
    [("", "first"), ("[nods]", "first"), (APIStatusError("busy", status_code=503), "second")],
    ids=["nothing", "no word", "refusal"],
)
async def test_who_refuses_a_guess_is_not_asked_again_at_once_and_who_has_nothing_to_say_to_it_is(
    until: Until, guess: str | Exception, then: str
) -> None:
    caller = Hasty(until, "first", "second")
    caller.hung, caller.guesses = set(), [guess]
    speech = SpeechHandle.create()
    answering = asyncio.create_task(caller.answer(speech))
    await until(lambda: not caller.guesses)
    speech._mark_scheduled()
    assert await answering == "I see."
    assert caller.asked == ["first", then]
    assert caller.failed == []


async def test_short_waits_for_a_model_that_hangs_add_up_and_the_next_one_is_asked(until: Until) -> None:
    caller = Hasty(until, "first", "second")
    caller.hung = {"first"}
    for _ in range(MOST):
        if await caller.ask() == "I see.":
            break
    assert caller.asked[-1] == "second"
    assert set(caller.asked[:-1]) == {"first"}
    assert caller.failed == []


async def test_who_waits_for_all_models_in_vain_again_and_again_has_met_failures(until: Until) -> None:
    caller = Hasty(until, "first", "second")
    for _ in range(MOST):
        await caller.ask()
        if len(caller.failed) == 2:
            break
    assert caller.failed == [1, 0]
    assert {"first", "second"} == set(caller.asked)


def test_what_works_is_waited_for_anew() -> None:
    ranking = Ranking(["only"], on_switched=lambda _place: None)
    assert not ranking.waited(0, 2.0, IN_VAIN_S)
    ranking.works(0)
    assert not ranking.waited(0, 2.0, IN_VAIN_S)
    assert ranking.waited(0, 1.0, IN_VAIN_S)
    assert ranking.is_down(0)

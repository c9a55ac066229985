"""Conversations that are longer than the model's context."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import openai
import pytest
from livekit.agents import APIConnectOptions, llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.agent_activity import _SpeechHandleContextVar
from livekit.plugins import openai as openai_plugin

from calls.agent_config import AgentConfig
from tests.conftest import Until
from tests.providers import Chat, Providers, field
from worker.ranking import Ranking
from worker.speaker.answers import Answers, Piece
from worker.speaker.memory import Memory
from worker.speaker.words.language import Language

PROMPT = "You are helpful."
FILLING = "and-so-on-and-so-forth " * 8  # of few words, for each comes by itself


class Conversation:
    """One with an agent's model, whose failures are collected."""

    def __init__(self, url: str) -> None:
        self.failures: list[Exception] = []
        self.cuts = 0
        self.chat = llm.ChatContext.empty()
        self.chat.add_message(role="system", content=PROMPT)
        self._client = openai.AsyncClient(base_url=url, api_key="none", max_retries=0)
        models: Ranking[llm.LLM[Any]] = Ranking(
            [openai_plugin.LLM(client=self._client, model="scripted")], on_switched=lambda _place: None
        )
        self.memory = Memory(models, on_cut=self._note_cut)
        self._answers = Answers(
            models,
            self.memory,
            Language(AgentConfig()),
            first_word_s=60,
            on_turn_over=lambda _speech: None,
            on_answered=lambda: None,
            on_failed=lambda error, _place: self.failures.append(error),
            on_empty=lambda: None,
            on_wordless=lambda: None,
        )

    async def say(self, line: str) -> str:
        self.chat.add_message(role="user", content=line)
        speech = SpeechHandle.create()
        speech._mark_scheduled()
        _SpeechHandleContextVar.set(speech)
        answer = "".join([_text(piece) async for piece in self._answers.answer(self.chat, self._request)])
        self.chat.add_message(role="assistant", content=answer)
        return answer

    async def _request(self, model: llm.LLM[Any], sent: llm.ChatContext) -> AsyncGenerator[Piece, None]:
        async with model.chat(chat_ctx=sent, conn_options=APIConnectOptions(max_retry=0)) as stream:
            async for chunk in stream:
                yield chunk

    async def aclose(self) -> None:
        await self.memory.aclose()
        await self._client.close()

    def _note_cut(self) -> None:
        self.cuts += 1


def _text(piece: Piece) -> str:
    return (piece.delta.content or "") if isinstance(piece, llm.ChatChunk) and piece.delta else str(piece)


def answers_or_takes_notes(chat: Chat) -> str:
    if chat.system.startswith("You keep the notes"):
        return " ".join(dict.fromkeys(re.findall(r"fact-\d+", chat.last_user))) + " "
    return f"Noted: {chat.last_user[:12]} {FILLING}"


@pytest.fixture
async def scripted() -> AsyncIterator[Providers]:
    async with Providers() as providers:
        providers.answer_with(answers_or_takes_notes)
        yield providers


@pytest.fixture
async def conversation(scripted: Providers) -> AsyncIterator[Conversation]:
    conversation = Conversation(scripted.url)
    yield conversation
    await conversation.aclose()


@pytest.mark.parametrize(("says", "turns"), [("in no words", 150), ("google, as a quota", 50)])
async def test_many_turns_work_on_a_context_of_4000_tokens(
    scripted: Providers, conversation: Conversation, until: Until, says: str, turns: int
) -> None:
    scripted.answer_with(field.with_context(4000, field.TOO_LONG[says])(answers_or_takes_notes))
    for number in range(turns):
        assert (await conversation.say(f"fact-{number} {FILLING}")).startswith(f"Noted: fact-{number} ")
    assert not conversation.failures

    async def knows_everything() -> bool:
        await conversation.say("And?")
        sent = str(scripted.chats[-1].body)
        return all(re.search(rf"fact-{number}\b", sent) for number in range(turns))

    await until(knows_everything)
    assert "fact-0" in scripted.chats[-1].system


async def test_a_server_that_cuts_and_says_nothing_is_noticed_and_sent_less(
    scripted: Providers, conversation: Conversation
) -> None:
    for number in range(12):
        await conversation.say(f"fact-{number} {FILLING}")
    whole = conversation.memory.fit(conversation.chat)
    conversation.memory.learn(whole, 50_000, model=0)
    assert conversation.cuts == 0
    for number in range(12, 24):
        await conversation.say(f"fact-{number} {FILLING}")
    assert conversation.cuts == 1
    assert len(scripted.chats[-1].messages) < len(conversation.chat.items) - 2


async def test_what_is_short_and_refused_is_not_sent_again(scripted: Providers, conversation: Conversation) -> None:
    scripted.answer_with(lambda _: field.error("Bad Request"))
    assert "Could you say it again?" in await conversation.say("Hello.")
    assert (len(scripted.chats), len(conversation.failures)) == (2, 1)


@pytest.mark.parametrize("says", ["as a limit", "in a crash", "in no words"])
async def test_a_prompt_that_is_too_long_by_itself_is_not_asked_about_for_ever(
    scripted: Providers, conversation: Conversation, says: str
) -> None:
    scripted.answer_with(lambda _: field.TOO_LONG[says])
    conversation.chat.items[:] = []
    conversation.chat.add_message(role="system", content=FILLING * 60)
    assert "Could you say it again?" in await conversation.say("Hello.")
    assert (len(scripted.chats), len(conversation.failures)) == (2, 1)


async def test_with_a_long_prompt_the_latest_turns_are_sent_all_the_same_and_no_tools_answer_alone(
    scripted: Providers, conversation: Conversation
) -> None:
    conversation.chat.items[:] = []
    conversation.chat.add_message(role="system", content=FILLING * 400)
    for number in range(4):
        conversation.chat.add_message(role="user", content=f"fact-{number}")
    conversation.chat.items.append(llm.FunctionCall(call_id="call_1", name="look", arguments="{}"))
    conversation.chat.items.append(
        llm.FunctionCallOutput(call_id="call_1", name="look", output=FILLING * 200, is_error=False)
    )
    kinds = [item.type for item in conversation.memory.fit(conversation.chat).items]
    assert kinds[-3:] == ["message", "function_call", "function_call_output"]

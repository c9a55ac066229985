"""What the agent answers: what its model says, asked once more where that fails or says nothing, else an apology."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any, TypeAlias

from livekit.agents import APIError, APITimeoutError, FlushSentinel, llm, utils
from livekit.agents.utils.aio.channel import ChanEmpty
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.agent_activity import _SpeechHandleContextVar

from worker.ranking import Ranking
from worker.speaker.memory import Memory
from worker.speaker.words.language import Language
from worker.speaker.words.plain import is_said_of, is_sayable, said_of

Piece: TypeAlias = llm.ChatChunk | str | FlushSentinel
Ask: TypeAlias = Callable[[llm.LLM[Any], llm.ChatContext], AsyncGenerator[Piece, None]]

IN_VAIN_S = 2.5  # of turns in a row without an answer: who then speaks again was not answered
TRIES = 2  # at least; each model of the agent has one


class NoAnswer(Exception):
    """The model has ended without a word (thoughts, dots and emoji are none), or calls a tool where it may not."""


class Answers:
    """The answers of one agent's models, of which the next one takes over within the turn.

    What is asked while the caller may still be speaking is a guess: that it fails is told to nobody, and once the turn
    is over it is asked anew, of the next model if the first one has refused or broken off. One that says nothing has
    not failed by that: to half a sentence there may be nothing to say.

    Args:
        models: who is asked.
        memory: what of the conversation is sent.
        language: what is said where the model says nothing.
        first_word_s: how long the model may take for its first word, and after that for each next one.
        on_turn_over: the turn is over that is answered in this speech; told again for what follows on a tool.
        on_answered: the model has begun to answer.
        on_failed: none has, though two were asked, or one twice, or in vain when no other works: why, and the place of
            the last one.
        on_empty: its answer was none.
        on_wordless: none has, and the language has no words yet in which the agent could be sorry.
    """

    def __init__(
        self,
        models: Ranking[llm.LLM[Any]],
        memory: Memory,
        language: Language,
        first_word_s: float,
        *,
        on_turn_over: Callable[[SpeechHandle], None],
        on_answered: Callable[[], None],
        on_failed: Callable[[Exception, int], None],
        on_empty: Callable[[], None],
        on_wordless: Callable[[], None],
    ) -> None:
        self._models = models
        self._memory = memory
        self._language = language
        self._first_word_s = first_word_s
        self._on_turn_over = on_turn_over
        self._on_answered = on_answered
        self._on_failed = on_failed
        self._on_empty = on_empty
        self._on_wordless = on_wordless

    async def answer(self, chat: llm.ChatContext, ask: Ask) -> AsyncIterator[Piece]:
        """The pieces of one answer, of a model's or else of our own; `ask` sends a model what is sent of the chat."""
        speech = _SpeechHandleContextVar.get()
        answer = _Answer(speech, self._first_word_s)
        pieces = utils.aio.Chan[Piece]()
        asking = asyncio.create_task(self._ask(answer, chat, ask, pieces))
        asking.add_done_callback(lambda _: pieces.close())
        try:
            await answer.wait_committed()  # of a guess nothing is passed on: it may break off, and be asked anew
            self._on_turn_over(speech)
            async for piece in pieces:
                yield piece
            await asking
        finally:
            await utils.aio.cancel_and_wait(asking)
            if answer.settled:
                pass
            elif answer.begun:
                self._models.works(answer.place)
                self._on_answered()
            elif self._models.waited(answer.place, answer.waited_s, IN_VAIN_S) and self._models.are_down:
                self._on_failed(APITimeoutError(), answer.place)  # whoever waited in vain has spoken into it

    async def _ask(
        self,
        answer: "_Answer",
        chat: llm.ChatContext,
        ask: Ask,
        pieces: utils.aio.Chan[Piece],
    ) -> None:
        tries = 0
        while True:
            committed, sent = answer.is_committed, self._memory.fit(chat)
            answer.turn_to(self._models.best)
            try:
                await self._attempt(answer, sent, ask, pieces)
            except Exception as problem:  # noqa: BLE001 - whatever a plugin raises, the caller is not left in silence
                if isinstance(problem, NoAnswer) and _needs_no_word(chat):
                    answer.settled = True
                    return
                if not answer.is_committed:
                    answer.begun = False
                    _forget(pieces)
                if isinstance(problem, APIError) and not answer.begun and self._memory.shorten(chat, sent, problem):
                    continue
                is_guess = not committed and not answer.begun
                if not (is_guess and isinstance(problem, NoAnswer)):
                    self._models.failed(answer.place)
                if is_guess:
                    await answer.wait_committed()
                    continue
                tries += 1
                self._fail(answer, problem, pieces, last=answer.begun or tries == max(TRIES, len(self._models)))
                if not answer.settled:
                    continue
            return

    async def _attempt(
        self,
        answer: "_Answer",
        sent: llm.ChatContext,
        ask: Ask,
        pieces: utils.aio.Chan[Piece],
    ) -> None:
        async for piece in answer.of(ask(self._models[answer.place], sent)):
            if isinstance(piece, llm.ChatChunk) and piece.usage is not None:
                self._memory.learn(sent, piece.usage.prompt_tokens, answer.place)
            pieces.send_nowait(piece)

    def _fail(self, answer: "_Answer", problem: Exception, pieces: utils.aio.Chan[Piece], *, last: bool) -> None:
        if isinstance(problem, NoAnswer):
            self._on_empty()
        if not last:
            return
        answer.settled = True
        self._on_failed(problem, answer.place)
        if sorry := self._language.phrase("sorry"):
            pieces.send_nowait(FlushSentinel())
            pieces.send_nowait(sorry)
        elif not self._language.wants_silence("sorry"):
            self._on_wordless()


class _Answer:
    """One answer as it comes."""

    def __init__(self, speech: SpeechHandle, first_word_s: float) -> None:
        self._speech = speech
        self._first_word_s = first_word_s
        self._committed_at: float | None = None
        self._turned_at = 0.0
        self.place = 0  # of the model that is asked
        self.begun = False
        self.settled = False  # nothing more is to come of it: it has failed, or is silent and may be

    @property
    def is_committed(self) -> bool:
        """Whether the turn that is answered is over."""
        return self._speech.scheduled

    async def wait_committed(self) -> None:
        await self._speech._wait_for_scheduled()  # noqa: SLF001 - LiveKit tells it in no other way
        self._committed_at = self._committed_at or time.monotonic()

    def turn_to(self, place: int) -> None:
        """Ask the model at that place, once more if it is the same."""
        if place != self.place:
            self.place, self._turned_at = place, time.monotonic()

    @property
    def waited_s(self) -> float:
        """How long the model has been asked since the turn was over."""
        if self._committed_at is None:
            return 0.0
        return time.monotonic() - max(self._committed_at, self._turned_at)

    async def of(self, stream: AsyncGenerator[Piece, None]) -> AsyncIterator[Piece]:
        """The pieces of one attempt, from its first word on. Raises APIError or NoAnswer."""
        loop = asyncio.get_running_loop()
        held: list[Piece] = []
        text, until = "", loop.time() + self._first_word_s
        speaks = False
        async with aclosing(stream):
            while True:
                try:
                    async with asyncio.timeout_at(until):
                        piece = await anext(stream, None)
                except TimeoutError:
                    raise APITimeoutError from None
                if piece is None:
                    break
                held.append(piece)
                if not speaks:
                    text += _text(piece)
                    speaks = calls_tool(piece) or is_said_of(text)
                if speaks:
                    self.begun, until = True, loop.time() + self._first_word_s
                    for one in held:
                        yield one
                    held.clear()
        if not speaks and not await _is_said(text):
            raise NoAnswer
        self.begun = True
        for one in held:
            yield one


def _needs_no_word(chat: llm.ChatContext) -> bool:
    """Whether the model was only told that its keys were pressed, to which there may be nothing to say."""
    last = chat.items[-1] if chat.items else None
    return last is not None and last.type == "function_call_output" and last.name == "send_dtmf"


def _forget(pieces: utils.aio.Chan[Piece]) -> None:
    with suppress(ChanEmpty):
        while True:
            pieces.recv_nowait()


async def _is_said(text: str) -> bool:
    return is_sayable(await said_of(text))


def _text(piece: Piece) -> str:
    if isinstance(piece, str):
        return piece
    return (piece.delta.content or "") if isinstance(piece, llm.ChatChunk) and piece.delta else ""


def calls_tool(piece: Piece) -> bool:
    """Whether the model calls a tool with this piece of its answer."""
    return isinstance(piece, llm.ChatChunk) and bool(piece.delta and piece.delta.tool_calls)

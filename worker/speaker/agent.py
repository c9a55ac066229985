"""The agent of one call: it hears what `Hearing` gives it, and what it can do beside talking are its tools."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from livekit import rtc
from livekit.agents import (
    Agent,
    FlushSentinel,
    ModelSettings,
    RunContext,
    StopResponse,
    function_tool,
    llm,
    stt,
)
from livekit.agents.types import TimedString
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.agent_activity import _SpeechHandleContextVar
from typing_extensions import override

import prompts
from worker.room.hearing import Attachment
from worker.room.phones import NotTransferred, Phones
from worker.speaker.answers import Answers, NoAnswer, Piece, calls_tool
from worker.speaker.floor import Floor
from worker.speaker.hang_up import Farewell, HangUp
from worker.speaker.held import Held
from worker.speaker.words.language import Language
from worker.speaker.words.plain import plain
from worker.words import is_parting, last_question

_KEYS = re.compile(r"[0-9*#A-Da-dw]{1,64}")
_FAILURES = {486: "the line is busy", 600: "the line is busy", 404: "there is no such number"}
_NO_ANSWER = {None, 408, 480, 487}


class CallAgent(Agent):
    """An agent with the rendered prompt of its call.

    Args:
        instructions: the rendered system prompt.
        language: in which it says what the model does not say itself.
        answers: what the model says, or what is said instead.
        hearing: where the words of the people come from.
        floor: waited for before a tool is called.
        phones: the phones of the call.
        tools: those of the user's, beside its own.
        transfer_to: where a phone may be sent, in E.164 or as a SIP address.
        on_word: told the speech of which a word goes to the voice.
        held: what was said before and is still to be answered.
        farewell: whether an agent of the call is about to hang up.
        on_hang_up: called when the agent has ended the call and its last word was heard.
    """

    def __init__(
        self,
        instructions: str,
        language: Language,
        answers: Answers,
        hearing: Attachment,
        floor: Floor,
        *,
        phones: Phones,
        tools: list[llm.Tool],
        transfer_to: str | None,
        on_word: Callable[[SpeechHandle], None],
        held: Held,
        farewell: Farewell,
        on_hang_up: Callable[[], None],
    ) -> None:
        super().__init__(instructions=instructions, tools=[*tools])
        self._language = language
        self._answers = answers
        self._hearing = hearing
        self._floor = floor
        self._on_word = on_word
        self._held = held
        self._phones = phones
        self._transfer_to = transfer_to
        self._hang_up = HangUp(farewell, on_hang_up)
        self._transfer: asyncio.Task[None] | None = None
        self._spoken_to: asyncio.Event | None = None
        self._untold: str | None = None
        self.is_pressing_keys = False

    @property
    def is_transferring(self) -> bool:
        """Whether a caller is about to be sent on."""
        return self._phones.is_sending or (self._transfer is not None and not self._transfer.done())

    def has_asked(self, heard_at: float) -> bool:
        """Whether what it said last asks something, to which nothing has been said that it has answered.

        Args:
            heard_at: when anything of it was heard last, by `time.monotonic`.
        """
        heard_until, has_said = time.time() - (time.monotonic() - heard_at), False
        for message in reversed(self.chat_ctx.messages()):
            if message.role == "user" and (has_said or message.created_at < heard_until):
                return False
            if message.role == "assistant":
                if last_question(message.text_content or ""):
                    return True
                has_said = True
        return False

    async def offer(self, tools: list[llm.Tool]) -> None:
        """Have these tools beside those that it has."""
        known = {tool.id for tool in self.tools}
        if new := [tool for tool in tools if tool.id not in known]:
            await self.update_tools([*self.tools, *new])

    @asynccontextmanager
    async def holding_back(self) -> AsyncIterator[asyncio.Event]:
        """Answer nothing for the length of the block; the event tells that there was something to be answered."""
        self._spoken_to = asyncio.Event()
        try:
            yield self._spoken_to
        finally:
            self._spoken_to = None

    async def answer(self, line: str) -> None:
        """Answer something that came from the people and was not said."""
        chat, message = self.chat_ctx.copy(), llm.ChatMessage(role="user", content=[line])
        try:
            await self.on_user_turn_completed(chat, message)
        except StopResponse:
            return
        _ = self.session.generate_reply(user_input=message, chat_ctx=chat)

    def hang_up(self, *, has_parted: bool) -> None:
        """Go on with a hang-up of the agent before it, whose goodbye was heard or is still to be said."""

        async def goodbye() -> bool:
            return has_parted or await self._say("goodbye")

        self._hang_up.begin(self.session, goodbye)

    @override
    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        if held := self._held.take():
            new_message.content = [" ".join([*held, new_message.text_content or ""]).strip()]
        if self._hang_up.is_going_on and not self._hang_up.hear(parting=is_parting(new_message.text_content or "")):
            raise StopResponse
        if self._untold is not None:
            turn_ctx.add_message(role="system", content=self._untold)
            self._untold = None
        if self._spoken_to is None:
            return
        chat = self.chat_ctx.copy()
        chat.insert(new_message)
        await self.update_chat_ctx(chat)
        self._spoken_to.set()
        raise StopResponse

    @override
    async def stt_node(
        self,
        audio: AsyncIterable[rtc.AudioFrame],  # none: the ears have it
        model_settings: ModelSettings,
    ) -> AsyncIterator[stt.SpeechEvent]:
        async for event in self._hearing.events():
            yield event

    @override
    async def llm_node(
        self,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        model_settings: ModelSettings,
    ) -> AsyncIterator[llm.ChatChunk | str | FlushSentinel]:
        await self._hearing.turn_end.draws_near(chat_ctx)
        possible = [tool for tool in tools if tool.id not in self._impossible()]
        async for piece in self._answers.answer(
            chat_ctx, lambda model, sent: self._ask(model, sent, possible, model_settings)
        ):
            if calls_tool(piece):
                await self._floor.wait()
            yield piece

    @override
    async def tts_node(self, text: AsyncIterable[str], model_settings: ModelSettings) -> AsyncIterator[rtc.AudioFrame]:
        async for frame in Agent.default.tts_node(self, self._spoken(plain(text)), model_settings):
            yield frame

    @override
    async def transcription_node(
        self,
        text: AsyncIterable[str],
        model_settings: ModelSettings,
    ) -> AsyncIterator[str]:
        async for piece in text:
            if isinstance(piece, TimedString):  # it comes with its sound; LiveKit gives what was not spoken without
                yield piece

    async def _spoken(self, text: AsyncIterable[str]) -> AsyncIterator[str]:
        speech = _SpeechHandleContextVar.get()
        async for piece in text:
            if piece.strip():
                self._on_word(speech)
            yield piece

    async def _ask(
        self, model: llm.LLM[Any], sent: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[Piece, None]:
        options = self.session.conn_options.llm_conn_options
        tool_choice = model_settings.tool_choice
        async with model.chat(chat_ctx=sent, tools=tools, tool_choice=tool_choice, conn_options=options) as stream:
            async for chunk in stream:
                if tool_choice == "none" and calls_tool(chunk):
                    raise NoAnswer  # not every server heeds it; LiveKit would drop the call and say nothing
                yield chunk

    def _impossible(self) -> set[str]:
        """The tools that are of no use now."""
        if not self._phones.any:
            return {"send_dtmf", "transfer_call"}
        return {"transfer_call"} if self._transfer_to is None else set()

    @function_tool
    async def end_call(self, context: RunContext[None]) -> None:
        """End the call, once the caller has said goodbye or wants nothing more; say goodbye in the same reply."""
        speech = context.speech_handle
        if self._hang_up.is_final and not speech.interrupted:
            speech.allow_interruptions = False
        self._hang_up.begin(self.session, lambda: self._say_out(speech, "goodbye"))
        raise StopResponse

    @function_tool
    async def send_dtmf(self, context: RunContext[None], digits: str) -> str:
        """Press keys on the phone, as to choose from the menu of a machine that has answered it.

        Args:
            context: of the call of the tool.
            digits: the keys in order: 0-9, *, #, A-D; w is a pause of half a second.
        """
        if _KEYS.fullmatch(digits) is None:
            return "Nothing was pressed: expected 1 to 64 of 0-9, *, #, A-D and w."
        await context.wait_for_playout()
        if context.speech_handle.interrupted:
            return "Nothing was pressed: somebody spoke into what you said before."
        self.is_pressing_keys = True
        try:
            await self._phones.press(digits)
        finally:
            self.is_pressing_keys = False
        return "The keys were pressed."

    @function_tool
    async def transfer_call(self, context: RunContext[None]) -> str:
        """Send the caller on to somebody who can go on with this; say in the same reply that you connect them."""
        phone, to = self._phones.in_question, self._transfer_to
        if phone is None or to is None:
            return "Nobody was transferred: it is not clear which phone is meant, or the caller is not on a phone."
        if not self.is_transferring:
            self._transfer = asyncio.create_task(self._send_on(phone, to, context.speech_handle))
        raise StopResponse

    async def _send_on(self, phone: str, to: str, speech: SpeechHandle) -> None:
        if not await self._say_out(speech, "transfer"):
            return  # what was said into it is answered instead
        try:
            await self._phones.transfer(phone, to)
        except NotTransferred as failed:
            if self._phones.is_here(phone):
                await self.tell_not_transferred(failed.sip_status)

    async def tell_not_transferred(self, sip_status: int | None = None) -> None:
        """Say that a caller could not be sent on, with why that is."""
        told, _ = prompts.render(prompts.load("transfer_failed"), {"why": _why(sip_status)})
        await self._tell(told)

    async def _tell(self, told: str) -> None:
        """Have the model say this by itself, or with its answer to whoever speaks first."""
        self._untold = told
        if not await self._held.wait_for_turn(self._held.turns):
            self._untold = None
            _ = self.session.generate_reply(instructions=told)

    async def _say_out(self, speech: SpeechHandle, key: str) -> bool:
        """Return when the agent has said what it is saying, or one of its own phrases if that was nothing.

        False if somebody spoke into it.
        """
        await speech.wait_for_playout()
        said_something = any(
            item.type == "message" and item.role == "assistant" and item.text_content for item in speech.chat_items
        )
        if said_something or speech.interrupted:
            return not speech.interrupted
        return await self._say(key)

    async def _say(self, key: str) -> bool:
        text = self._language.phrase(key)
        if not text:
            return True
        speech = self.session.say(text, allow_interruptions=not self._hang_up.is_final)
        await speech.wait_for_playout()
        return not speech.interrupted


def _why(sip_status: int | None) -> str:
    if sip_status in _NO_ANSWER:
        return "nobody answers"
    return _FAILURES.get(sip_status or 0, "the call was not accepted")

"""The agent of one call: it hears what `Hearing` gives it, and may end the call."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager

from livekit import rtc
from livekit.agents import Agent, ModelSettings, RunContext, StopResponse, function_tool, llm, stt
from typing_extensions import override

from worker.room.hearing import Attachment
from worker.words import phrase


class CallAgent(Agent):
    """An agent with the rendered prompt of its call.

    Args:
        instructions: the rendered system prompt.
        language: in which it says what the model does not say itself.
        hearing: where the words of the people come from.
        on_hang_up: called when the agent has ended the call and its last word was heard.
        said: the conversation before this agent came to it.
    """

    def __init__(
        self,
        instructions: str,
        language: str | None,
        hearing: Attachment,
        on_hang_up: Callable[[], None],
        said: llm.ChatContext,
    ) -> None:
        super().__init__(instructions=instructions, chat_ctx=said)
        self._language = language
        self._hearing = hearing
        self._on_hang_up = on_hang_up
        self._hanging_up: asyncio.Task[None] | None = None
        self._spoken_to: asyncio.Event | None = None

    @asynccontextmanager
    async def holding_back(self) -> AsyncIterator[asyncio.Event]:
        """Answer nothing for the length of the block; the event tells that there was something to be answered."""
        self._spoken_to = asyncio.Event()
        try:
            yield self._spoken_to
        finally:
            self._spoken_to = None

    @override
    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
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
        audio: AsyncIterable[rtc.AudioFrame],
        model_settings: ModelSettings,
    ) -> AsyncIterator[stt.SpeechEvent]:
        mix = asyncio.create_task(_drain(audio))
        try:
            async for event in self._hearing.events():
                yield event
        finally:
            mix.cancel()

    @function_tool
    async def end_call(self, context: RunContext[None]) -> None:
        """End the call, once the caller has said goodbye or wants nothing more; say goodbye in the same reply."""
        if self._hanging_up is None:
            self._hanging_up = asyncio.create_task(self._hang_up(context))
        raise StopResponse

    async def _hang_up(self, context: RunContext[None]) -> None:
        speech = context.speech_handle
        if not speech.interrupted:
            speech.allow_interruptions = False
        await speech.wait_for_playout()
        said_something = any(
            item.type == "message" and item.role == "assistant" and item.text_content for item in speech.chat_items
        )
        if not said_something:
            goodbye = self.session.say(phrase("goodbye", self._language), allow_interruptions=False)
            await goodbye.wait_for_playout()
        self._on_hang_up()


async def _drain(audio: AsyncIterable[rtc.AudioFrame]) -> None:
    """The session's mix is for its turn detector; each person's words come from a stream of their own."""
    async for _ in audio:
        pass

"""What an agent says in a call: its speaker, another one when that breaks, and how it begins with whoever is there."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from livekit import rtc
from livekit.agents import utils

from calls.agent_config import AgentConfig
from prompts import render
from worker.call_events import CallEvents
from worker.end import End
from worker.providers import Providers
from worker.room.presence import is_called
from worker.room.transcript import Said
from worker.speaker.speaker import Speaker, Surroundings

DETACH_S = 10.0
LAST_WORDS_S = 20.0  # to say why the call cannot go on, with what may not work either


class Talk:
    """`enter` once, then `run`, which may be run again after it raised.

    Args:
        around: what each speaker needs of the call.
        row: the call's, as it was when its lease was taken.
        said: what was said before this agent came.
        was_answered: whether somebody was there before it.
        connect: enters the room, or waits until that is done.
        on_begin: called when the agent begins to talk, and waited for before its first word.
        on_silence: called when it has said goodbye to people who say nothing.
        end: of the call.
    """

    def __init__(
        self,
        around: Surroundings,
        providers: Providers,
        agent: AgentConfig,
        row: sa.Row[Any],
        said: Sequence[Said],
        events: CallEvents,
        end: End,
        *,
        was_answered: bool,
        connect: Callable[[], Awaitable[None]],
        on_begin: Callable[[], Awaitable[None]],
        on_silence: Callable[[], None],
    ) -> None:
        self._around = around
        self._providers = providers
        self._agent = agent
        self._row = row
        self._said = list(said)
        self._events = events
        self._end = end
        self._was_answered = was_answered
        self._connect = connect
        self._on_begin = on_begin
        self._on_silence = on_silence
        self._human = asyncio.Event()
        self._was_called = False  # whoever is there first did not come, but was called
        self._begins_anew = False  # with whoever comes next, for nobody but a voicemail is left
        self._speaker: Speaker | None = None

    @property
    def speaker(self) -> Speaker | None:
        """Who speaks, once there is somebody in the room to do so."""
        return self._speaker

    def welcome(self, human: rtc.Participant) -> None:
        """Somebody is there: the first one is who is talked to."""
        if not self._human.is_set():
            self._was_called = is_called(human)
            self._human.set()

    def lose(self) -> None:
        """Fall silent: who was talked to is no human."""
        self._human.clear()
        self.mute()

    def begin_anew(self) -> None:
        """The next one who comes is talked to as if nothing had been."""
        self._begins_anew = True

    async def wait_for_somebody(self) -> None:
        """Until somebody is there."""
        await self._human.wait()

    def mute(self) -> None:
        """Fall silent at once and for good."""
        if self._speaker is not None:
            self._speaker.mute()

    def take_tools(self) -> None:
        """Offer the model what its toolbox has by now."""
        if self._speaker is not None:
            self._speaker.take_tools()

    async def enter(self) -> None:
        """Be in the room with a voice, and have ready what is said first."""
        speaker = self._new_speaker()
        self._prepare_opening(speaker)
        await self._attach(speaker)

    async def run(self) -> None:
        """Have a speaker in the room; when it breaks, the next run attaches a new one."""
        if self._speaker is None:
            await self._attach(self._new_speaker())
        assert self._speaker is not None
        talking = asyncio.create_task(self._talk(self._speaker), name="talk")
        running = asyncio.create_task(self._speaker.run(), name="voice and session")
        try:
            await asyncio.wait({talking, running}, return_when=asyncio.FIRST_EXCEPTION)
            for task in (talking, running):
                if task.done():
                    await task
        finally:
            await utils.aio.cancel_and_wait(talking, running)
            if not self._end.is_there:
                broken, self._speaker = self._speaker, None
                async with asyncio.timeout(DETACH_S):
                    await broken.detach()

    async def break_off(self, key: str) -> None:
        """Say one of the agent's own phrases, instead of what it was saying."""
        if self._speaker is not None:
            async with asyncio.timeout(LAST_WORDS_S):
                await self._speaker.break_off(key)

    async def leave(self) -> None:
        """Have no speaker any more; the room is closed."""
        if self._speaker is not None:
            await self._speaker.aclose()

    def _new_speaker(self) -> Speaker:
        prompt = self._rendered("system_prompt", self._agent.system_prompt)
        transcript = self._around.transcript
        said = self._said + (transcript.said() if transcript is not None else [])
        return Speaker(self._around, self._providers, self._agent, prompt, said)

    def _prepare_opening(self, speaker: Speaker) -> None:
        """Have the first message's sound made while the agent enters, unless it may be in vain and is paid each time.

        Who joins by a link is about to, but a phone that is called may not be picked up.
        """
        text = self._first_message
        is_constant = text == self._agent.first_message
        is_expected = self._row.primary_transport == "webrtc" or self._was_answered
        if text and self._row.started_at is None and (is_constant or is_expected):
            speaker.prepare(text, is_constant=is_constant)

    async def _attach(self, speaker: Speaker) -> None:
        try:
            await speaker.attach(self._connect())
        except BaseException:  # half of it may be there
            await speaker.detach()
            raise
        self._speaker = speaker
        speaker.take_tools()  # what was found meanwhile

    async def _talk(self, speaker: Speaker) -> None:
        await self._human.wait()
        returning = (self._around.clock.started or self._row.started_at is not None) and not self._begins_anew
        await self._on_begin()
        self._begins_anew = False
        first_message = self._first_message
        if returning:
            opening = speaker.resume(first_message)
            self._events.agent_returned()
        elif self._was_called:
            opening = speaker.introduce(first_message)
        else:
            opening = speaker.greet(first_message)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(opening)
            tasks.create_task(self._watch_silence(speaker))

    async def _watch_silence(self, speaker: Speaker) -> None:
        await speaker.wait_silence()
        self._on_silence()

    def _rendered(self, field: str, template: str) -> str:
        text, unknown = render(template, {**self._row.metadata, **self._row.variables})
        if unknown:
            self._events.unknown_variables(field, unknown)
        return text

    @cached_property
    def _first_message(self) -> str:
        return self._rendered("first_message", self._agent.first_message)

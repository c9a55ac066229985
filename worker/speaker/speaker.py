"""What speaks in a call: an agent with its session and its voice, attached to a room and detached again."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, assert_never

from livekit import rtc
from livekit.agents import AgentStateChangedEvent, CloseEvent, stt, utils
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.transcription import TranscriptSynchronizer

import prompts
from calls.agent_config import AgentConfig
from worker.providers import Providers
from worker.room.clock import Clock
from worker.room.hearing import Hearing
from worker.room.journal import Journal
from worker.room.phones import Phones
from worker.room.transcript import Said, TranscriptWriter
from worker.speaker.agent import CallAgent
from worker.speaker.failures import Failures
from worker.speaker.first_word import wait_for_a_word
from worker.speaker.history import Open, as_chat, left_open
from worker.speaker.session import make_session
from worker.speaker.silence import Silence
from worker.speaker.spoken import Spoken
from worker.speaker.voice import Voice
from worker.words import phrase

logger = logging.getLogger(__name__)

STATE_ATTRIBUTE = "lk.agent.state"  # where LiveKit's own clients look for what the agent is doing


class SessionEnded(Exception):
    """The session closed, though nobody asked it to."""


@dataclass(frozen=True)
class Surroundings:
    """What a speaker needs of the room's half of its call.

    `may_speak` is asked before every piece of sound; `on_played` gets each one that was heard. `is_deserted` tells
    whether nobody is there at the moment.
    """

    room: rtc.Room
    hearing: Hearing
    recognition: stt.STT[Any]
    transcript: TranscriptWriter | None
    phones: Phones
    journal: Journal
    clock: Clock
    call_id: str
    may_speak: Callable[[], bool]
    is_deserted: Callable[[], bool]
    on_played: Callable[[rtc.AudioFrame], None]
    on_hang_up: Callable[[], None]
    on_hang_up_taken_back: Callable[[], None]
    on_hopeless: Callable[[], None]


class Speaker:
    """One agent for as long as it is attached.

    Args:
        agent: the configuration of the call's agent.
        instructions: its rendered system prompt.
        said: what was said before it came.
    """

    def __init__(
        self,
        around: Surroundings,
        providers: Providers,
        agent: AgentConfig,
        instructions: str,
        said: Sequence[Said],
    ) -> None:
        self._around = around
        self._language = agent.language
        self._named = lambda kind: providers.named(kind, agent)
        self._said = said
        self._voice = Voice(around.on_played, around.may_speak)
        self._heard = around.hearing.attach()
        self._session = make_session(agent, providers, around.recognition, self._heard.vad)
        self._agent = CallAgent(
            instructions,
            self._language,
            self._heard,
            as_chat(said),
            around.phones,
            agent.features.transfer_to,
            around.on_hang_up,
            around.on_hang_up_taken_back,
        )
        self._silence = Silence(
            self._session,
            self._language,
            agent.silence_reminder_s,
            agent.silence_timeout_s,
            is_expected=lambda: self._agent.is_transferring or around.is_deserted(),
        )
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def remaining_s(self) -> float:
        """How much of what it is saying is still to be heard; infinite while that is still being made."""
        return self._voice.remaining_s

    async def attach(self) -> None:
        """Publish its voice and start its session; it says nothing yet."""
        await asyncio.gather(self._voice.publish(self._around.room), self._start_session())

    async def run(self) -> None:
        """Play its voice until cancelled; raises when it can speak no more."""
        playing = asyncio.create_task(self._voice.play(), name="voice")
        try:
            await asyncio.wait({playing, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                await playing
            await self._ended
        finally:
            await utils.aio.cancel_and_wait(playing)

    async def detach(self) -> None:
        """Fall silent at once, and leave the room; what it was saying is kept as far as it was heard."""
        self._ended.cancel()
        self._voice.mute()
        await self._session.aclose()
        self._heard.close()
        await utils.aio.cancel_and_wait(*self._tasks)
        await self._voice.aclose(self._around.room)

    def mute(self) -> None:
        """Fall silent at once and for good."""
        self._voice.mute()

    async def greet(self, first_message: str) -> None:
        """Say how the call begins, once somebody can hear it."""
        await self._voice.wait_audible()
        if not first_message:
            return
        began_at = time.time()
        speech = self._session.say(first_message)
        await speech.wait_for_playout()
        if not speech.chat_items:  # a caller's first word came before its own: it was to be said all the same
            chat = self._agent.chat_ctx.copy()
            chat.add_message(role="assistant", content=first_message, interrupted=True, created_at=began_at)
            await self._agent.update_chat_ctx(chat)

    async def introduce(self, first_message: str) -> None:
        """Begin as who has called somebody: when that one has said a word, or after a short wait."""
        await self._voice.wait_audible()
        if first_message:
            async with self._agent.holding_back() as spoken_to:
                await wait_for_a_word(self._session, spoken_to)
        await self.greet(first_message)

    async def resume(self, first_message: str) -> None:
        """Come back to a conversation that broke off: say so, then make good what was left open."""
        await self._voice.wait_audible()
        apology = phrase("back", self._language)
        what = left_open(self._said, apology) if self._around.transcript is not None else Open.NOTHING
        if what is Open.GREETING and first_message:
            await self.greet(first_message)
            return
        _ = self._session.say(apology)
        match what:
            case Open.ANSWER:
                _ = self._session.generate_reply()
            case Open.REST:
                _ = self._session.generate_reply(instructions=prompts.load("resume"))
            case Open.NOTHING | Open.GREETING:
                pass
            case _:
                assert_never(what)

    def say(self, key: str) -> SpeechHandle:
        """Say one of its own phrases, whatever the people say meanwhile."""
        return self._session.say(phrase(key, self._language), allow_interruptions=False)

    async def break_off(self, key: str) -> None:
        """Say one of its own phrases instead of what it was saying; return when that was heard."""
        await self._session.interrupt(force=True)
        await self.say(key).wait_for_playout()

    def give_way(self) -> None:
        """Stop talking, if it may be interrupted: somebody begins to press keys."""
        self._silence.begin_anew()
        with suppress(RuntimeError):
            _ = self._session.interrupt()

    def answer(self, line: str) -> None:
        """Answer something that came from the people and was not said."""
        self._silence.begin_anew()
        self._begin(self._answer(line))

    async def wait_silence(self) -> None:
        """Return once it has said goodbye to people who say nothing."""
        await self._silence.wait()

    async def _answer(self, line: str) -> None:
        with suppress(RuntimeError):  # a session that has ended: the next one reads it in the transcript
            await self._agent.answer(line)

    async def _start_session(self) -> None:
        around = self._around
        self._session.on("agent_state_changed", self._show_state)
        self._session.on("close", self._closed)
        Failures(
            self._session, self._voice, around.journal, around.call_id, self._language, self._named, around.on_hopeless
        )
        text = Spoken(self._voice, around.clock, around.transcript) if around.transcript else None
        paced = TranscriptSynchronizer(next_in_chain_audio=self._voice, next_in_chain_text=text)
        self._session.input.audio = self._heard.audio
        self._session.output.audio = paced.audio_output
        self._session.output.transcription = paced.text_output
        await self._session.start(self._agent, session_host=False, record=False)

    def _closed(self, event: CloseEvent) -> None:
        if not self._ended.done():
            self._ended.set_exception(SessionEnded(event.reason.value))

    def _show_state(self, event: AgentStateChangedEvent) -> None:
        self._begin(self._show(str(event.new_state)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _show(self, state: str) -> None:
        room = self._around.room
        with suppress(Exception):  # the room may be gone at any moment, and nobody looks at it then
            if room.isconnected():
                await room.local_participant.set_attributes({STATE_ATTRIBUTE: state})

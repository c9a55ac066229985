"""What speaks in a call: an agent with its session and its voice, attached to a room and detached again."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from livekit import rtc
from livekit.agents import NOT_GIVEN, AgentStateChangedEvent, CloseEvent, stt, utils
from livekit.agents.voice import SpeechHandle

import prompts
from calls.agent_config import AgentConfig
from calls.latency import Turn
from worker.provider_events import ProviderEvents
from worker.providers import Providers
from worker.ranking import Ranking
from worker.room.clock import Clock
from worker.room.hearing import Hearing
from worker.room.phones import Phones
from worker.room.transcript import Said, TranscriptWriter
from worker.speaker.agent import CallAgent
from worker.speaker.answers import Answers
from worker.speaker.courtesy import Courtesy
from worker.speaker.failures import Failures
from worker.speaker.first_word import wait_for_a_word
from worker.speaker.floor import Floor
from worker.speaker.hang_up import Farewell
from worker.speaker.held import Held
from worker.speaker.history import Open, as_chat, left_open
from worker.speaker.latency import Latency
from worker.speaker.memory import Memory
from worker.speaker.patience import Patience
from worker.speaker.phrase import say_phrase
from worker.speaker.rehearsal import Rehearsal
from worker.speaker.session import make_session
from worker.speaker.silence import Silence
from worker.speaker.sound.paced import Paced
from worker.speaker.sound.prepared import Prepared
from worker.speaker.sound.spoken import Spoken
from worker.speaker.sound.voice import Voice
from worker.speaker.sound.voices import Voices
from worker.speaker.words.language import Language
from worker.tools.toolbox import Toolbox
from worker.words import is_hello, is_hum

logger = logging.getLogger(__name__)

ANSWER_S = 0.8  # words so shortly before the agent's last one answer it: "okay" then is no sign of listening
STATE_ATTRIBUTE = "lk.agent.state"  # where LiveKit's own clients look for what the agent is doing


class SessionEnded(Exception):
    """The session closed, though nobody asked it to."""


@dataclass(frozen=True)
class Surroundings:
    """What a speaker needs of the room's half of its call.

    `may_speak` is asked before every piece of sound; `on_played` gets each one that was heard, `on_turn`
    the moments of each turn. `is_deserted` tells whether nobody is there at the moment.
    """

    room: rtc.Room
    hearing: Hearing
    recognition: stt.STT[Any]
    transcript: TranscriptWriter | None
    phones: Phones
    toolbox: Toolbox
    provider_events: ProviderEvents
    clock: Clock
    language: Language
    may_speak: Callable[[], bool]
    is_deserted: Callable[[], bool]
    on_played: Callable[[rtc.AudioFrame, float], None]
    on_turn: Callable[[Turn], None]
    farewell: Farewell
    on_hang_up: Callable[[], None]
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
        self._said = said
        self._voice = Voice(self._note_played, self._may_speak)
        self._latency = Latency(
            around.clock,
            voiced_at=lambda: around.hearing.voiced_at,
            finished_at=lambda: self._voice.finished_at,
            current=lambda: self._session.current_speech,
            on_turn=around.on_turn,
        )
        self._heard = around.hearing.attach(agent.eager, around.language.only_listens)
        models = providers.models(agent)
        events = around.provider_events
        self._failures = failures = Failures(events, left_out=providers.left_out, on_hopeless=around.on_hopeless)
        self._voices = Voices(
            Ranking(providers.voices(agent), on_switched=partial(events.switched, "tts")),
            Prepared(around.language, providers.settings.speech_dir, providers.sounds_like(agent)),
            providers.settings.tts_first_sound_s,
            on_failed=partial(events.failed, "tts"),
            on_spoken=failures.spoke,
            on_speechless=self._be_sorry,
        )
        self._session = make_session(models[0], self._voices, around.recognition, self._heard.vad, self._heard.turn_end)
        self._held = Held(self._session, self._voice.heard_at, self._answer_held)
        asked = Ranking(models, on_switched=partial(events.switched, "llm"))
        self._memory = Memory(asked, on_cut=failures.cut)
        self._floor = Floor(self._heard)
        self._agent = CallAgent(
            instructions,
            around.language,
            Answers(
                asked,
                self._memory,
                around.language,
                providers.settings.llm_first_word_s,
                on_turn_over=self._latency.decide,
                on_answered=failures.answered,
                on_failed=lambda error, place: failures.failed("llm", error, place),
                on_empty=failures.empty,
                on_wordless=self._say_sorry,
            ),
            self._heard,
            self._floor,
            phones=around.phones,
            tools=list(around.toolbox.tools.values()),
            transfer_to=agent.features.transfer_to,
            on_word=self._latency.word,
            held=self._held,
            farewell=around.farewell,
            on_hang_up=around.on_hang_up,
        )
        self._silence = Silence(
            self._session,
            around.language,
            agent.silence_reminder_s,
            agent.silence_timeout_s,
            is_expected=self._expects_silence,
        )
        self._rehearsal = Rehearsal(self._session, self._voices, around.language)
        self._courtesy = Courtesy(self._session, self._heard)
        self._patience = Patience(
            self._session,
            self._voice,
            self._voices.prepared,
            around.language,
            around.clock,
            around.transcript,
            has_words=lambda: around.toolbox.is_at_work,
            awaited_since=lambda: around.hearing.words_awaited_since,
            is_deaf=lambda: around.hearing.has_told_of_cut_off,
            is_expected=lambda: self._agent.is_pressing_keys or self._agent.is_transferring or around.is_deserted(),
        )
        self._greeting: SpeechHandle | None = None
        self._unsaid: SpeechHandle | None = None  # the greeting that no voice could say
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare(self, first_message: str, *, is_constant: bool) -> None:
        """Have its voice say this already, for it is soon to be heard; what is the same in every call is kept."""
        if self._voices.ahead is None:
            self._begin(self._voices.say_ahead(first_message, is_constant=is_constant))

    async def attach(self, connecting: Awaitable[None]) -> None:
        """Start its session while the room is being connected, and publish its voice there; it says nothing yet."""
        await asyncio.gather(self._enter(connecting), self._start_session())
        self._begin(self._show(self._session.agent_state))

    def _may_speak(self) -> bool:
        return self._around.may_speak() and not self._courtesy.waits_for_words

    async def _enter(self, connecting: Awaitable[None]) -> None:
        await connecting
        await self._voice.publish(self._around.room)

    async def run(self) -> None:
        """Play its voice until cancelled; raises when it can speak no more."""
        playing = asyncio.create_task(self._voice.play(), name="voice")
        watching = asyncio.create_task(self._patience.run(), name="patience")
        rehearsing = asyncio.create_task(self._rehearsal.run(), name="rehearsal")
        self._heard.on_beat = self._give_way
        try:
            await asyncio.wait({playing, watching, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            for task in (playing, watching):
                if task.done():
                    await task
            await self._ended
        finally:
            self._heard.on_beat = None
            await utils.aio.cancel_and_wait(playing, watching, rehearsing)

    async def detach(self) -> None:
        """Fall silent at once, and leave the room, which goes on; what was said is kept as far as it was heard."""
        await self._stop()
        await self._voice.unpublish(self._around.room)
        await self._voice.aclose()

    async def aclose(self) -> None:
        """Fall silent at once, in a room that is closed; what it was saying is kept as far as it was heard."""
        await self._stop()
        await self._voice.aclose()

    async def _stop(self) -> None:
        self._ended.cancel()
        self._held.close()
        self._voice.mute()
        self._around.toolbox.let_go()
        await self._session.aclose()
        await self._memory.aclose()
        self._heard.close()
        await utils.aio.cancel_and_wait(*self._tasks)
        await self._voices.aclose()

    def mute(self) -> None:
        """Fall silent at once and for good."""
        self._voice.mute()

    def take_tools(self) -> None:
        """Offer the model what its toolbox has by now."""
        self._begin(self._agent.offer(list(self._around.toolbox.tools.values())))

    async def greet(self, first_message: str) -> None:
        """Say how the call begins, which is heard once somebody can hear it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._voice.wait_audible())
            if first_message:
                tasks.create_task(self._greet(first_message))

    async def _greet(self, first_message: str) -> None:
        began_at = time.time()
        speech = await self._say_greeting(first_message)
        if speech is self._unsaid:  # nobody has said anything yet that an apology could be for
            speech = await self._say_greeting(first_message)
        # A caller's first word came before its own: it was to be said all the same.
        if speech.interrupted and not speech.chat_items:
            chat = self._agent.chat_ctx.copy()
            chat.add_message(role="assistant", content=first_message, interrupted=True, created_at=began_at)
            await self._agent.update_chat_ctx(chat)

    async def _say_greeting(self, first_message: str) -> SpeechHandle:
        self._greeting = speech = self._session.say(first_message)
        await speech.wait_for_playout()
        return speech

    async def introduce(self, first_message: str) -> None:
        """Begin as who has called somebody: when that one has said a word, or after a short wait."""
        await self._voice.wait_audible()
        if first_message:
            self.prepare(first_message, is_constant=False)
            async with self._agent.holding_back() as spoken_to:
                await wait_for_a_word(self._session, spoken_to)
        await self.greet(first_message)

    async def resume(self, first_message: str) -> None:
        """Come back to a conversation that broke off: say so, then make good what was left open.

        Unless a phone was being sent elsewhere: then it is still while that may be on its way, and says if it is not.
        """
        await self._voice.wait_audible()
        is_still_here = await self._around.phones.outlast()
        if is_still_here is not None:
            if is_still_here:
                await self._agent.tell_not_transferred()
            return
        language, farewell = self._around.language, self._around.farewell
        apology = language.phrase("back")
        passing = [text for text in (apology, language.phrase("moment")) if text]
        what = left_open(self._said, self._around.toolbox.made, passing, language.only_listens, farewell.since)
        if what in {Open.GOODBYE, Open.HANG_UP}:
            self._agent.hang_up(has_parted=what is Open.HANG_UP)
            return
        if farewell.since is not None:
            farewell.take_back()
        if what is Open.GREETING and first_message and self._around.transcript is not None:
            await self.greet(first_message)
            return
        turns, chat = self._held.turns, self._agent.chat_ctx.copy()
        if apology:
            speech = self._session.say(apology)
            await speech.wait_for_playout()
            if speech.interrupted:  # by a turn, which takes what was open with it
                return
        if what not in {Open.ANSWER, Open.REST}:
            return
        if not await self._held.wait_for_turn(turns, self._around.hearing.voiced_at):
            told = prompts.load("resume") if what is Open.REST else NOT_GIVEN
            # Not asked with the apology at the end: it is what somebody has said that is to be answered.
            _ = self._session.generate_reply(instructions=told, chat_ctx=chat)

    async def break_off(self, key: str) -> None:
        """Say one of its own phrases instead of what it was saying, whatever the people say meanwhile.

        Returns when that was heard.
        """
        await self._session.interrupt(force=True)
        if speech := say_phrase(self._session, self._around.language, key, allow_interruptions=False):
            await speech.wait_for_playout()

    def remark(self, key: str) -> bool:
        """Say one of its own phrases, unless somebody speaks or is being answered; whether it does."""
        session = self._session
        if session.agent_state != "listening" or session.user_state == "speaking" or session.current_speech:
            return False
        if text := self._around.language.phrase(key):
            try:
                _ = session.say(text)
            except RuntimeError:  # a session that has ended
                return False
        return True

    def holds(self, text: str, began_at: float, line: Callable[[], str]) -> bool:
        """Whether somebody's words do not stop what it is saying; then they are kept, and answered when it is over.

        So are signs of listening, and the first words into its greeting if they are a mere "hello?", of somebody who
        has not heard it yet, or if hardly anything of it is left. A sign of listening of somebody who is owed an
        answer, as to "one moment", answers nothing that is still to come, and is forgotten.
        """
        only_listens = self._around.language.only_listens(text)
        if only_listens and self._owes_answer:
            return True
        speech = self._session.current_speech
        if speech is None or speech.interrupted:
            return False
        if speech is self._greeting:
            is_harmless = is_hello(text) or self._voice.remaining_s <= ANSWER_S
            holds = only_listens or (is_harmless and not self._held.has_words)
        else:
            holds = only_listens and not self._is_silent and self._voice.remaining_s > ANSWER_S
        if holds:
            self._held.keep(speech, line, began_at, only_listens=only_listens, is_hum=is_hum(text))
        return holds

    @property
    def _owes_answer(self) -> bool:
        """Whether what it says next is awaited: nothing is heard but that it takes a moment, and nothing was asked."""
        speech, toolbox = self._session.current_speech, self._around.toolbox
        is_awaited = speech is not None and not speech.interrupted
        if is_awaited and self._voice.has_put_in_last:
            return True
        is_filling = speech is not None and speech is toolbox.filler
        has_more = self._is_silent or is_filling or self._floor.is_awaited
        is_at_it = is_awaited or toolbox.is_at_work
        return has_more and is_at_it and not self._agent.has_asked(self._voice.sounded_at)

    @property
    def _is_silent(self) -> bool:
        """Whether nothing has been heard yet of what it says next, if there is something."""
        return self._session.agent_state != "speaking" and not self._voice.heard_s

    def give_way(self) -> None:
        """Stop talking, if it may be interrupted: somebody begins to press keys."""
        self._silence.begin_anew()
        with suppress(RuntimeError):
            _ = self._session.interrupt()

    def answer(self, line: str) -> None:
        """Answer something that came from the people and was not said, with what somebody is saying meanwhile."""
        self._silence.begin_anew()
        self._held.keep(None, lambda: line, time.monotonic(), only_listens=False)

    async def wait_silence(self) -> None:
        """Return once it has said goodbye to people who say nothing."""
        await self._silence.wait()

    def _note_played(self, frame: rtc.AudioFrame, ended_at: float) -> None:
        self._around.on_played(frame, ended_at)
        self._latency.play(frame, ended_at - frame.duration, put_in=self._voice.has_played_between)

    def _be_sorry(self, *, spoken_into: bool) -> None:
        """Its voices have failed: say so, with what needs none of them, unless somebody has spoken meanwhile.

        A greeting is said once more before that.
        """
        speech = self._session.current_speech
        if not spoken_into and speech is not None and speech is self._greeting and self._unsaid is None:
            self._unsaid = speech
            return
        if not self._failures.speechless() and not spoken_into:
            self._say_sorry()

    def _say_sorry(self) -> None:
        with suppress(RuntimeError):  # a session that has ended
            _ = say_phrase(self._session, self._around.language, "sorry")

    def _expects_silence(self) -> bool:
        around = self._around
        at_work = self._agent.is_transferring or around.toolbox.is_at_work
        return at_work or around.is_deserted() or around.hearing.is_cut_off

    def _answer_held(self, line: str) -> None:
        self._silence.begin_anew()
        self._begin(self._answer(line))

    async def _answer(self, line: str) -> None:
        with suppress(RuntimeError):  # a session that has ended: the next one reads it in the transcript
            await self._agent.answer(line)

    async def _start_session(self) -> None:
        around = self._around
        self._session.on("agent_state_changed", self._show_state)
        self._session.on("close", self._closed)
        text = Spoken(self._voice, around.clock, around.transcript) if around.transcript else None
        paced = Paced(self._voice, text)
        self._session.output.audio = paced.audio_output
        self._session.output.transcription = paced.text_output
        # As it is: what an earlier agent has asked may be of a tool that this one has not found yet.
        said = as_chat(self._said, self._around.toolbox.made)
        await self._agent.update_chat_ctx(said, exclude_invalid_function_calls=False)
        await self._session.start(self._agent, session_host=False, record=False)

    def _closed(self, event: CloseEvent) -> None:
        self._fail(SessionEnded(event.reason.value))

    def _give_way(self) -> None:
        """Pause for who speaks; what breaks in that is this speaker's, not the ear's whose beat it is."""
        try:
            self._courtesy.look()
        except Exception as error:  # noqa: BLE001 - whatever it was, people are still to be heard
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

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

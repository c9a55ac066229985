"""One call in the worker, from its dispatch to the release of its lease."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from livekit import rtc
from livekit.agents import AgentStateChangedEvent, AutoSubscribe, JobContext, utils
from livekit.agents.voice.transcription import TranscriptSynchronizer

from calls.database import Database
from calls.errors import Unavailable
from calls.post_call import sections_on, transcribed
from calls.rooms import Rooms
from calls.states import TERMINAL, EndReason
from calls.store import CallStore
from prompts import render
from worker.speaker.agent import CallAgent
from worker.room.clock import Clock
from worker.room.ear import Listener
from worker.speaker.failures import Failures
from worker.room.hearing import Hearing
from worker.room.journal import Journal
from worker.room.lease import Lease
from worker.room.presence import Presence
from worker.providers import Providers
from worker.room.recording import Recorder
from worker.speaker.session import make_session
from worker.speaker.silence import Silence
from worker.speaker.spoken import Spoken
from worker.room.transcript import TranscriptWriter
from worker.speaker.voice import Voice
from worker.words import phrase

logger = logging.getLogger(__name__)

STATE_ATTRIBUTE = "lk.agent.state"  # where LiveKit's own clients look for what the agent is doing
LAST_SOUND_S = 0.3  # what still travels to the caller when the agent's last word has left the worker


class Call:
    """The agent's side of one call; `run` it once.

    Args:
        context: LiveKit's job.
        providers: of speech and language.
        row: the call's row as it was when the lease was taken.
        lease: the lease of this worker.
    """

    def __init__(
        self,
        context: JobContext,
        database: Database,
        providers: Providers,
        row: sa.Row[Any],
        lease: Lease,
    ) -> None:
        self._context = context
        self._settings = providers.settings
        self._database = database
        self._row = row
        self._lease = lease
        self._agent: dict[str, Any] = row.agent
        self._language: str | None = row.agent.get("language")
        self._clock = Clock()
        self._journal = Journal(database)
        self._recorder: Recorder | None = None
        self._transcript = TranscriptWriter(database, row.id, lease.token) if transcribed(row.agent) else None
        self._human = asyncio.Event()
        # Why the call ends; None: it is not this worker's any more.
        self._end: asyncio.Future[EndReason | None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        recognition = providers.recognition(self._agent)
        self._voice = Voice(self._record_agent)
        self._hearing = Hearing(
            recognition,
            Listener(self._clock, self._transcript, self._record_human, lambda: self._voice.remaining_s),
        )
        self._presence = Presence(
            context.room,
            row.id,
            self._journal,
            on_human=self._human.set,
            on_microphone=self._hearing.attend,
            on_silent=self._hearing.ignore,
            on_end=self.end,
        )
        self._session = make_session(self._agent, providers, recognition)

    def end(self, reason: EndReason | None) -> None:
        """End the call; of several reasons the first counts."""
        if not self._end.done():
            self._end.set_result(reason)

    async def run(self) -> None:
        """Enter the room, talk, and leave everything written when it is over."""
        self._start(self._journal.run())
        self._start(self._hold_lease())
        self._start(self._talk())
        try:
            reason = await self._end
        except asyncio.CancelledError:
            reason = EndReason.AGENT_LOST
        await self._close(reason)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the call failed", exc_info=error)
            self.end(EndReason.ERROR)

    async def _hold_lease(self) -> None:
        await self._lease.hold()
        self.end(None)

    async def _talk(self) -> None:
        await self._context.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
        self._journal.put(lambda store: store.agent_joined(self._row.id, self._lease.token))
        logger.info("the agent is in the room")
        self._presence.look_around()
        _, first_message = await asyncio.gather(self._voice.publish(self._context.room), self._begin_session())
        await self._human.wait()
        if not await self._start_clock():
            self.end(None)
            return
        await self._voice.wait_audible()
        if first_message:
            _ = self._session.say(first_message)
        self._start(self._watch_duration())
        self._start(self._watch_silence())

    async def _begin_session(self) -> str:
        """Start the session; returns what the agent says first."""
        prompt, first_message = self._rendered("system_prompt"), self._rendered("first_message")
        self._session.on("agent_state_changed", self._show_state)
        Failures(self._session, self._voice, self._journal, self._row.id, self._language, self._give_up)
        text = Spoken(self._voice, self._clock, self._transcript) if self._transcript else None
        paced = TranscriptSynchronizer(next_in_chain_audio=self._voice, next_in_chain_text=text)
        self._session.input.audio = self._hearing
        self._session.output.audio = paced.audio_output
        self._session.output.transcription = paced.text_output
        agent = CallAgent(prompt, self._language, self._hearing, lambda: self.end(EndReason.AGENT_HUNG_UP))
        await self._session.start(agent, session_host=False, record=False)
        return first_message

    def _rendered(self, field: str) -> str:
        text, unknown = render(self._agent.get(field) or "", {**self._row.metadata, **self._row.variables})
        if unknown:
            self._journal.put(
                lambda store: store.add_event(
                    self._row.id,
                    "lifecycle",
                    f"{field} names unknown variables",
                    level="warning",
                    data={"names": sorted(unknown)},
                ),
            )
        return text

    async def _start_clock(self) -> bool:
        """Set the call's zero, unless it has one; False if the call is over."""
        await self._journal.settle()
        async with self._database.writing() as connection:
            store = CallStore(connection)
            await store.start(self._row.id)
            row = await store.get(None, self._row.id)
        if row.status in TERMINAL or row.started_at is None:
            return False
        if "recording" in sections_on(row.post_call):
            self._recorder = Recorder(self._settings.recordings_dir / f"{row.id}.ogg", row.started_at)
        self._clock.start(row.started_at)
        return True

    async def _watch_duration(self) -> None:
        limit_s = self._agent.get("max_duration_s")
        if limit_s:
            await asyncio.sleep(limit_s - self._clock.now())
            self.end(EndReason.MAX_DURATION)

    async def _watch_silence(self) -> None:
        agent = self._agent
        await Silence(
            self._session,
            self._language,
            agent.get("silence_reminder_s"),
            agent.get("silence_timeout_s"),
        ).wait()
        self.end(EndReason.SILENCE)

    def _give_up(self) -> None:
        self._start(self._apologise())

    async def _apologise(self) -> None:
        apology = self._session.say(phrase("failed", self._language), allow_interruptions=False)
        await apology.wait_for_playout()
        self.end(EndReason.PROVIDER_FAILED)

    def _record_agent(self, frame: rtc.AudioFrame) -> None:
        if self._recorder is not None:
            self._recorder.agent(frame)

    def _record_human(self, identity: str, frame: rtc.AudioFrame) -> None:
        if self._recorder is not None:
            self._recorder.people(frame, identity)

    def _show_state(self, event: AgentStateChangedEvent) -> None:
        self._start(self._show(str(event.new_state)))

    async def _show(self, state: str) -> None:
        room = self._context.room
        with suppress(Exception):  # the room may be gone at any moment, and nobody looks at it then
            if room.isconnected():
                await room.local_participant.set_attributes({STATE_ATTRIBUTE: state})

    async def _close(self, reason: EndReason | None) -> None:
        if reason is None:
            self._voice.mute()
        else:
            await self._finish(reason)
        await utils.aio.cancel_and_wait(*self._tasks)
        keeping = asyncio.create_task(self._lease.keep())
        try:
            await self._hearing.aclose()
            await self._session.aclose()
            await self._voice.aclose()
            if self._transcript is not None:
                await self._transcript.close()
            if self._recorder is not None:
                await self._recorder.close()
        finally:
            await utils.aio.cancel_and_wait(keeping)
            await self._lease.release()

    async def _finish(self, reason: EndReason) -> None:
        """End the call in the database, then for everybody in the room."""
        await self._journal.settle()
        async with self._database.writing() as connection:
            won = await CallStore(connection).finish(self._row.id, reason)
        logger.info("the call ended", extra={"reason": reason, "won": won})
        if reason in {EndReason.AGENT_HUNG_UP, EndReason.SILENCE, EndReason.PROVIDER_FAILED}:
            await asyncio.sleep(LAST_SOUND_S)
        try:
            async with Rooms.connect(self._settings) as rooms:
                await rooms.delete_room(self._row.room_name)
        except Unavailable:
            logger.warning("the room could not be deleted")

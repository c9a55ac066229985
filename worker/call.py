"""One call in the worker, from the taking of its lease to the release: the stack of its parts, and its ending."""

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext, utils

from calls.agent_config import AgentSnapshot
from calls.analysis.post_call import PostCall
from calls.database.encryption import Keyring
from calls.database.engine import Database
from calls.errors import Unavailable
from calls.events import EventKind
from calls.latency import Turn
from calls.recordings.pieces import Piece
from calls.rooms import ALIVE, Rooms
from calls.states import TERMINAL, EndReason
from calls.store import CallStore
from calls.tables import PRESSED
from calls.transcript import CALLER
from worker.call_events import CallEvents
from worker.credits import wait_until_used_up
from worker.end import End, Step, take_all
from worker.headcount import EarCount
from worker.parts import Parts
from worker.provider_events import ProviderEvents
from worker.providers import Providers
from worker.ranking import Ranking
from worker.room.captions import Captions
from worker.room.ear import Listener
from worker.room.hearing import Hearing
from worker.room.journal import Journal
from worker.room.keys import Keys
from worker.room.lease import Taken
from worker.room.persistence import Persistence
from worker.room.phones import Phones
from worker.room.presence import Presence, is_called, name_of
from worker.room.putting_out import other_agents, put_others_out, put_out
from worker.room.recording import Recorder
from worker.room.transcript import TranscriptWriter
from worker.room.voicemail import MachineDetection
from worker.speaker.hang_up import Farewell
from worker.speaker.history import as_pressed
from worker.speaker.speaker import Surroundings
from worker.speaker.words.language import Language
from worker.talk import Talk
from worker.tools.request import Secrets
from worker.tools.toolbox import Toolbox
from worker.turns.end_model import predict_at

logger = logging.getLogger(__name__)

ENTER_S = 10.0  # an agent that is not in the room by then gives the call to another
WRITTEN_S = 1.0  # so long the first word waits until it is written that the call has begun
LAST_SOUND_S = 0.3  # what still travels to the caller when the agent's last word has left the worker
PATIENCE_S = 3.0  # how long the room of a call that is over stays open for a database that is away
STEP_S = 10.0
SPOKEN_ENDS = frozenset(
    {EndReason.AGENT_HUNG_UP, EndReason.SILENCE, EndReason.PROVIDER_FAILED, EndReason.CREDITS_USED_UP}
)


class Call:
    """This worker's side of one call; `run` it once. UnusableProvider if its agent cannot be made.

    It ends with a reason, which ends the call, or without one: then the call is another agent's from here on.

    Args:
        context: LiveKit's job.
        providers: of speech and language.
        taken: the call as it was when its lease was taken.
    """

    def __init__(self, context: JobContext, database: Database, providers: Providers, taken: Taken) -> None:
        self._context = context
        self._providers = providers
        self._settings = providers.settings
        self._database = database
        self._row = taken.row
        self._agent = AgentSnapshot.stored(taken.row.agent)
        self._lease = taken.lease
        self._clock = taken.clock
        self._loop = asyncio.get_running_loop()
        self._end = End()
        self._broke_off_at = taken.broke_off_at
        self._sent_on = taken.sent_on
        self._answered = taken.answered
        self._recorder: Recorder | None = None

        token = self._lease.token
        self._persistence = Persistence(self.note_outage)
        self._journal = Journal(database, self._row.id, token, self._clock, self._persistence)
        self._events = CallEvents(self._journal, self._row.id)
        self._parts = Parts(self._events.part_restarted, self._fail)
        self._provider_events = ProviderEvents(
            self._journal, self._row.id, lambda kind, place: providers.named(kind, self._agent, place)
        )
        self._language = Language(self._agent)
        first = taken.segments[-1].sequence + 1 if taken.segments else 0
        self._captions = Captions(context.room, str(token))
        self._transcript = (
            TranscriptWriter(
                database,
                self._row.id,
                token,
                self._persistence,
                first,
                earlier=taken.said,
                redact=self._agent.features.redact,
                on_caption=self._captions.show,
            )
            if self._agent.features.transcription_enabled
            else None
        )
        self._toolbox = Toolbox(
            self._agent,
            self._language,
            {**taken.row.metadata, **taken.row.variables},
            Secrets(database, Keyring.of(self._settings), taken.row.tenant_id),
            self._settings,
            self._journal,
            self._clock,
            call_id=self._row.id,
            earlier=taken.tool_calls,
            on_found=self._take_tools,
        )
        self._machines = MachineDetection(self._note_voicemail)
        ear_count = EarCount(self._settings, context.job.id)
        recognisers = providers.recognisers(self._agent)
        providers.check(self._agent)
        self._hearing = Hearing(
            Ranking(recognisers, on_switched=partial(self._provider_events.switched, "stt")),
            self._settings.stt_words_s,
            Listener(
                clock=self._clock,
                transcript=self._transcript,
                on_audio=self._record_human,
                on_words=self._machines.hear,
                on_ears=ear_count.write,
                on_late=ear_count.note_late,
                on_cut_off=lambda: self._remark("unheard"),
                on_deaf=self._give_up,
                on_wordless=lambda: self._remark("sorry"),
                on_unheard=self._events.unheard,
                on_heard=self._events.heard,
                on_provider_failed=partial(self._provider_events.failed, "stt"),
                on_failed=lambda: self._fail("ear"),
                predict_end=partial(predict_at, context.proc.userdata["end_model"]),
                holds=self._holds,
            ),
            sets_marks=providers.sets_marks(self._agent),
        )
        self._presence = Presence(
            context.room,
            self._row.id,
            self._journal,
            answered=taken.answered,
            on_human=self._welcome,
            on_microphone=self._attend,
            on_silent=self._hearing.ignore,
            on_end=self.end,
            on_cut_off=self._cut_off,
        )
        self._phones = Phones(
            context.room,
            self._settings,
            self._presence,
            lambda: self._hearing.last,
            self._events.of_phone,
            self._written,
        )
        self._keys = Keys(context.room, self._give_way_to_keys, self._hear_keys)
        around = Surroundings(
            room=context.room,
            hearing=self._hearing,
            recognition=recognisers[0],
            transcript=self._transcript,
            phones=self._phones,
            toolbox=self._toolbox,
            provider_events=self._provider_events,
            clock=self._clock,
            language=self._language,
            may_speak=lambda: self._lease.certain,
            is_deserted=lambda: self._presence.is_deserted,
            on_played=self._record_agent,
            on_turn=self._note_turn,
            farewell=Farewell(self._events, self._clock, taken.hangs_up_s),
            on_hang_up=lambda: self.end(EndReason.AGENT_HUNG_UP),
            on_hopeless=self._give_up,
        )
        self._talk = Talk(
            around,
            providers,
            self._agent,
            self._row,
            taken.said,
            self._events,
            self._end,
            was_answered=bool(taken.answered),
            connect=partial(context.connect, auto_subscribe=AutoSubscribe.AUDIO_ONLY),
            on_begin=self._begin,
            on_silence=lambda: self.end(EndReason.SILENCE),
        )

    def end(self, reason: EndReason | None, over_at: datetime | None = None) -> None:
        """End the call, or with None this agent's part in it; of several reasons the first counts.

        It, or what this agent could do for it, was over at `over_at`, if that was earlier than now.
        """
        self._end.come(reason, over_at)

    def note_outage(self, seconds: float) -> None:
        """Tell those who read the call's events that it had to do without the database."""
        self._events.outage(seconds)

    def _welcome(self, human: rtc.Participant) -> None:
        self._talk.welcome(human)

    def _take_tools(self) -> None:
        self._talk.take_tools()

    def _attend(self, track: rtc.RemoteTrack, participant: rtc.RemoteParticipant) -> None:
        if is_called(participant) and participant.identity not in self._answered:
            self._machines.watch(participant.identity)
        self._hearing.attend(track, participant)

    def _note_voicemail(self, phone: str) -> None:
        action = self._agent.machine_detection
        data = {"action": action}
        self._events.of_phone(EventKind.VOICEMAIL_DETECTED, "A voicemail answered", phone=phone, data=data)
        if action == "hang_up":
            self._parts.start("voicemail", lambda: self._hang_up_on(phone))

    async def _hang_up_on(self, machine: str) -> None:
        """Put a voicemail out, which ends the call unless others are there or called; with the next, it begins anew."""
        alone = self._presence.is_alone(machine)
        if alone:
            self._talk.lose()
        await self._put_out(machine, EndReason.VOICEMAIL)
        if alone:
            self._talk.begin_anew()
            await self._parts.stop_one("speaker")
            await self._talk.wait_for_somebody()
            self._parts.start("speaker", self._talk.run)

    async def _put_out(self, identity: str, reason: EndReason) -> None:
        why: asyncio.Future[EndReason | None] = self._loop.create_future()
        why.set_result(reason)
        self._presence.explain(identity, why)
        await put_out(self._settings, self._context.room, identity)

    def _give_way_to_keys(self, _phone: rtc.RemoteParticipant) -> None:
        if (speaker := self._talk.speaker) is not None:
            speaker.give_way()

    def _hear_keys(self, phone: rtc.RemoteParticipant, digits: str) -> None:
        identity, name = phone.identity, name_of(phone)
        if self._transcript is not None:
            now = self._clock.now()
            segment = self._transcript.begin(CALLER, identity, PRESSED, name=name)
            self._transcript.update(segment, digits, now, now, final=True)
        self._events.of_phone(EventKind.DTMF_RECEIVED, "Keys were pressed", phone=identity, data=self._written(digits))
        line = self._hearing.attributed(identity, name, as_pressed(digits)).strip()
        if (speaker := self._talk.speaker) is not None and not self._end.is_there:
            speaker.answer(line)

    def _written(self, digits: str) -> dict[str, Any]:
        """What an event may say of keys. It stays as written: the next may show that these began a card's."""
        hides_numbers = not {"card", "phone"}.isdisjoint(self._agent.features.redact)
        return {} if self._transcript is None or hides_numbers else {"digits": digits}

    def _cut_off(self, since: datetime | None) -> None:
        self._events.agent_cut_off(since)
        self.end(None, since)

    async def run(self) -> None:
        """Enter the room, talk, and leave everything written when it is over."""
        self._parts.start("journal", self._journal.run)
        self._parts.start("lease", lambda: self._lease.hold(self._persistence, lambda: self.end(None)))
        if self._transcript is not None:
            self._parts.start("transcript", self._transcript.run)
            self._parts.start("captions", self._captions.run)
        if not self._language.is_known:
            learn = self._language.learn
            self._parts.start("language", lambda: learn(self._settings, self._database, self._persistence))
        self._parts.start("tools", self._toolbox.open)
        entered = asyncio.Event()
        entering = asyncio.create_task(self._enter(), name="entering")
        entering.add_done_callback(lambda _entering: entered.set())
        self._end.then(entered.set)
        await entered.wait()
        if entering.done() and not self._end.is_there:
            self._parts.start("speaker", self._talk.run)
        reason = await self._end.wait()
        await utils.aio.cancel_and_wait(entering)
        await self._close(reason)

    async def _enter(self) -> None:
        """Be in the room with a voice, or give the call back."""
        try:
            async with asyncio.timeout(ENTER_S):
                await self._talk.enter()
        except Exception as error:
            logger.exception("the agent could not enter the room")
            self._events.entering_failed(error)
            self.end(None)
            return
        self._context.room.local_participant.register_rpc_method(ALIVE, lambda _asked: "")
        self._journal.put(lambda store: store.agent_joined(self._row.id, self._lease.token))
        logger.info("the agent is in the room")
        self._parts.start("solitude", lambda: put_others_out(self._settings, self._context.room))
        if self._sent_on is not None:
            self._phones.take_up(*self._sent_on, self._journal.moment())
        self._presence.look_around(self._broke_off_at)

    async def _begin(self) -> None:
        """Before a word is heard it is written that there is a conversation: should this agent die, another goes on.

        Its voice has a way to go meanwhile. A database that is away keeps nobody waiting.
        """
        self._start_clock()
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_S):
                await self._journal.settle()

    def _start_clock(self) -> None:
        """Set the call's zero, unless it has one."""
        if self._clock.started:
            return
        started_at = self._row.started_at or self._clock.moment()
        self._clock.start(started_at)
        self._journal.put(self._start)
        if self._settings.recorder == "worker" and "recording" in PostCall.stored(self._row.post_call).on:
            starts_at_s = self._clock.now()
            self._recorder = Recorder(
                self._piece_from,
                self._clock.now,
                starts_at_s,
                on_interrupted=self._recording_interrupted,
                on_resumed=self._recording_resumed,
                over_s=self._over_s,
            )
        self._parts.start("duration", self._watch_duration)
        self._parts.start("credits", self._watch_credits)

    async def _start(self, store: CallStore) -> None:
        await store.start(self._row.id)
        row = await store.get(None, self._row.id)
        if row.status in TERMINAL:
            self.end(None)

    async def _watch_duration(self) -> None:
        await asyncio.sleep(self._agent.max_duration_s - self._clock.now())
        self.end(EndReason.MAX_DURATION)

    async def _watch_credits(self) -> None:
        if await wait_until_used_up(self._database, self._row.id):
            await self._end_saying("credits_used_up", EndReason.CREDITS_USED_UP)

    def _give_up(self) -> None:
        self._parts.start("apology", lambda: self._end_saying("failed", EndReason.PROVIDER_FAILED), restarts=0)

    async def _end_saying(self, key: str, reason: EndReason) -> None:
        """Say one of the agent's own phrases, and end the call."""
        try:
            await self._talk.break_off(key)
        finally:  # a session that is closing cannot even say that
            self.end(reason)

    def _holds(self, text: str, began_at: float, line: Callable[[], str]) -> bool:
        return (speaker := self._talk.speaker) is not None and speaker.holds(text, began_at, line)

    def _remark(self, key: str) -> bool:
        return (speaker := self._talk.speaker) is not None and not self._end.is_there and speaker.remark(key)

    def _record_agent(self, frame: rtc.AudioFrame, ended_at: float) -> None:
        if self._recorder is not None:
            self._recorder.agent(frame, self._clock.at(ended_at))

    def _note_turn(self, turn: Turn) -> None:
        if self._transcript is not None:
            self._transcript.answered(turn)
        else:
            self._journal.put(lambda store: store.add_turn(self._row.id, turn))

    def _record_human(self, identity: str, frame: rtc.AudioFrame) -> None:
        if self._recorder is not None:
            self._recorder.people(frame, identity)

    def _recording_interrupted(self, error: str) -> None:
        self._loop.call_soon_threadsafe(self._events.recording_interrupted, error)

    def _recording_resumed(self) -> None:
        self._loop.call_soon_threadsafe(self._events.recording_resumed)

    def _piece_from(self, starts_at_s: float) -> Path:
        piece = Piece(self._row.id, self._lease.token, round(starts_at_s * 1000))
        return self._settings.recordings_dir / piece.name

    def _fail(self, part: str) -> None:
        if part == "transcript" and self._transcript is not None:
            self._transcript.give_up()
        self._events.part_failed(part)
        self.end(EndReason.ERROR)

    async def _close(self, reason: EndReason | None) -> None:
        """Bring it to its end: every step is taken, whatever became of those before it."""
        if reason is not None:
            self._journal.put(lambda store: store.finish(self._row.id, reason), self._end.over_at, is_vital=True)
        # The last ones wait for the database, however long it is away; nothing else may keep them waiting.
        steps = [
            Step("the agent's last word", STEP_S, lambda: self._fall_silent(reason)),
            Step("the recording", STEP_S, self._close_recording),
            Step("the call's row", PATIENCE_S, self._journal.settle),
            Step("the room", STEP_S, lambda: self._close_room(reason)),
            Step("the phones", STEP_S, self._close_phones),
            Step("the ears", STEP_S, self._hearing.aclose),
            Step("the agent", STEP_S, self._stop_speaker),
            Step("the tools", STEP_S, self._toolbox.close),
            Step("the transcript", None, lambda: self._save_transcript(reason)),
            Step("the journal", None, self._journal.settle),
            Step("the lease's renewal", None, self._lease.leave),
            Step("the parts", STEP_S, self._parts.stop),
        ]
        await take_all(steps)
        await self._lease.release(self._persistence, self._end.over_at)
        logger.info("the call is left", extra={"reason": reason})

    async def _fall_silent(self, reason: EndReason | None) -> None:
        if reason in SPOKEN_ENDS:
            await asyncio.sleep(LAST_SOUND_S)
        self._talk.mute()

    async def _close_room(self, reason: EndReason | None) -> None:
        if reason is None or self._journal.lost or other_agents(self._context.room):  # then the call is another's
            await self._context.room.disconnect()
            return
        try:
            async with Rooms.connect(self._settings) as rooms:
                await rooms.delete_room(self._row.room_name)
        except Unavailable:
            logger.warning("the room could not be deleted")

    async def _close_phones(self) -> None:
        self._keys.close()
        self._phones.close()

    async def _stop_speaker(self) -> None:
        await self._parts.stop_one("speaker")  # it would ask in an empty room whether somebody is there
        await self._talk.leave()

    async def _save_transcript(self, reason: EndReason | None) -> None:
        if self._transcript is None:
            return
        if reason is None and await self._persistence.persist(self._goes_on):
            await self._transcript.flush()  # to another agent a number may be told on of which this one has a part
        else:
            await self._transcript.complete()

    async def _goes_on(self) -> bool:
        async with self._database.reading() as connection:
            return (await CallStore(connection).get(None, self._row.id)).status not in TERMINAL

    def _over_s(self) -> float:
        """The second of the call at which it is over, or may be; infinite as long as it goes on."""
        over_at = self._end.over_at if self._end.is_there else self._presence.broke_off_at
        return math.inf if over_at is None else self._clock.second_of(over_at)

    async def _close_recording(self) -> None:
        if self._recorder is not None:
            await self._recorder.close()

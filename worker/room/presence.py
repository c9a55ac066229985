"""Who is in the room: written to the call, and what their coming and going means for it."""

import asyncio
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from livekit import rtc

from calls.naming import phone_name
from calls.rooms import REJOIN_S
from calls.states import TERMINAL, EndReason
from calls.store import CallStore
from worker.room.journal import Journal

ASKED_S = 2.0  # how long a database is asked whether somebody is still called
CALLED_S = 1.0  # between two looks whether that one comes
TOLD_S = 2.0  # who placed a phone's call knows better than we why nobody picked up, if he still lives
SIP_STATUS = "sip.callStatus"
SIP_RULE = "sip.ruleID"  # of a dispatch rule, by which only calls come in
SIP_NUMBER = "sip.phoneNumber"
SHUT_DOWN = "callroom.shut_down"  # the topic of the message by which its worker asks an agent to end the call

_Kind = rtc.ParticipantKind
_Reason = rtc.DisconnectReason
_HUMAN = {_Kind.PARTICIPANT_KIND_STANDARD, _Kind.PARTICIPANT_KIND_SIP, _Kind.PARTICIPANT_KIND_CONNECTOR}
_LEFT_ON_PURPOSE = {
    _Reason.CLIENT_INITIATED,
    _Reason.PARTICIPANT_REMOVED,
    _Reason.USER_REJECTED,
    _Reason.USER_UNAVAILABLE,
}
_ROOM_GONE = {_Reason.ROOM_DELETED, _Reason.ROOM_CLOSED}
_UNANSWERED = {
    _Reason.USER_REJECTED: EndReason.REJECTED,
    _Reason.USER_UNAVAILABLE: EndReason.NO_ANSWER,
}


@dataclass(frozen=True)
class _Absence:
    """Nobody who was here is left: since when, and what that means for the call unless somebody comes.

    may_return   whoever it was did not mean to go
    """

    since: datetime
    reason: EndReason
    may_return: bool


class Presence:
    """Follows a room that is connected or is about to be; what was before is seen by `look_around`.

    Args:
        answered: the names in the room of those who were there before the agent. A phone among them was picked up.
        on_human: called with each human who has come and, on a phone, has answered.
        on_microphone: called with each human's audio track and its owner, a phone's once it was answered.
        on_silent: called with each such track when it is gone.
        on_end: called when the room or the last human is gone, or the worker is to be, with the reason and, if that
            was earlier, with when.
        on_cut_off: called when the agent itself was put out of the room, or lost its connection for good, with when the
            conversation broke off, if that was earlier.
    """

    def __init__(
        self,
        room: rtc.Room,
        call_id: str,
        journal: Journal,
        *,
        answered: Collection[str],
        on_human: Callable[[rtc.Participant], None],
        on_microphone: Callable[[rtc.RemoteTrack, rtc.RemoteParticipant], None],
        on_silent: Callable[[rtc.RemoteTrack], None],
        on_end: Callable[[EndReason, datetime | None], None],
        on_cut_off: Callable[[datetime | None], None],
    ) -> None:
        self._room = room
        self._call_id = call_id
        self._journal = journal
        self._answered = set(answered)
        self._on_human = on_human
        self._on_microphone = on_microphone
        self._on_end = on_end
        self._on_cut_off = on_cut_off
        self._is_out = False
        self._here: set[str] = set()
        self._lost_at: datetime | None = None  # when the agent's own connection was, while it is being made anew
        # By the loop's clock: when it was back, and by when others are to be.
        self._back_at = self._back_by = -math.inf
        self._ringing: set[str] = set()
        self._absence: _Absence | None = None
        self._explanations: dict[str, asyncio.Future[EndReason | None]] = {}
        self._waiting: asyncio.TimerHandle | None = None
        room.on("participant_connected", self._look_at)
        room.on("participant_attributes_changed", lambda _changed, participant: self._look_at(participant))
        room.on("participant_disconnected", self._gone)
        room.on("track_subscribed", self._subscribed)
        room.on("track_unsubscribed", lambda track, _publication, _participant: on_silent(track))
        room.on("reconnecting", self._reconnecting)
        room.on("reconnected", self._reconnected)
        room.on("disconnected", self._disconnected)
        room.on("data_received", self._hear)

    @property
    def phones(self) -> list[str]:
        """The names in the room of the phones that were answered and are still there."""
        people = self._room.remote_participants.values()
        return [one.identity for one in people if one.kind == _Kind.PARTICIPANT_KIND_SIP and one.identity in self._here]

    @property
    def is_deserted(self) -> bool:
        """Whether nobody is here."""
        return not self._here

    @property
    def broke_off_at(self) -> datetime | None:
        """When the conversation did, if it may be over: nobody is here, or the agent's own connection is lost."""
        absence = self._absence
        return self._lost_at if absence is None else absence.since

    def is_alone(self, identity: str) -> bool:
        """Whether nobody but this one is here."""
        return self._here == {identity}

    def explain(self, identity: str, why: asyncio.Future[EndReason | None]) -> None:
        """Should this one leave, `why` tells the reason, and is waited for; None: the usual one."""
        self._explanations[identity] = why

    def look_around(self, broke_off_at: datetime | None) -> None:
        """Take note of whoever was in the room before the agent, and of whoever left it before that could be seen.

        That may be the agent itself.

        Args:
            broke_off_at: when the conversation broke off with which it is to go on. Should those who had it be gone,
                it was over then.
        """
        if not self._room.isconnected():
            self._disconnected(_Reason.UNKNOWN_REASON)
            return
        present = set(self._room.remote_participants)
        reason = self._note_explained(present, broke_off_at)
        now = self._journal.put(lambda store: store.others_left(self._call_id, present))
        over_at = broke_off_at or now
        if self._answered and not self._here:
            self._absence = _Absence(over_at, reason or EndReason.CALLER_HUNG_UP, may_return=reason is None)
        for participant in self._room.remote_participants.values():
            self._look_at(participant)
        self._end_if_deserted(over_at)

    def _note_explained(self, present: Collection[str], at: datetime | None) -> EndReason | None:
        """Note why somebody is gone already of whom it is known; the reason."""
        for identity, why in self._explanations.items():
            if identity not in present and why.done() and (reason := why.result()) is not None:
                left = partial(CallStore.participant_left, call_id=self._call_id, room_identity=identity, reason=reason)
                self._journal.put(left, at)
                return reason
        return None

    def _look_at(self, participant: rtc.Participant) -> None:
        if _is_human(participant):
            self._stop_waiting()
        identity = participant.identity
        if identity in self._here:
            return
        if not self._has_answered(participant):
            self._note_ringing(participant)
            return
        self._here.add(identity)
        self._answered.add(identity)
        self._absence = None
        self._journal.put(lambda store: store.participant_joined(self._call_id, identity))
        if isinstance(participant, rtc.RemoteParticipant):
            for publication in participant.track_publications.values():
                self._listen(publication.track, participant)
        self._on_human(participant)

    def _has_answered(self, participant: rtc.Participant) -> bool:
        """A browser is there once it is in the room, a phone once somebody has picked it up.

        What a phone says of itself may be old: after a restart of LiveKit it is what it was in the beginning.
        """
        if participant.kind == _Kind.PARTICIPANT_KIND_SIP and participant.identity not in self._answered:
            return participant.attributes.get(SIP_STATUS) == "active"
        return _is_human(participant)

    def _note_ringing(self, participant: rtc.Participant) -> None:
        identity = participant.identity
        if participant.attributes.get(SIP_STATUS) == "ringing" and identity not in self._ringing:
            self._ringing.add(identity)
            self._journal.put(lambda store: store.ringing(self._call_id, identity))

    def _gone(self, participant: rtc.RemoteParticipant) -> None:
        if not _is_human(participant):
            return
        identity = participant.identity
        if (why := self._explanations.get(identity)) is not None and not why.done():
            why.add_done_callback(lambda _known: self._gone(participant))
            return
        left_at = None
        if identity in self._here:
            known = why.result() if why is not None else None
            self._here.discard(identity)
            seen_until = None
            if participant.disconnect_reason is None:  # it was not seen to go: perhaps only the agent is cut off
                known, seen_until = known or EndReason.CONNECTION_LOST, self._lost_at
            left_at = self._journal.put(
                lambda store: store.participant_left(self._call_id, identity, reason=known), seen_until
            )
            if not self._here:
                on_purpose = participant.disconnect_reason in _LEFT_ON_PURPOSE
                reason = EndReason.CALLER_HUNG_UP if on_purpose else EndReason.CONNECTION_LOST
                self._absence = _Absence(left_at, known or reason, may_return=not on_purpose)
        elif participant.kind == _Kind.PARTICIPANT_KIND_SIP and participant.disconnect_reason not in _ROOM_GONE:
            loop = asyncio.get_running_loop()
            loop.call_later(TOLD_S, self._note_failed, participant, loop.time())
        if participant.disconnect_reason in _ROOM_GONE:
            self._on_end(EndReason.ROOM_DELETED, None)
        else:
            self._end_if_deserted(left_at)

    def _reconnecting(self) -> None:
        self._lost_at = self._journal.moment()

    def _reconnected(self) -> None:
        self._back_at = asyncio.get_running_loop().time()
        away = self._journal.moment() - self._lost_at if self._lost_at is not None else timedelta()
        self._lost_at = None
        # If it was LiveKit that was away, a phone's bridge tries less and less often whether it is back.
        self._back_by = self._back_at + max(away.total_seconds(), REJOIN_S)

    def _note_failed(self, phone: rtc.RemoteParticipant, gone_at: float) -> None:
        """A phone that was called is not there any more, unless it has come again.

        An agent that makes its connection anew sees everybody go without a reason, and then come again: phones a while
        later, if it was LiveKit that was away. Of one that does not come the watcher tells. A connection that could be
        taken up again is said to be back too, but through it nobody is seen to go who did not.
        """
        if self._room.connection_state == rtc.ConnectionState.CONN_RECONNECTING:
            asyncio.get_running_loop().call_later(TOLD_S, self._note_failed, phone, gone_at)
            return
        identity, reason = phone.identity, _why_unanswered(phone)
        only_seemed = phone.disconnect_reason is None and self._back_at > gone_at
        if only_seemed or not self._room.isconnected() or identity in self._room.remote_participants:
            return

        async def fail(store: CallStore) -> None:
            await store.leg_failed(self._call_id, identity, reason)
            if (await store.get(None, self._call_id)).status in TERMINAL:
                self._on_end(reason, None)

        self._journal.put(fail)

    def _end_if_deserted(self, left_at: datetime | None = None) -> None:
        """End the call if all who were here are gone, unless a phone rings or is to be called: it may be picked up.

        Should the last of them have left just now, the call was over at that very moment.
        """
        absence = self._absence
        if absence is None or any(_is_human(one) for one in self._room.remote_participants.values()):
            return
        self._stop_waiting()
        if not absence.may_return:
            self._end_unless_called(absence.reason, left_at)
            return
        self._await_return(absence)

    def _await_return(self, absence: _Absence) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(REJOIN_S, self._end_unless_returning, absence)

    def _end_unless_returning(self, absence: _Absence) -> None:
        away = self._room.connection_state == rtc.ConnectionState.CONN_RECONNECTING
        if away or asyncio.get_running_loop().time() < self._back_by:
            self._await_return(absence)
        else:
            self._end_unless_called(absence.reason, absence.since)

    def _end_unless_called(self, reason: EndReason, at: datetime | None) -> None:
        """End the call, or look again soon if the database knows of a phone that has not come yet.

        While it is away nobody is called.
        """
        loop = asyncio.get_running_loop()
        unanswered = loop.call_later(ASKED_S, self._end_deserted, reason, at)

        async def ask(store: CallStore) -> None:
            is_awaited = await store.awaits_phone(self._call_id)
            unanswered.cancel()
            if not is_awaited:
                self._end_deserted(reason, at)
            elif self._absence is not None:
                self._waiting = loop.call_later(CALLED_S, self._end_if_deserted)

        self._journal.put(ask)

    def _end_deserted(self, reason: EndReason, at: datetime | None) -> None:
        if self._absence is not None:  # else somebody has come just now
            self._on_end(reason, at)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def _subscribed(
        self,
        track: rtc.RemoteTrack,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        del publication
        if participant.identity in self._here:  # else, once it is
            self._listen(track, participant)

    def _listen(self, track: rtc.Track | None, participant: rtc.RemoteParticipant) -> None:
        if isinstance(track, rtc.RemoteAudioTrack):
            self._on_microphone(track, participant)

    def _hear(self, packet: rtc.DataPacket) -> None:
        if packet.topic == SHUT_DOWN and packet.participant is None:  # from the server: callers may send nothing
            self._on_end(EndReason.SHUT_DOWN, None)

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        if self._is_out:
            return
        self._is_out = True
        if reason in _ROOM_GONE:
            self._on_end(EndReason.ROOM_DELETED, None)
        elif reason != _Reason.CLIENT_INITIATED:
            self._on_cut_off(self.broke_off_at)


def is_called(participant: rtc.Participant) -> bool:
    """Whether it is a phone that was called, and not one that called."""
    return participant.kind == _Kind.PARTICIPANT_KIND_SIP and SIP_RULE not in participant.attributes


def name_of(participant: rtc.Participant) -> str:
    """The participant's name, as `calls.naming` has it. LiveKit itself names phones that call by their whole number."""
    if participant.kind == _Kind.PARTICIPANT_KIND_SIP and not is_called(participant):
        return phone_name(participant.attributes.get(SIP_NUMBER, ""))
    return participant.name or participant.identity


def _why_unanswered(phone: rtc.RemoteParticipant) -> EndReason:
    if not is_called(phone):
        return EndReason.CALLER_HUNG_UP
    return _UNANSWERED.get(phone.disconnect_reason or _Reason.UNKNOWN_REASON, EndReason.NETWORK_ERROR)


def _is_human(participant: rtc.Participant) -> bool:
    return participant.kind in _HUMAN

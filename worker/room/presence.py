"""Who is in the room: written to the call, and what their coming and going means for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from livekit import rtc

from calls.states import EndReason
from worker.room.journal import Journal

REJOIN_S = 5.0  # how long a caller whose connection broke may take to come back
SIP_STATUS = "sip.callStatus"

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


@dataclass(frozen=True)
class _Absence:
    """Nobody who was here is left: since when, and what that means for the call unless somebody comes.

    may_return   whoever it was did not mean to go
    """

    since: datetime
    reason: EndReason
    may_return: bool


class Presence:
    """Follows a room from before it is connected.

    Args:
        on_human: called once, when the first human is here and, on a phone, has answered.
        on_microphone: called with each human's audio track and its owner.
        on_silent: called with each such track when it is gone.
        on_end: called when the room or the last human is gone, with the reason and, if that was earlier, with when.
        on_cut_off: called when the agent itself was put out of the room, or lost its connection for good.
    """

    def __init__(
        self,
        room: rtc.Room,
        call_id: str,
        journal: Journal,
        *,
        on_human: Callable[[], None],
        on_microphone: Callable[[rtc.RemoteTrack, rtc.RemoteParticipant], None],
        on_silent: Callable[[rtc.RemoteTrack], None],
        on_end: Callable[[EndReason, datetime | None], None],
        on_cut_off: Callable[[], None],
    ) -> None:
        self._room = room
        self._call_id = call_id
        self._journal = journal
        self._on_human = on_human
        self._on_microphone = on_microphone
        self._on_end = on_end
        self._on_cut_off = on_cut_off
        self._here: set[str] = set()
        self._anybody_yet = False
        self._absence: _Absence | None = None
        self._waiting: asyncio.TimerHandle | None = None
        room.on("participant_connected", self._look_at)
        room.on("participant_attributes_changed", lambda _changed, participant: self._look_at(participant))
        room.on("participant_disconnected", self._gone)
        room.on("track_subscribed", self._subscribed)
        room.on("track_unsubscribed", lambda track, _publication, _participant: on_silent(track))
        room.on("disconnected", self._disconnected)

    def look_around(self, broke_off_at: datetime | None, *, visited: bool) -> None:
        """Take note of whoever was in the room before the agent, and of whoever left it before that could be seen.

        Args:
            broke_off_at: when the conversation broke off with which it is to go on. Should those who had it be gone,
                it was over then.
            visited: somebody was in the room before.
        """
        present = set(self._room.remote_participants)
        now = self._journal.put(lambda store: store.others_left(self._call_id, present))
        if visited and not self._here:
            self._absence = _Absence(broke_off_at or now, EndReason.CALLER_HUNG_UP, may_return=True)
        for participant in self._room.remote_participants.values():
            self._look_at(participant)
        self._end_if_deserted()

    def _look_at(self, participant: rtc.Participant) -> None:
        if _is_human(participant):
            self._stop_waiting()
        identity = participant.identity
        if identity in self._here or not _answered(participant):
            return
        self._here.add(identity)
        self._absence = None
        self._journal.put(lambda store: store.participant_joined(self._call_id, identity))
        if not self._anybody_yet:
            self._anybody_yet = True
            self._on_human()

    def _gone(self, participant: rtc.RemoteParticipant) -> None:
        if not _is_human(participant):
            return
        identity = participant.identity
        if identity in self._here:
            self._here.discard(identity)
            left_at = self._journal.put(lambda store: store.participant_left(self._call_id, identity))
            if not self._here:
                on_purpose = participant.disconnect_reason in _LEFT_ON_PURPOSE
                reason = EndReason.CALLER_HUNG_UP if on_purpose else EndReason.CONNECTION_LOST
                self._absence = _Absence(left_at, reason, may_return=not on_purpose)
        if participant.disconnect_reason in _ROOM_GONE:
            self._on_end(EndReason.ROOM_DELETED, None)
        else:
            self._end_if_deserted()

    def _end_if_deserted(self) -> None:
        """End the call if all who were here are gone, unless a phone rings: it may be picked up."""
        absence = self._absence
        if absence is None or any(_is_human(one) for one in self._room.remote_participants.values()):
            return
        if not absence.may_return:
            self._on_end(absence.reason, None)
            return
        self._stop_waiting()
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(REJOIN_S, self._on_end, absence.reason, absence.since)

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
        if track.kind == rtc.TrackKind.KIND_AUDIO and _is_human(participant):
            self._on_microphone(track, participant)

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        if reason in _ROOM_GONE:
            self._on_end(EndReason.ROOM_DELETED, None)
        elif reason != _Reason.CLIENT_INITIATED:
            self._on_cut_off()


def _is_human(participant: rtc.Participant) -> bool:
    return participant.kind in _HUMAN


def _answered(participant: rtc.Participant) -> bool:
    """A browser is there once it is in the room, a phone once somebody has picked it up."""
    if participant.kind == _Kind.PARTICIPANT_KIND_SIP:
        return participant.attributes.get(SIP_STATUS) == "active"
    return _is_human(participant)

"""Who is in the room: written to the call, and what their coming and going means for it."""

import asyncio
from collections.abc import Callable

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


class Presence:
    """Follows a room from before it is connected.

    Args:
        on_human: called once, when the first human is here and, on a phone, has answered.
        on_microphone: called with each human's audio track and its owner.
        on_silent: called with each such track when it is gone.
        on_end: called with the reason when the room or the last human is gone.
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
        on_end: Callable[[EndReason], None],
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
        self._waiting: asyncio.TimerHandle | None = None
        room.on("participant_connected", self._look_at)
        room.on("participant_attributes_changed", lambda _changed, participant: self._look_at(participant))
        room.on("participant_disconnected", self._gone)
        room.on("track_subscribed", self._subscribed)
        room.on("track_unsubscribed", lambda track, _publication, _participant: on_silent(track))
        room.on("disconnected", self._disconnected)

    def look_around(self, *, expecting: bool) -> None:
        """Take note of whoever was in the room before the agent; if it was `expecting` somebody, not for long."""
        for participant in self._room.remote_participants.values():
            self._look_at(participant)
        if expecting and not self._here:
            self._wait_for_return(EndReason.CALLER_HUNG_UP)

    def _look_at(self, participant: rtc.Participant) -> None:
        identity = participant.identity
        if identity in self._here or not _answered(participant):
            return
        self._here.add(identity)
        if self._waiting is not None:
            self._waiting.cancel()
        self._journal.put(lambda store: store.participant_joined(self._call_id, identity))
        if not self._anybody_yet:
            self._anybody_yet = True
            self._on_human()

    def _gone(self, participant: rtc.RemoteParticipant) -> None:
        identity = participant.identity
        if identity not in self._here:
            return
        self._here.discard(identity)
        self._journal.put(lambda store: store.participant_left(self._call_id, identity))
        somebody_rings = any(_is_human(other) for other in self._room.remote_participants.values())
        if self._here or somebody_rings:
            return
        if participant.disconnect_reason in _LEFT_ON_PURPOSE:
            self._on_end(EndReason.CALLER_HUNG_UP)
        elif participant.disconnect_reason in _ROOM_GONE:
            self._on_end(EndReason.ROOM_DELETED)
        else:
            self._wait_for_return(EndReason.CONNECTION_LOST)

    def _wait_for_return(self, reason: EndReason) -> None:
        self._waiting = asyncio.get_running_loop().call_later(REJOIN_S, self._on_end, reason)

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
            self._on_end(EndReason.ROOM_DELETED)
        elif reason != _Reason.CLIENT_INITIATED:
            self._on_cut_off()


def _is_human(participant: rtc.Participant) -> bool:
    return participant.kind in _HUMAN


def _answered(participant: rtc.Participant) -> bool:
    """A browser is there once it is in the room, a phone once somebody has picked it up."""
    if participant.kind == _Kind.PARTICIPANT_KIND_SIP:
        return participant.attributes.get(SIP_STATUS) == "active"
    return _is_human(participant)

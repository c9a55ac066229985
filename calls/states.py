"""The states of calls and participants, and which move is allowed from where."""

from enum import StrEnum


class CallStatus(StrEnum):
    """Where a call is in its life."""

    CONNECTING = "connecting"
    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class ParticipantStatus(StrEnum):
    """Where one participant (a browser or a phone leg) is."""

    JOINING = "joining"
    QUEUED = "queued"
    DIALING = "dialing"
    RINGING = "ringing"
    JOINED = "joined"
    LEFT = "left"
    FAILED = "failed"


class IntelligenceStatus(StrEnum):
    """How far the post-call work of a call is."""

    NOT_STARTED = "not_started"
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"


class EndReason(StrEnum):
    """Why a call ended."""

    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    INVALID_NUMBER = "invalid_number"
    INVALID_CALLER_ID = "invalid_caller_id"
    DO_NOT_CALL = "do_not_call"
    NETWORK_ERROR = "network_error"
    CANCELED = "canceled"
    NO_ROOM = "no_room"
    NO_AGENT = "no_agent"
    AGENT_LOST = "agent_lost"
    NOBODY_JOINED = "nobody_joined"
    TELEPHONY_UNAVAILABLE = "telephony_unavailable"
    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    ENDED_BY_API = "ended_by_api"
    ROOM_DELETED = "room_deleted"
    CONNECTION_LOST = "connection_lost"
    MAX_DURATION = "max_duration"
    SILENCE = "silence"
    PROVIDER_FAILED = "provider_failed"
    CREDITS_USED_UP = "credits_used_up"
    TRANSFERRED = "transferred"
    VOICEMAIL = "voicemail"
    SHUT_DOWN = "shut_down"
    ERROR = "error"


TERMINAL = frozenset({CallStatus.COMPLETED, CallStatus.FAILED})
LIVE = frozenset(CallStatus) - TERMINAL
BEFORE_START = frozenset({CallStatus.CONNECTING, CallStatus.QUEUED, CallStatus.RINGING})

# A move is one guarded UPDATE: the row changes only if its status is among these sources.
SOURCES: dict[CallStatus, frozenset[CallStatus]] = {
    CallStatus.RINGING: frozenset({CallStatus.QUEUED}),
    CallStatus.IN_PROGRESS: BEFORE_START,
    CallStatus.COMPLETED: LIVE,
    CallStatus.FAILED: LIVE,
}

PARTICIPANT_PRESENT = frozenset(
    {
        ParticipantStatus.JOINING,
        ParticipantStatus.QUEUED,
        ParticipantStatus.DIALING,
        ParticipantStatus.RINGING,
        ParticipantStatus.JOINED,
    },
)


# A phone whose call was placed and not answered yet.
RINGS = frozenset({ParticipantStatus.DIALING, ParticipantStatus.RINGING})


def outcome(reason: EndReason, *, started: bool) -> CallStatus:
    """`completed` if there was a conversation or the API ended the call, however it ended; else `failed`."""
    if started or reason is EndReason.ENDED_BY_API:
        return CallStatus.COMPLETED
    return CallStatus.FAILED

"""What a call's event log tells: each entry has a kind, a word that stays, beside its text."""

from enum import StrEnum


class EventKind(StrEnum):
    """What happened; `docs/events.md` says what each kind means and what its `data` holds."""

    CALL_CREATED = "call.created"
    CALL_WAITING = "call.waiting"
    CALL_STARTED = "call.started"
    CALL_COMPLETED = "call.completed"
    CALL_FAILED = "call.failed"
    CALL_LISTENED = "call.listened"

    PARTICIPANTS_ADDED = "participants.added"
    PARTICIPANT_JOINED = "participant.joined"
    PARTICIPANT_LEFT = "participant.left"
    PARTICIPANT_FAILED = "participant.failed"
    PARTICIPANT_UNHEARD = "participant.unheard"
    PARTICIPANT_HEARD = "participant.heard"

    LEG_DIALING = "leg.dialing"
    LEG_RINGING = "leg.ringing"
    LEG_ANSWERED = "leg.answered"
    LEG_ENDED = "leg.ended"
    LEG_FAILED = "leg.failed"

    DTMF_RECEIVED = "dtmf.received"
    DTMF_SENT = "dtmf.sent"
    TRANSFER_STARTED = "transfer.started"
    TRANSFER_COMPLETED = "transfer.completed"
    TRANSFER_FAILED = "transfer.failed"
    VOICEMAIL_DETECTED = "voicemail.detected"
    HANG_UP_BEGUN = "hang_up.begun"
    HANG_UP_TAKEN_BACK = "hang_up.taken_back"

    AGENT_JOINED = "agent.joined"
    AGENT_LOST = "agent.lost"
    AGENT_RETURNED = "agent.returned"
    AGENT_GIVEN_UP = "agent.given_up"
    AGENT_ENTERING_FAILED = "agent.entering_failed"
    DISPATCH_REPEATED = "dispatch.repeated"

    TEMPLATE_UNKNOWN_VARIABLES = "template.unknown_variables"
    TOOL_CALLED = "tool.called"
    TOOL_ANSWERED = "tool.answered"
    TOOL_FAILED = "tool.failed"
    TOOL_SERVER_FAILED = "tool.server_failed"
    PROVIDER_UNREACHABLE = "provider.unreachable"
    PROVIDER_FAILED = "provider.failed"
    PROVIDER_SWITCHED = "provider.switched"
    ANSWER_EMPTY = "answer.empty"
    TOOLS_REFUSED = "tools.refused"
    CONTEXT_CUT = "context.cut"
    PART_RESTARTED = "part.restarted"
    PART_FAILED = "part.failed"
    DATABASE_BACK = "database.back"

    RECORDING_STARTED = "recording.started"
    RECORDING_INTERRUPTED = "recording.interrupted"
    RECORDING_STORED = "recording.stored"
    RECORDING_DAMAGED = "recording.damaged"
    RECORDING_INCOMPLETE = "recording.incomplete"
    RECORDING_FAILED = "recording.failed"
    LATENCY_CORRECTED = "latency.corrected"
    TRANSCRIPT_CONDENSED = "transcript.condensed"
    ANALYSIS_PENDING = "analysis.pending"
    ANALYSIS_SKIPPED = "analysis.skipped"
    ANALYSIS_PART_COMPLETED = "analysis.part_completed"
    ANALYSIS_PART_DELAYED = "analysis.part_delayed"
    ANALYSIS_COMPLETED = "analysis.completed"
    ANALYSIS_FAILED = "analysis.failed"
    ANALYSIS_PART_FAILED = "analysis.part_failed"

    ERASED = "call.erased"


# Who is in the call, and who was: nobody is after its end.
PRESENCE = frozenset(
    {
        EventKind.PARTICIPANT_JOINED,
        EventKind.PARTICIPANT_LEFT,
        EventKind.LEG_ANSWERED,
        EventKind.LEG_ENDED,
    }
)

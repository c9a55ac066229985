"""What is to be done about a call that is not over, given its row and what LiveKit shows of its room. No I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from calls.settings import Settings
from calls.states import CallStatus, EndReason


@dataclass(frozen=True)
class Limits:
    """How long each thing may take before it counts as failed, and how many dispatches a call gets."""

    join: timedelta
    agent_join: timedelta
    room_gone: timedelta
    dispatches: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits that the settings ask for."""
        return cls(
            join=timedelta(seconds=settings.join_timeout_s),
            agent_join=timedelta(seconds=settings.agent_join_timeout_s),
            # A worker that loses its room ends the call itself; it has as long as it may be silent.
            room_gone=timedelta(seconds=settings.lease_s),
            dispatches=settings.dispatch_attempts,
        )


@dataclass(frozen=True)
class KnownCall:
    """What the database says of a call.

    awaits_phone   a leg is queued, dialled or ringing: somebody may still come
    ever_joined    a human was in the room at some time
    """

    status: CallStatus
    created_at: datetime
    dispatched_at: datetime
    dispatches: int
    lease_until: datetime | None
    awaits_phone: bool
    ever_joined: bool


@dataclass(frozen=True)
class SeenRoom:
    """What LiveKit shows: the identities of the humans in the room, and since when it is missing, if it is."""

    humans: frozenset[str] = frozenset()
    missing_since: datetime | None = None


@dataclass(frozen=True)
class Wait:
    """All is well, or time will tell."""


@dataclass(frozen=True)
class Dispatch:
    """Ask LiveKit for an agent once more."""


@dataclass(frozen=True)
class Finish:
    """The call is over, for this reason."""

    reason: EndReason


Verdict = Wait | Dispatch | Finish


def verdict(call: KnownCall, room: SeenRoom | None, limits: Limits, now: datetime) -> Verdict:
    """Decide; `room` is None while LiveKit does not answer, and then only the agent's lease counts.

    The agent is who holds the lease, not who is in the room: LiveKit lists a killed agent for a while.
    """
    has_agent = call.lease_until is not None and call.lease_until > now
    in_progress = call.status is CallStatus.IN_PROGRESS
    if in_progress and not has_agent:
        return Finish(EndReason.AGENT_LOST)
    if room is None:
        return Wait()
    if room.missing_since is not None:
        gone = now - room.missing_since >= limits.room_gone
        return Finish(_why_the_room_went(call)) if gone else Wait()
    if in_progress or (room.humans and has_agent):
        return Wait()
    return _find_an_agent(call, limits, now) if room.humans else _await_somebody(call, limits, now)


def _await_somebody(call: KnownCall, limits: Limits, now: datetime) -> Verdict:
    if call.awaits_phone or now - call.created_at < limits.join:
        return Wait()
    return Finish(EndReason.CALLER_HUNG_UP if call.ever_joined else EndReason.NOBODY_JOINED)


def _find_an_agent(call: KnownCall, limits: Limits, now: datetime) -> Verdict:
    if now - call.dispatched_at < limits.agent_join:
        return Wait()
    return Dispatch() if call.dispatches < limits.dispatches else Finish(EndReason.NO_AGENT)


def _why_the_room_went(call: KnownCall) -> EndReason:
    # A room closes by itself only after its last human left; one that nobody was in was closed by somebody.
    return EndReason.CALLER_HUNG_UP if call.ever_joined else EndReason.ROOM_DELETED

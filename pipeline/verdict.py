"""What is to be done about a call that is not over, given its row and what LiveKit shows of its room. No I/O."""

import math
from dataclasses import dataclass

from calls.rooms import REJOIN_S
from calls.settings import Settings
from calls.states import CallStatus, EndReason

OWN_END = 6  # so much longer a call without a room is left to its agent
RETRY_S = 1.5  # a conversation that waits for another agent is offered this often, unless one is on its way
MOST_AGENTS = 10  # a conversation that was lately the end of so many would be the end of the next one too


@dataclass(frozen=True)
class Limits:
    """How many seconds each thing may take before it counts as failed, and how many dispatches a call gets."""

    join: float
    rejoin: float
    agent_join: float
    agent_return: float
    room_gone: float
    dispatches: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The limits that the settings ask for."""
        return cls(
            join=settings.join_timeout_s,
            rejoin=REJOIN_S,
            agent_join=settings.agent_join_timeout_s,
            agent_return=settings.agent_return_timeout_s,
            # A worker that loses its room ends the call itself; it has as long as it may be silent.
            room_gone=settings.lease_s,
            dispatches=settings.dispatch_attempts,
        )


@dataclass(frozen=True)
class History:
    """What a call's events say of its agents.

    lately    how many of them came into the room of late
    asked     how often one was asked for, not counting reminders
    awaited   nothing has become of the last one that was asked for
    """

    lately: int = 0
    asked: int = 1
    awaited: bool = True


@dataclass(frozen=True)
class KnownCall:
    """What the database says of a call.

    agents         how many have had its lease
    history        what its events say of them, at least as far as that decides something
    held           an agent has its lease
    has_seat       a worker that lives has a place for it
    entered        the last agent that had it was in the room
    awaits_phone   a leg is queued, dialled or ringing: somebody may still come
    ever_joined    a human was in the room at some time
    anybody_here   a human was not seen to leave it: at least the last one, who may have been lost with the agent
    """

    status: CallStatus
    dispatches: int
    agents: int
    history: "History"
    held: bool
    has_seat: bool
    entered: bool
    awaits_phone: bool
    ever_joined: bool
    anybody_here: bool

    @property
    def all_taken(self) -> bool:
        """Whether as often as an agent was asked for, one has come, so that it need not be seen to go."""
        return self.agents >= self.dispatches


@dataclass(frozen=True)
class Waited:
    """For how many seconds the judge has seen the call unfinished, and its last dispatch and lease as they are.

    agent      the same of an agent that is in the room, or of none
    database   how long the database has been back, if it was away
    """

    call: float
    dispatch: float
    lease: float
    agent: float
    database: float = math.inf

    @property
    def dispatch_used_up(self) -> bool:
        """Whether an agent came upon the last dispatch, and is gone again."""
        return self.lease < self.dispatch


@dataclass(frozen=True)
class SeenRoom:
    """What LiveKit shows.

    humans         who is in the room
    deserted       for how many seconds nobody has been
    missing        for how many seconds it has not been there, if it is not
    agent_coming   a worker has taken the last dispatch
    """

    humans: frozenset[str] = frozenset()
    deserted: float = 0.0
    missing: float | None = None
    agent_coming: bool = False


@dataclass(frozen=True)
class Wait:
    """All is well, or time will tell."""


@dataclass(frozen=True)
class Dispatch:
    """Ask LiveKit for an agent once more.

    elsewhere   the last one was not able to enter the room: another worker is to be asked
    reminder    the call still waits for the agent that was asked for before
    """

    elsewhere: bool = False
    reminder: bool = False


@dataclass(frozen=True)
class Finish:
    """The call is over, for this reason.

    hopeless   so many of its agents were lost that no other one is asked for
    """

    reason: EndReason
    hopeless: bool = False


Verdict = Wait | Dispatch | Finish


def verdict(call: KnownCall, room: SeenRoom | None, limits: Limits, waited: Waited) -> Verdict:
    """Decide; `room` is None while LiveKit does not answer.

    The agent is who holds the lease, not who is in the room: LiveKit lists a killed agent for a while.
    """
    started = call.status is CallStatus.IN_PROGRESS
    if room is not None and room.missing is not None:
        # An agent that lives ends such a call itself, with the reason that it knows; the database may be in its way.
        gone_after = limits.room_gone * (OWN_END if call.held else 1)
        return Finish(_why_nobody_is_left(call)) if room.missing >= gone_after else Wait()
    if started and not call.held and waited.agent >= limits.agent_return:
        alone = room is not None and not room.humans
        return Finish(_why_nobody_is_left(call) if alone else EndReason.AGENT_LOST)
    if room is None or (call.held and (started or room.humans)):
        return Wait()
    if room.humans or (call.awaits_phone and not call.held):  # no phone rings before there is an agent
        return _find_an_agent(call, room, limits, waited, started=started)
    if not started:
        return _await_somebody(call, limits, waited)
    # Whoever was lost with the agent may take longer to come back than one who left.
    is_over = not call.anybody_here and room.deserted >= limits.rejoin
    return Finish(_why_nobody_is_left(call)) if is_over else Wait()


def is_urgent(status: CallStatus, limits: Limits, waited: Waited) -> bool:
    """Whether a dispatch that no worker has taken is repeated soon, so that it matters if one has.

    A conversation waits, or the database was away, without which no worker takes a call.
    """
    return status is CallStatus.IN_PROGRESS or waited.database < limits.agent_join


def _await_somebody(call: KnownCall, limits: Limits, waited: Waited) -> Verdict:
    if call.awaits_phone or waited.call < limits.join:
        return Wait()
    return Finish(EndReason.CALLER_HUNG_UP if call.ever_joined else EndReason.NOBODY_JOINED)


def _find_an_agent(call: KnownCall, room: SeenRoom, limits: Limits, waited: Waited, *, started: bool) -> Verdict:
    used_up = waited.dispatch_used_up or call.all_taken
    hurry = is_urgent(call.status, limits, waited) and not room.agent_coming
    if not used_up and waited.dispatch < (min(RETRY_S, waited.database) if hurry else limits.agent_join):
        return Wait()
    # What nobody took is no attempt where somebody could have taken it; for how long that may go on, time says.
    patient = call.has_seat and waited.agent < limits.agent_return
    reminder = (started or hurry or patient) and not used_up and call.history.awaited
    if not started and not reminder and call.history.asked >= limits.dispatches:
        return Finish(EndReason.NO_AGENT)
    # Only an agent that was in the room is lost with the call: how long others try to get in is limited by time.
    if started and call.entered and call.history.lately >= MOST_AGENTS:
        return Finish(EndReason.AGENT_LOST, hopeless=True)
    return Dispatch(elsewhere=used_up and not call.entered, reminder=reminder)


def _why_nobody_is_left(call: KnownCall) -> EndReason:
    if call.anybody_here:  # LiveKit has lost the room, as one does that is restarted without Redis
        return EndReason.CONNECTION_LOST
    if call.ever_joined:
        return EndReason.CALLER_HUNG_UP
    # A room closes by itself only after its last human left: one in which only an agent was, was closed by somebody.
    # One that not even an agent got into was never made, as who was to make it was killed.
    return EndReason.ROOM_DELETED if call.entered else EndReason.NO_ROOM

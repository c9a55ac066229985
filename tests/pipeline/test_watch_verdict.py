"""What the watcher decides, without a server."""

import math
from dataclasses import replace

import pytest

from calls.states import CallStatus, EndReason
from pipeline.verdict import (
    MOST_AGENTS,
    RETRY_S,
    Dispatch,
    Finish,
    History,
    KnownCall,
    Limits,
    SeenRoom,
    Wait,
    Waited,
    verdict,
)

LIMITS = Limits(join=60, rejoin=5, agent_join=5, agent_return=30, room_gone=10, dispatches=3)
EMPTY, OCCUPIED, COMING = SeenRoom(), SeenRoom(frozenset({"ada"})), SeenRoom(frozenset({"ada"}), agent_coming=True)

CONNECTING = KnownCall(
    status=CallStatus.CONNECTING,
    dispatches=1,
    agents=0,
    history=History(),
    held=False,
    has_seat=False,
    entered=False,
    awaits_phone=False,
    ever_joined=False,
    anybody_here=False,
)
RINGING = replace(CONNECTING, status=CallStatus.RINGING, awaits_phone=True)
TWICE, THRICE = (replace(CONNECTING, dispatches=n, history=History(asked=n)) for n in (2, 3))  # it was asked for one
RUNNING = replace(
    CONNECTING,
    status=CallStatus.IN_PROGRESS,
    agents=1,
    history=History(lately=1, awaited=False),
    held=True,
    entered=True,
    ever_joined=True,
)
LEFT = replace(RUNNING, held=False)
AGAIN = replace(LEFT, dispatches=2, history=History(lately=1, asked=2))  # another agent was asked for

HOPELESS = Finish(EndReason.AGENT_LOST, hopeless=True)


def held(call: KnownCall) -> KnownCall:
    return replace(call, held=True)


def many(agents: int) -> History:
    return History(lately=agents, awaited=False)


def waited(
    call: float,
    dispatch: float | None = None,
    agent: float | None = None,
    lease: float | None = None,
    database: float = math.inf,
) -> Waited:
    """Without a dispatch repeated, or an agent that came or went, all are as old as the call."""
    agent = call if agent is None else agent
    return Waited(call, call if dispatch is None else dispatch, agent if lease is None else lease, agent, database)


@pytest.mark.parametrize(
    ("call", "room", "since", "expected"),
    [
        # before anybody is there
        (CONNECTING, EMPTY, waited(59), Wait()),
        (CONNECTING, EMPTY, waited(60), Finish(EndReason.NOBODY_JOINED)),
        (held(CONNECTING), EMPTY, waited(60), Finish(EndReason.NOBODY_JOINED)),
        (replace(CONNECTING, ever_joined=True), EMPTY, waited(59), Wait()),
        (replace(CONNECTING, ever_joined=True), EMPTY, waited(60), Finish(EndReason.CALLER_HUNG_UP)),
        (held(RINGING), EMPTY, waited(999), Wait()),
        # a phone is not called before there is an agent, and not left to ring without one
        (RINGING, EMPTY, waited(4), Wait()),
        (RINGING, EMPTY, waited(5), Dispatch()),
        (replace(RINGING, dispatches=3, history=History(asked=3)), EMPTY, waited(5), Finish(EndReason.NO_AGENT)),
        # somebody waits for the agent
        (CONNECTING, OCCUPIED, waited(4), Wait()),
        (CONNECTING, OCCUPIED, waited(5), Dispatch()),
        (RINGING, OCCUPIED, waited(5), Dispatch()),
        (held(CONNECTING), OCCUPIED, waited(999), Wait()),
        (TWICE, OCCUPIED, waited(99, dispatch=4, agent=99), Wait()),
        (TWICE, OCCUPIED, waited(99, dispatch=5, agent=99), Dispatch()),
        (THRICE, OCCUPIED, waited(4), Wait()),
        (THRICE, OCCUPIED, waited(5), Finish(EndReason.NO_AGENT)),
        # what nobody took counts for nothing where somebody has a seat, but not for ever
        (replace(TWICE, has_seat=True), OCCUPIED, waited(4), Wait()),
        (replace(TWICE, has_seat=True), OCCUPIED, waited(29, dispatch=5), Dispatch(reminder=True)),
        (replace(THRICE, has_seat=True), OCCUPIED, waited(29, dispatch=5), Dispatch(reminder=True)),
        (replace(RINGING, has_seat=True), EMPTY, waited(5), Dispatch(reminder=True)),
        (replace(TWICE, has_seat=True), OCCUPIED, waited(30, dispatch=5), Dispatch()),
        (replace(THRICE, has_seat=True), OCCUPIED, waited(30, dispatch=5), Finish(EndReason.NO_AGENT)),
        (replace(THRICE, has_seat=True), OCCUPIED, waited(3, agent=0), Finish(EndReason.NO_AGENT)),
        # an agent came, and gave the call back
        (CONNECTING, OCCUPIED, waited(3, agent=0), Dispatch(elsewhere=True)),
        (replace(CONNECTING, entered=True), OCCUPIED, waited(3, agent=0), Dispatch()),
        (CONNECTING, EMPTY, waited(3, agent=0), Wait()),
        (TWICE, OCCUPIED, waited(3, dispatch=0, agent=1), Wait()),
        (THRICE, OCCUPIED, waited(3, agent=0), Finish(EndReason.NO_AGENT)),
        # the conversation
        (RUNNING, EMPTY, waited(999), Wait()),
        (RUNNING, OCCUPIED, waited(999), Wait()),
        # the conversation waits for another agent
        (LEFT, OCCUPIED, waited(99, agent=0), Dispatch()),
        (replace(LEFT, entered=False), OCCUPIED, waited(99, agent=0), Dispatch(elsewhere=True)),
        (LEFT, EMPTY, waited(99, agent=0), Wait()),
        (LEFT, OCCUPIED, waited(9), Dispatch()),
        (AGAIN, OCCUPIED, waited(99, dispatch=0, agent=1), Wait()),
        (AGAIN, OCCUPIED, waited(99, dispatch=RETRY_S, agent=9), Dispatch(reminder=True)),
        (replace(AGAIN, dispatches=99), OCCUPIED, waited(99, dispatch=RETRY_S, agent=9), Dispatch(reminder=True)),
        (replace(LEFT, dispatches=99), OCCUPIED, waited(99, dispatch=9, agent=0), Dispatch()),
        (replace(LEFT, dispatches=99), OCCUPIED, waited(9, dispatch=9), Dispatch()),
        (AGAIN, COMING, waited(99, dispatch=4, agent=9), Wait()),
        (AGAIN, COMING, waited(99, dispatch=5, agent=9), Dispatch(reminder=True)),
        (LEFT, OCCUPIED, waited(99, dispatch=1, agent=30), Finish(EndReason.AGENT_LOST)),
        (LEFT, COMING, waited(99, dispatch=1, agent=30), Finish(EndReason.AGENT_LOST)),
        (replace(LEFT, entered=False), OCCUPIED, waited(99, dispatch=1, agent=29, lease=0), Dispatch(elsewhere=True)),
        (
            replace(LEFT, entered=False),
            OCCUPIED,
            waited(99, dispatch=1, agent=30, lease=0),
            Finish(EndReason.AGENT_LOST),
        ),
        (LEFT, EMPTY, waited(99, agent=29), Wait()),
        (LEFT, EMPTY, waited(99, agent=30), Finish(EndReason.CALLER_HUNG_UP)),
        # and those who had it have left, or were lost with the agent
        (LEFT, SeenRoom(deserted=4), waited(99, agent=4), Wait()),
        (LEFT, SeenRoom(deserted=5), waited(99, agent=5), Finish(EndReason.CALLER_HUNG_UP)),
        (replace(LEFT, anybody_here=True), SeenRoom(deserted=29), waited(99, agent=29), Wait()),
        (replace(LEFT, awaits_phone=True), SeenRoom(deserted=5), waited(99, agent=5), Dispatch()),
        (held(LEFT), SeenRoom(deserted=99), waited(99), Wait()),
        # the database is back, without which nobody took a call
        (CONNECTING, OCCUPIED, waited(0, database=0), Dispatch(reminder=True)),
        (THRICE, OCCUPIED, waited(0, database=0), Dispatch(reminder=True)),
        (CONNECTING, COMING, waited(4, database=4), Wait()),
        (CONNECTING, EMPTY, waited(0, database=0), Wait()),
        (held(CONNECTING), OCCUPIED, waited(0, database=0), Wait()),
        (TWICE, OCCUPIED, waited(1, dispatch=0, database=1), Wait()),
        (TWICE, OCCUPIED, waited(3, dispatch=RETRY_S, database=3), Dispatch(reminder=True)),
        (TWICE, OCCUPIED, waited(5, dispatch=4, database=5), Wait()),
        (THRICE, OCCUPIED, waited(9, dispatch=5, database=9), Finish(EndReason.NO_AGENT)),
        (LEFT, OCCUPIED, waited(0, database=0), Dispatch()),
        (AGAIN, OCCUPIED, waited(0, database=0), Dispatch(reminder=True)),
        (AGAIN, COMING, waited(0, database=0), Wait()),
        # so many agents were lost that the next one would be too
        (replace(LEFT, history=many(MOST_AGENTS - 1)), OCCUPIED, waited(99, agent=0), Dispatch()),
        (replace(LEFT, history=many(MOST_AGENTS)), OCCUPIED, waited(99, agent=0), HOPELESS),
        (
            replace(LEFT, history=many(MOST_AGENTS), entered=False),
            OCCUPIED,
            waited(99, agent=0),
            Dispatch(elsewhere=True),
        ),
        (replace(LEFT, history=many(MOST_AGENTS)), EMPTY, waited(99, agent=0), Wait()),
        (replace(RUNNING, history=many(MOST_AGENTS)), OCCUPIED, waited(99), Wait()),
        # the room went
        (RUNNING, SeenRoom(missing=9), waited(99), Wait()),
        (RUNNING, SeenRoom(missing=59), waited(99), Wait()),
        (RUNNING, SeenRoom(missing=60), waited(99), Finish(EndReason.CALLER_HUNG_UP)),
        (replace(RUNNING, anybody_here=True), SeenRoom(missing=60), waited(99), Finish(EndReason.CONNECTION_LOST)),
        (LEFT, SeenRoom(missing=9), waited(99, agent=99), Wait()),
        (LEFT, SeenRoom(missing=10), waited(99, agent=10), Finish(EndReason.CALLER_HUNG_UP)),
        (replace(LEFT, anybody_here=True), SeenRoom(missing=10), waited(99), Finish(EndReason.CONNECTION_LOST)),
        (CONNECTING, SeenRoom(missing=9), waited(999), Wait()),
        (CONNECTING, SeenRoom(missing=10), waited(99), Finish(EndReason.NO_ROOM)),
        (replace(CONNECTING, agents=1), SeenRoom(missing=10), waited(99), Finish(EndReason.NO_ROOM)),
        (replace(CONNECTING, agents=1, entered=True), SeenRoom(missing=10), waited(99), Finish(EndReason.ROOM_DELETED)),
        (held(CONNECTING), SeenRoom(missing=59), waited(99), Wait()),
        (held(replace(CONNECTING, entered=True)), SeenRoom(missing=60), waited(99), Finish(EndReason.ROOM_DELETED)),
        # LiveKit does not answer
        (CONNECTING, None, waited(999), Wait()),
        (RUNNING, None, waited(999), Wait()),
        (LEFT, None, waited(99, agent=29), Wait()),
        (replace(LEFT, anybody_here=True), EMPTY, waited(99, agent=30), Finish(EndReason.CONNECTION_LOST)),
        (LEFT, None, waited(99, agent=30), Finish(EndReason.AGENT_LOST)),
    ],
)
def test_the_verdict_follows_from_the_row_the_room_and_how_long_that_has_been_so(call, room, since, expected):
    assert verdict(call, room, LIMITS, since) == expected

"""What the watcher decides, without a server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from calls.states import CallStatus, EndReason
from pipeline.verdict import Dispatch, Finish, KnownCall, Limits, SeenRoom, Wait, verdict

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
LIMITS = Limits(
    join=timedelta(seconds=60),
    agent_join=timedelta(seconds=5),
    room_gone=timedelta(seconds=10),
    dispatches=3,
)
EMPTY, OCCUPIED = SeenRoom(), SeenRoom(frozenset({"ada"}))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


CONNECTING = KnownCall(
    status=CallStatus.CONNECTING,
    created_at=ago(20),
    dispatched_at=ago(20),
    dispatches=1,
    lease_until=None,
    awaits_phone=False,
    ever_joined=False,
)
RUNNING = replace(CONNECTING, status=CallStatus.IN_PROGRESS, ever_joined=True, lease_until=ago(-5))


@pytest.mark.parametrize(
    ("call", "room", "expected"),
    [
        # before anybody is there
        (CONNECTING, EMPTY, Wait()),
        (replace(CONNECTING, created_at=ago(61)), EMPTY, Finish(EndReason.NOBODY_JOINED)),
        (replace(CONNECTING, created_at=ago(61), ever_joined=True), EMPTY, Finish(EndReason.CALLER_HUNG_UP)),
        (replace(CONNECTING, created_at=ago(999), awaits_phone=True), EMPTY, Wait()),
        # somebody waits for the agent
        (CONNECTING, OCCUPIED, Dispatch()),
        (replace(CONNECTING, dispatched_at=ago(4)), OCCUPIED, Wait()),
        (replace(CONNECTING, dispatches=3), OCCUPIED, Finish(EndReason.NO_AGENT)),
        (replace(CONNECTING, dispatches=3, dispatched_at=ago(4)), OCCUPIED, Wait()),
        (replace(CONNECTING, lease_until=ago(-5)), OCCUPIED, Wait()),
        (replace(CONNECTING, lease_until=ago(1)), OCCUPIED, Dispatch()),
        (replace(CONNECTING, created_at=ago(999), lease_until=ago(-5)), OCCUPIED, Wait()),
        # the conversation
        (RUNNING, EMPTY, Wait()),
        (replace(RUNNING, lease_until=ago(1)), OCCUPIED, Finish(EndReason.AGENT_LOST)),
        (replace(RUNNING, lease_until=None), EMPTY, Finish(EndReason.AGENT_LOST)),
        # the room went
        (RUNNING, SeenRoom(missing_since=ago(9)), Wait()),
        (RUNNING, SeenRoom(missing_since=ago(11)), Finish(EndReason.CALLER_HUNG_UP)),
        (CONNECTING, SeenRoom(missing_since=ago(9)), Wait()),
        (CONNECTING, SeenRoom(missing_since=ago(11)), Finish(EndReason.ROOM_DELETED)),
        # LiveKit does not answer
        (replace(CONNECTING, created_at=ago(999)), None, Wait()),
        (RUNNING, None, Wait()),
        (replace(RUNNING, lease_until=ago(1)), None, Finish(EndReason.AGENT_LOST)),
    ],
)
def test_the_verdict_follows_from_the_row_and_the_room(call, room, expected):
    assert verdict(call, room, LIMITS, NOW) == expected

"""What those in a call may see of it, which is less than its owner may: who shows its token is one of them."""

import re
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from api import rendering
from api.schema.calls import Event
from api.schema.transcripts import Segment
from calls.events import EventKind

# The events, with those of their data. All others tell of providers, tools, other people or what is made of the call.
_EVENTS: dict[str, Collection[str]] = {
    EventKind.CALL_STARTED: (),
    EventKind.CALL_COMPLETED: ("reason",),
    EventKind.CALL_FAILED: ("reason",),
    EventKind.AGENT_JOINED: (),
    EventKind.AGENT_LOST: (),
    EventKind.AGENT_RETURNED: (),
}
_NUMBER = re.compile(r"\+[0-9]+")


def event(row: sa.Row[Any]) -> Event | None:
    """One entry of a call's log; None for what is not theirs to know."""
    if row.kind not in _EVENTS:
        return None
    shown = rendering.event(row)
    kept = {name: value for name, value in shown.data.items() if name in _EVENTS[row.kind]}
    return shown.model_copy(update={"data": kept})


def segment(row: sa.Row[Any]) -> Segment:
    """One segment of a transcript; a phone's number is not shown, as it is not in the room."""
    shown = rendering.segment(row)
    if _NUMBER.fullmatch(shown.participant_identity or "") is None:
        return shown
    return shown.model_copy(update={"participant_identity": None})

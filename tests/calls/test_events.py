"""The kinds of events are words that programs read: each is described, and fits where it is kept."""

import re
from pathlib import Path

import sqlalchemy as sa

from calls.events import EventKind
from calls.tables import call_events

DESCRIPTION = Path(__file__).parents[2] / "docs/events.md"


def test_every_kind_is_described_and_nothing_else():
    described = re.findall(r"^\| `([a-z_.]+)` \| \w", DESCRIPTION.read_text(), re.MULTILINE)
    assert described == list(EventKind)


def test_every_kind_fits_into_its_column():
    column = call_events.c.kind.type
    assert isinstance(column, sa.String)
    assert max(map(len, EventKind)) <= (column.length or 0)

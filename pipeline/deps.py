"""What handlers and loops work with; made once by the entry point."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from calls.database.encryption import Keyring, tell_of_unreadable
from calls.database.engine import Database
from calls.migrations import migrate
from calls.recordings.storage import Storage
from calls.rooms import Rooms
from calls.settings import Settings
from pipeline.bridge import Bridge
from pipeline.egress import Egress
from pipeline.lines import Lines
from pipeline.llm import Llm
from pipeline.metrics import Metrics


@dataclass(frozen=True)
class Deps:
    """The outside world, opened."""

    settings: Settings
    db: Database
    keyring: Keyring
    rooms: Rooms
    bridge: Bridge
    egress: Egress
    lines: Lines
    storage: Storage
    llm: Llm
    metrics: Metrics = field(default_factory=Metrics)


@asynccontextmanager
async def open_deps(settings: Settings) -> AsyncIterator[Deps]:
    """Open everything that `settings` names for the length of the block; the schema is brought up to date first."""
    db, keyring = Database(settings.database), Keyring.of(settings)
    try:
        await migrate(db)
        await tell_of_unreadable(db, keyring)
        async with connect(settings, db, keyring) as deps:
            yield deps
    finally:
        await db.close()


@asynccontextmanager
async def connect(settings: Settings, db: Database, keyring: Keyring) -> AsyncIterator[Deps]:
    """Open what there is besides the database."""
    async with (
        Rooms.connect(settings) as rooms,
        Bridge.connect(settings) as bridge,
        Egress.connect(settings) as egress,
        Lines.open() as lines,
        Llm.connect(settings) as llm,
    ):
        yield Deps(settings, db, keyring, rooms, bridge, egress, lines, Storage(settings), llm)

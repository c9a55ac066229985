"""The pipeline's outside world on a machine that may stand still: its database is waited for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from calls.database.engine import Database
from calls.settings import Settings
from pipeline.deps import Deps, open_deps
from tests.conftest import PATIENCE_S


@asynccontextmanager
async def open_patient(settings: Settings) -> AsyncIterator[Deps]:
    """As `open_deps`, for a test in which the database is not away."""
    async with open_deps(settings) as deps:
        db = Database(settings.database, patience_s=PATIENCE_S)
        try:
            yield replace(deps, db=db)
        finally:
            await db.close()

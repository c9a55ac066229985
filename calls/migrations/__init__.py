"""The schema's history. `python -m calls.migrations "what changes"` writes the next step from `calls.tables`."""

import asyncio
import time
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from calls.database import postgres
from calls.database.engine import DEFAULT_TENANT, Database, is_mistaken, upsert
from calls.errors import DatabaseAway, Invalid
from calls.search.index import call_words
from calls.tables import tenants

# For another process that migrates, and for a database that starts at the same time as we. The migration itself takes
# as long as it takes: what ended it half-way would have it begin again, and end it again.
PATIENCE_S = 60.0
RETRY_S = 0.5
_LOCK = 0x0CA11  # any fixed number: whoever migrates holds this advisory lock on Postgres


async def migrate(database: Database) -> None:
    """Bring the schema to the newest migration; processes that start at once wait for each other.

    A database that is away is waited for; DatabaseAway after `PATIENCE_S`. Invalid, at once, if its address may well be
    a mistake: a wrong password is not waited for.
    """
    patient = Database(database.url, pool_size=1, patience_s=PATIENCE_S)
    until = time.monotonic() + PATIENCE_S
    try:
        while True:
            try:
                return await _migrate(patient)
            except DatabaseAway as away:
                if is_mistaken(away):
                    told = f"CALLROOM_DATABASE_URL: expected one that lets us in; the database says {away.why}."
                    raise Invalid(told) from away
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(RETRY_S)
    finally:
        await patient.close()


async def _migrate(database: Database) -> None:
    async with database.writing() as connection:
        # On SQLite any first statement takes the one lock that there is.
        await connection.execute(sa.select(1 if database.is_sqlite else sa.func.pg_advisory_xact_lock(_LOCK)))
        if not database.is_sqlite:
            await postgres.end_no_statement(connection)
        await connection.run_sync(upgrade_schema)
        default = {"id": DEFAULT_TENANT, "name": DEFAULT_TENANT}
        await connection.execute(upsert(connection, tenants).values(default).on_conflict_do_nothing())


def alembic_config(connection: sa.Connection | None = None) -> Config:
    """Alembic's settings for our migrations, over an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def is_compared(name: str | None, kind: str, _parents: object) -> bool:
    """Whether a migration may come from a difference in this: the index of words has tables that FTS5 makes."""
    return kind != "table" or not (name or "").startswith(call_words.name)


def upgrade_schema(connection: sa.Connection) -> None:
    """Run the migrations that an open connection's database lacks."""
    if set(MigrationContext.configure(connection).get_current_heads()) != _heads():
        command.upgrade(alembic_config(connection), "head")


@cache
def _heads() -> set[str]:
    """The newest migration; to read them all takes longer than to ask a database which one it has."""
    return set(ScriptDirectory.from_config(alembic_config()).get_heads())

"""The schema's history. `python -m calls.migrations "what changes"` writes the next step from `calls.tables`."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from calls.database import DEFAULT_TENANT, Database, upsert
from calls.tables import tenants

_LOCK = 0x0CA11  # any fixed number: whoever migrates holds this advisory lock on Postgres


async def migrate(database: Database) -> None:
    """Bring the schema to the newest migration; processes that start at once wait for each other."""
    async with database.writing() as connection:
        # On SQLite any first statement takes the one lock that there is.
        await connection.execute(sa.select(1 if database.is_sqlite else sa.func.pg_advisory_xact_lock(_LOCK)))
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


def upgrade_schema(connection: sa.Connection) -> None:
    """Run the migrations that an open connection's database lacks."""
    command.upgrade(alembic_config(connection), "head")

"""Write the next migration: the difference between the newest one and `calls.tables`, to be read before it is kept."""

import asyncio
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from calls.database.engine import Database
from calls.migrations import alembic_config, upgrade_schema


async def _write(message: str) -> None:
    def revise(connection: sa.Connection) -> None:
        config = alembic_config(connection)
        number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")

    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'empty.db'}")
        async with database.writing() as connection:
            await connection.run_sync(upgrade_schema)
            await connection.run_sync(revise)
        await database.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        sys.exit('usage: python -m calls.migrations "what changes"')
    asyncio.run(_write(sys.argv[1]))

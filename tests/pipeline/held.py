"""Calls that a process of its own holds, see `holder.py`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from calls.settings import Settings
from tests.servers import OurProgram, Program, environment, wait_until


@asynccontextmanager
async def held(settings: Settings, call_id: str, log: Path) -> AsyncIterator[Program]:
    """A process that has the call, and gives signs of life until it is killed or stopped."""
    arguments = settings.database, call_id, str(settings.lease_s)
    async with OurProgram("tests.pipeline.holder", *arguments, log=log, env=environment(settings)) as program:
        await asyncio.to_thread(wait_until, lambda: "holding" in program.output, f"a holder, see {log}")
        yield program

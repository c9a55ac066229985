"""A runner of some queues, `mortal_runner CALL QUEUE...`: a life is the work on a call until nothing is left to do.

Of a phone's call, the moment before it is asked for and the one after its answer are steps too.
"""

import asyncio
import sys
from dataclasses import replace

import sqlalchemy as sa
from typing_extensions import override

from calls.database.changes import JOBS
from calls.database.encryption import Keyring
from calls.database.engine import Database
from calls.settings import Settings
from calls.tables import jobs
from pipeline.__main__ import runner
from pipeline.bridge import Bridge, Invitation
from pipeline.deps import connect
from tests.pipeline.mortal import BEFORE_THE_CALL, MortalDatabase, Steps, serve

ANSWER_S = 60


class MortalBridge(Bridge):
    steps: Steps

    @override
    async def call(self, whom: Invitation) -> None:
        self.steps.take(BEFORE_THE_CALL)
        try:
            await super().call(whom)
        finally:
            self.steps.take()


async def live(call_id: str, steps: Steps) -> None:
    settings, queues = Settings(), sys.argv[2:]
    db = MortalDatabase(settings.database, steps)
    async with connect(settings, db, Keyring.of(settings)) as outside, MortalBridge.connect(settings) as bridge:
        assert isinstance(bridge, MortalBridge)
        bridge.steps = steps
        deps = replace(outside, bridge=bridge)
        stop = asyncio.Event()
        running = asyncio.create_task(runner(deps, dict.fromkeys(queues, 2)).run(stop))
        ours = (jobs.c.call_id == call_id, jobs.c.queue.in_(queues))
        unfinished = sa.exists().where(*ours, jobs.c.finished_at.is_(None))
        async with db.changes.watch(JOBS) as watch:
            while await _is_true(db, unfinished):
                await watch.wait(1)
        stop.set()
        await running
        await deps.lines.answered(ANSWER_S)
    await db.close()


async def _is_true(db: Database, condition: sa.ColumnElement[bool]) -> bool:
    async with db.reading() as connection:
        return bool(await connection.scalar(sa.select(condition)))


if __name__ == "__main__":
    serve(live, sys.argv[1])

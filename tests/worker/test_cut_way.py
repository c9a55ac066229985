"""A worker that loses its way to Postgres, while others keep theirs: its agents live, and talk on."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from calls.tables import leases
from tests.conftest import Until
from tests.providers import Providers
from tests.servers import LiveKitServer, PostgresCluster
from tests.worker.conftest import WITHOUT_A_WORD, Talk, make_settings
from tests.worker.door import door_to
from tests.worker.house import open_house

pytestmark = pytest.mark.restless

HELLO = "Hello there."
ANSWER = "We have a table at eight."


async def renewals(call: Talk) -> int:
    async with call.database.reading() as connection:
        count = await connection.scalar(sa.select(leases.c.renewals).where(leases.c.call_id == call.id))
    return int(count or 0)


@pytest.mark.timeout(150)
async def test_an_agent_keeps_its_call_while_its_way_to_the_database_is_cut_but_not_once_it_is_dead(
    livekit: LiveKitServer,
    postgres: PostgresCluster,
    migrated_postgres: str,
    providers: Providers,
    migrated_sqlite: Path,
    tmp_path: Path,
    until: Until,
) -> None:
    providers.answer_with(lambda _chat: ANSWER)
    providers.hear("Do you have a table?")
    url = postgres.url(postgres.create(template=migrated_postgres))
    settings = make_settings(livekit, providers, migrated_sqlite, tmp_path, database_url=url)
    with door_to(url) as way:
        async with open_house(settings, workers=0) as house:
            await house.add_worker(database_url=way.url)
            call = await house.stage.call(first_message=HELLO, silence_reminder_s=600, **WITHOUT_A_WORD)
            async with call.caller() as caller:
                await until(lambda: call.has_said("agent", HELLO))
                for seconds in (0.5, 2.0):
                    way.go_away()
                    await asyncio.sleep(seconds)
                    before = await renewals(call)
                    way.come_back()
                    await until(lambda before=before: is_above(call, before))
                await until(caller.agent_listens)
                await caller.say()
                await until(lambda: call.has_said("agent", ANSWER))
                assert not await call.has_happened("agent.lost")
                (await house.job_of(call)).kill()
                await until(lambda: call.has_happened("agent.returned"))
            await until(call.ended)
            [lost] = [event for event in await call.events() if event.kind == "agent.lost"]
    assert lost.data == {"reason": "died"}


async def is_above(call: Talk, before: int) -> bool:
    return await renewals(call) > before

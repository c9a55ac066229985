"""A stack that was off in the middle of a call: what is billed ends with the agent's last sign of life."""

import asyncio
import math
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import Until, now
from tests.providers import Providers
from tests.servers import LiveKitServer
from tests.worker.conftest import make_settings
from tests.worker.house import open_house

pytestmark = pytest.mark.restless

HELLO = "Hello there."
LEASE_S = 4.0
OFF_S = 6.0  # longer than a lease


@pytest.mark.timeout(150)
async def test_a_call_lasted_until_its_agents_last_sign_of_life(
    livekit: LiveKitServer, providers: Providers, migrated_sqlite: Path, tmp_path: Path, until: Until
) -> None:
    limits = {"lease_s": LEASE_S, "agent_return_timeout_s": 1.0}
    settings = make_settings(livekit, providers, migrated_sqlite, tmp_path, **limits)
    async with open_house(settings, workers=1) as house:
        call = await house.stage.call(first_message=HELLO, price_micros_per_minute=60)
        async with call.caller() as caller:
            await until(caller.agent_has_been_heard)
            await until(lambda: call.has_said("agent", HELLO))
            dying = now()
            for program in (*house.pipelines, *house.workers):
                program.kill_group()
            died = now()
            await asyncio.sleep(OFF_S)
            await house.add_pipeline()
            row = await until(call.ended)
        events, transcript = await call.events(), await call.transcript()
    assert (row.status, row.end_reason) == ("completed", "agent_lost")
    assert dying - timedelta(seconds=LEASE_S) < row.ended_at < died
    seconds = (row.ended_at - row.started_at).total_seconds()
    assert row.bill_duration == row.cost_micros == math.ceil(seconds)
    completed = next(event for event in events if event.kind == "call.completed")
    assert completed.created_at == row.ended_at
    assert all(0 <= line.started_at_ms <= line.ended_at_ms <= seconds * 1000 for line in transcript)

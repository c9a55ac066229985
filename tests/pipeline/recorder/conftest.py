"""A pipeline whose calls LiveKit Egress records, and what stands in for Egress."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from livekit import api

from pipeline.deps import Deps
from tests.conftest import MakeSettings, Until
from tests.egress import EgressStandIn
from tests.pipeline.patient import open_patient
from tests.pipeline.recorder.egresses import Recorded, began, is_recorded, recording, talking
from tests.servers import LiveKitServer


@pytest.fixture
async def stand_in(livekit: LiveKitServer) -> AsyncIterator[EgressStandIn]:
    async with EgressStandIn(livekit) as opened:
        yield opened


@pytest.fixture
async def deps(settings: MakeSettings, stand_in: EgressStandIn) -> AsyncIterator[Deps]:
    async with open_patient(settings(livekit_url=stand_in.url, recorder="egress", lease_s=2)) as opened:
        yield opened


@pytest.fixture
def recorded(deps: Deps, stand_in: EgressStandIn, until: Until) -> Recorded:
    """`async with recorded() as (call_id, token, info):` a pipeline at work, and a call whose egress has begun."""

    @asynccontextmanager
    async def make() -> AsyncIterator[tuple[str, int, api.EgressInfo]]:
        call_id, token = await talking(deps)
        async with recording(deps):
            info = await until(lambda: is_recorded(stand_in, call_id))
            stand_in.begin(info)
            await until(lambda: began(deps, call_id))
            yield call_id, token, info

    return make

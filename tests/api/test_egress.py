"""LiveKit's webhooks about rooms that are to be recorded, and about the egresses that record them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from livekit.protocol.egress import EgressInfo, EgressStatus

from calls.jobs import JobQueue
from calls.recordings import egress
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import egresses, jobs
from tests.api.conftest import Api, run_api
from tests.api.test_calls_end import create, hint
from tests.conftest import MakeSettings
from tests.servers import LiveKitServer

RECORDED = {"recording": {"enabled": True}}


@pytest.fixture
async def api(settings: MakeSettings) -> AsyncIterator[Api]:
    async for running in run_api(settings(recorder="egress")):
        yield running


async def waiting(api: Api, kind: str) -> list[sa.Row[Any]]:
    async with api.database.reading() as conn:
        query = sa.select(jobs).where(jobs.c.kind == kind, jobs.c.state == "waiting")
        return list((await conn.execute(query)).all())


async def begun(api: Api, call_id: str) -> EgressInfo:
    """The egress of a call, which has been asked for."""
    async with api.database.writing() as conn:
        row = await egress.begin(conn, await CallStore(conn).get(None, call_id))
    assert row is not None
    info = EgressInfo(egress_id=f"EG_{row.id[:8]}", room_name=f"call_{call_id}", updated_at=1)
    info.file_results.add(filename=row.key)
    return info


async def test_an_open_room_has_its_call_recorded(api: Api, agent: str, livekit: LiveKitServer):
    for post_call in (RECORDED, {}):
        call_id = await create(api, agent, post_call=post_call)
        for _ in range(2):
            room = {"name": f"call_{call_id}"}
            assert await hint(api, livekit, {"event": "room_started", "room": room}) == 200
        assert [job.call_id == call_id for job in await waiting(api, "record")] == [bool(post_call)]


async def test_where_the_worker_records_no_egress_is_asked_for(settings: MakeSettings, livekit: LiveKitServer):
    async for api in run_api(settings()):
        agent = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
        call_id = await create(api, agent, post_call=RECORDED)
        assert await hint(api, livekit, {"event": "room_started", "room": {"name": f"call_{call_id}"}}) == 200
        assert await waiting(api, "record") == []


async def test_what_becomes_of_an_egress_is_told_in_the_calls_events_and_counts_once(
    api: Api, agent: str, livekit: LiveKitServer
):
    call_id = await create(api, agent, post_call=RECORDED)
    info = await begun(api, call_id)

    async def say(event: str, status: Any) -> None:
        info.status = status
        assert await hint(api, livekit, {"event": event, "egress_info": info}) == 200

    await say("egress_started", EgressStatus.EGRESS_STARTING)
    info.file_results[0].started_at = 1
    await say("egress_updated", EgressStatus.EGRESS_ACTIVE)
    await say("egress_ended", EgressStatus.EGRESS_LIMIT_REACHED)
    await say("egress_ended", EgressStatus.EGRESS_LIMIT_REACHED)
    await say("egress_updated", EgressStatus.EGRESS_ENDING)
    assert len(await waiting(api, "record")) == 1
    answer = (await api.get(f"/v1/calls/{call_id}/events")).body["events"]
    told = [(event["kind"], event["data"]) for event in answer if event["kind"].startswith("recording.")]
    mine = {"egress_id": info.egress_id}
    assert told == [("recording.started", mine), ("recording.interrupted", mine | {"status": "limit_reached"})]
    assert (await api.get(f"/v1/calls/{call_id}/recording")).body["recording"]["status"] == "pending"


async def test_when_the_egress_of_a_call_that_is_over_ends_its_recording_is_looked_for_at_once(
    api: Api, agent: str, livekit: LiveKitServer
):
    call_id = await create(api, agent, post_call=RECORDED)
    info = await begun(api, call_id)
    async with api.database.writing() as conn:
        await CallStore(conn).start(call_id)
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
    queue = JobQueue(api.database, "here", 60)
    [job] = await queue.claim("recording", 1)
    await queue.postpone(job, 600)
    assert await queue.claim("recording", 1) == []
    info.status = EgressStatus.EGRESS_COMPLETE
    assert await hint(api, livekit, {"event": "egress_ended", "egress_info": info}) == 200
    assert [one.id for one in await queue.claim("recording", 1)] == [job.id]


async def test_an_egress_that_is_not_ours_is_left_alone(api: Api, livekit: LiveKitServer):
    for info in (EgressInfo(egress_id="EG_1"), EgressInfo(egress_id="EG_2", room_name="call_another")):
        info.status = EgressStatus.EGRESS_FAILED
        assert await hint(api, livekit, {"event": "egress_ended", "egress_info": info}) == 200
    async with api.database.reading() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(egresses)) == 0

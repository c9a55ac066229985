"""Ending a call and having it analysed again; LiveKit's hints."""

import asyncio
import base64
import hashlib
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from google.protobuf.json_format import MessageToJson
from livekit.api import AccessToken
from livekit.protocol.webhook import WebhookEvent

from calls.rooms import Rooms
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import jobs
from tests.api.conftest import Api, browser, run_api
from tests.conftest import MakeSettings, Until
from tests.servers import LiveKitServer, free_port


async def create(api: Api, agent: str, **fields: Any) -> str:
    answer = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()], **fields})
    assert answer.status == 201, answer
    return str(answer.body["id"])


async def test_end_closes_the_room_and_completes_the_call(api: Api, agent: str):
    call_id = await create(api, agent)
    answer = await api.post(f"/v1/calls/{call_id}/end")
    assert answer.status == 200
    assert answer.body == {"status": "ended", "id": call_id, "message": "Call has been terminated."}
    detail = (await api.get(f"/v1/calls/{call_id}")).body
    assert (detail["status"], detail["end_reason"], detail["bill_duration"]) == ("completed", "ended_by_api", 0)
    async with Rooms.connect(api.settings) as rooms:
        assert await rooms.list_rooms([f"call_{call_id}"]) == []


async def test_of_several_ends_at_once_one_is_200_and_the_others_409(database_url: str, api: Api, agent: str):
    call_id = await create(api, agent)
    answers = await asyncio.gather(*(api.post(f"/v1/calls/{call_id}/end", {}) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 9
    events = (await api.get(f"/v1/calls/{call_id}/events")).body["events"]
    assert len([event for event in events if "ended_by_api" in event["message"]]) == 1


async def test_a_call_that_is_over_cannot_be_ended(api: Api, agent: str):
    call_id = await create(api, agent)
    async with api.database.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.NOBODY_JOINED)
    assert (await api.post(f"/v1/calls/{call_id}/end")).status == 409
    assert (await api.get(f"/v1/calls/{call_id}")).body["status"] == "failed"
    assert (await api.post(f"/v1/calls/{uuid4()}/end")).status == 404


async def test_a_completed_call_is_analysed_again(api: Api, agent: str):
    call_id = await create(api, agent, post_call={"summary": {"enabled": True}})
    assert (await api.post(f"/v1/calls/{call_id}/reprocess")).status == 400
    async with api.database.writing() as conn:
        await CallStore(conn).start(call_id)
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
    answer = await api.post(f"/v1/calls/{call_id}/reprocess")
    assert answer.status == 202
    number = answer.body.pop("job_id").removeprefix("job_")
    assert answer.body == {"status": "queued", "message": "Post-call intelligence reprocessing has been queued."}
    async with api.database.reading() as conn:
        kind = await conn.scalar(sa.select(jobs.c.kind).where(jobs.c.id == int(number), jobs.c.call_id == call_id))
    assert kind == "reprocess"
    assert (await api.get(f"/v1/calls/{call_id}")).body["intelligence_status"] == "pending"


async def test_only_a_completed_call_is_analysed_again(api: Api, agent: str):
    call_id = await create(api, agent)
    async with api.database.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.NOBODY_JOINED)
    assert (await api.post(f"/v1/calls/{call_id}/reprocess")).status == 400
    assert (await api.post(f"/v1/calls/{uuid4()}/reprocess")).status == 404


async def hint(api: Api, livekit: LiveKitServer, event: dict[str, Any], secret: str | None = None) -> int:
    """Send an event as LiveKit does: the hash of its body signed with the API's secret."""
    body = MessageToJson(WebhookEvent(**event))
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    token = AccessToken(livekit.key, secret or livekit.secret).with_sha256(digest).to_jwt()
    headers = {"Authorization": token, "Content-Type": "application/webhook+json"}
    return (await api.post("/livekit/webhook", raw=body.encode(), key=None, headers=headers)).status


async def test_a_hint_without_livekits_signature_is_a_401(api: Api, livekit: LiveKitServer):
    event = {"event": "room_finished", "room": {"name": f"call_{uuid4()}"}}
    assert await hint(api, livekit, event, secret="x" * 40) == 401
    assert (await api.post("/livekit/webhook", raw=b"{}", key=None)).status == 401
    assert await hint(api, livekit, event) == 200


async def test_a_finished_room_ends_a_call_that_nobody_leads(api: Api, agent: str, livekit: LiveKitServer):
    call_id = await create(api, agent)
    event = {"event": "room_finished", "room": {"name": f"call_{call_id}"}}
    assert await hint(api, livekit, event) == 200  # a hint that lies: the room is open
    assert (await api.get(f"/v1/calls/{call_id}")).body["status"] == "connecting"
    async with Rooms.connect(api.settings) as rooms:
        await rooms.delete_room(f"call_{call_id}")
    assert await hint(api, livekit, event) == 200
    detail = (await api.get(f"/v1/calls/{call_id}")).body
    assert (detail["status"], detail["end_reason"]) == ("failed", "room_deleted")


async def test_a_hint_that_somebody_left_is_checked_and_written_down(api: Api, agent: str, livekit: LiveKitServer):
    call_id = await create(api, agent)
    async with api.database.writing() as conn:
        await CallStore(conn).participant_joined(call_id, "browser-tab-1")
    room, person = {"name": f"call_{call_id}"}, {"identity": "browser-tab-1"}
    assert await hint(api, livekit, {"event": "participant_left", "room": room, "participant": person}) == 200
    [row] = (await api.get(f"/v1/calls/{call_id}")).body["participants"]
    assert row["status"] == "left"


async def failed(api: Api) -> bool:
    return bool((await api.get("/v1/calls?status=failed")).body["total"])


async def asked_for_egress(api: Api) -> bool:
    async with api.database.reading() as conn:
        return bool(await conn.scalar(sa.select(sa.exists().where(jobs.c.kind == "record"))))


async def test_livekits_own_webhooks_are_understood(settings: MakeSettings, until: Until, tmp_path: Path):
    port = free_port()
    with LiveKitServer(tmp_path, webhook_url=f"http://127.0.0.1:{port}/livekit/webhook") as server:
        async for api in run_api(settings(livekit_url=server.url, api_port=port, recorder="egress")):
            agent = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
            call_id = await create(api, agent, post_call={"recording": {"enabled": True}})
            await until(partial(asked_for_egress, api))
            async with Rooms.connect(api.settings) as rooms:
                await rooms.delete_room(f"call_{call_id}")

            await until(partial(failed, api))

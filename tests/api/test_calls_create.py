"""`POST /v1/calls` and `/v1/realtime/token`: shapes, rooms, and every refusal."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
from livekit import api as livekit_api
from livekit import rtc

from calls.agent_config import AgentSnapshot
from calls.rooms import Rooms
from calls.store import CallStore
from calls.workers import waiting
from tests.api.conftest import Api, MakeTenant, browser, phone, run_api
from tests.conftest import PATIENCE_S, MakeSettings
from tests.servers import LiveKitServer, free_port

Number = Callable[..., Awaitable[str]]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"agent_id": None}, "agent_id"),
    ({"agent_id": "call_abc123"}, "agent_id"),
    ({"participants": []}, "participants"),
    ({"participants": "browser"}, "participants"),
    ({"participants": [{"identity": "x"}]}, "participants[0].transport"),
    ({"participants": [{"transport": "sip", "identity": "x"}]}, "participants[0].transport"),
    ({"participants": [{"transport": "webrtc"}]}, "participants[0].identity"),
    ({"participants": [browser("")]}, "participants[0].identity"),
    ({"participants": [browser(), browser()]}, "participants[0].identity"),
    ({"participants": [phone("+15551234567"), phone("001 555 123 4567")]}, "participants[0].identity"),
    ({"participants": [browser(), phone("nobody")]}, "participants[1].identity"),
    ({"participants": [phone(from_number="12")]}, "participants[0].from_number"),
    ({"participants": [browser(from_number="+15559876543")]}, "participants[0].from_number"),
    ({"participants": [browser(seat=1)]}, "participants[0].seat"),
    ({"metadata": []}, "metadata"),
    ({"variables": "x"}, "variables"),
    ({"participants": [browser("ü" * 129)]}, "participants[0].identity"),
    ({"participants": [browser(), browser("x", metadata={"note": "é" * 32_768})]}, "participants[1].metadata"),
    ({"metadata": {"note": "x" * 65_536}}, "metadata"),
    ({"variables": {"customer": {"orders": ["x" * 65_536]}}}, "variables"),
    ({"post_call": {"recording": {"on": True}}}, "post_call.recording.on"),
    ({"machine_detection": True}, "machine_detection"),
    ({"priority": 1}, "priority"),
]


def claims(token: str, livekit: LiveKitServer) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(token, livekit.secret, algorithms=["HS256"], issuer=livekit.key)
    return decoded


async def test_a_browser_call_is_201_with_a_way_in_and_its_room_is_open(api: Api, agent: str, livekit: LiveKitServer):
    body = {"agent_id": agent, "participants": [browser(metadata={"tab": 1})], "metadata": {"source": "sdk"}}
    answer = await api.post("/v1/calls", body)
    assert answer.status == 201
    call_id = answer.body["id"]
    assert UUID(call_id)
    [participant] = answer.body["participants"]
    token = participant.pop("access").pop("token")
    assert UUID(participant.pop("id"))
    assert participant.pop("join_url").startswith(f"{api.url}/join/")
    assert participant == {"transport": "webrtc", "identity": "browser-tab-1", "status": "joining"}
    answer.body.pop("participants")
    assert answer.body.pop("call_token").startswith("sb_call_")
    assert answer.body == {
        "id": call_id,
        "room_name": f"call_{call_id}",
        "status": "connecting",
        "agent": {"id": agent, "name": "Aria"},
        "warnings": [],
    }
    may = claims(token, livekit)
    assert may["sub"] == "browser-tab-1"
    assert json.loads(may["metadata"]) == {"tab": 1}
    assert may["exp"] - may["nbf"] <= 24 * 3600
    assert may["video"] == {
        "roomJoin": True,
        "room": f"call_{call_id}",
        "canPublish": True,
        "canPublishSources": ["microphone"],
        "canSubscribe": True,
        "canPublishData": False,
        "canUpdateOwnMetadata": False,
    }
    async with Rooms.connect(api.settings) as rooms:
        assert [room.name for room in await rooms.list_rooms([f"call_{call_id}"])] == [f"call_{call_id}"]
    async with livekit_api.LiveKitAPI(livekit.url, livekit.key, livekit.secret) as lk:
        [dispatch] = await lk.agent_dispatch.list_dispatch(f"call_{call_id}")
        assert (dispatch.agent_name, json.loads(dispatch.metadata)) == ("callroom", {"call_id": call_id})


async def test_who_is_let_in_can_join_however_long_the_name_and_much_is_known(api: Api, agent: str):
    one = browser("ü" * 128, metadata={"note": "é" * 32_762})
    answer = await api.post("/v1/calls", {"agent_id": agent, "participants": [one]})
    [place] = answer.body["participants"]
    room = rtc.Room()
    try:
        await room.connect(place["access"]["url"], place["access"]["token"])
        assert room.local_participant.identity == one["identity"]
        assert json.loads(room.local_participant.metadata) == one["metadata"]
        assert len(room.local_participant.metadata.encode()) == 65_536
    finally:
        await room.disconnect()


async def test_calls_whose_rooms_are_open_are_told_to_the_workers(api: Api, agent: str, number: Number):
    await number()

    async def waits() -> bool:
        async with api.database.reading() as conn:
            return await waiting.count(conn, "worker", 1) > 0

    assert (await api.post("/v1/calls", {"agent_id": agent, "participants": [phone()]})).status == 202
    assert not await waits()
    wanted = {"agent_id": agent, "participants": [browser()]}
    assert (await api.post("/v1/calls", wanted)).status == 201
    assert await waits()
    async with api.database.writing() as conn:
        assert len(await waiting.claim(conn, "worker", 10, lambda: "agent-1")) == 1
    assert (await api.post("/v1/calls", wanted, headers={"Idempotency-Key": "once"})).status == 201
    assert await waits()


async def test_a_phone_call_is_202_and_waits_as_a_job(api: Api, agent: str, number: Number):
    await number()
    body = {
        "agent_id": agent,
        "participants": [phone("+1 (555) 123-4567", from_number="+1 555 987 6543")],
        "metadata": {"customer_name": "Alice"},
        "variables": {"customer_segment": "renewal"},
    }
    answer = await api.post("/v1/calls", body)
    assert answer.status == 202
    assert answer.body["status"] == "queued"
    [participant] = answer.body["participants"]
    assert set(participant) == {"id", "transport", "identity", "status", "telephony_leg_id", "job_id"}
    assert (participant["transport"], participant["identity"], participant["status"]) == (
        "pstn",
        "+15551234567",
        "queued",
    )
    assert participant["job_id"].startswith("job_")
    assert (await api.get("/v1/calls/queue/stats")).body["waiting"] == 1
    detail = (await api.get(f"/v1/calls/{answer.body['id']}")).body
    assert (detail["metadata"], detail["variables"]) == (body["metadata"], body["variables"])
    assert detail["participants"][0]["from_number"] == "+15559876543"


async def test_a_call_may_hold_browsers_and_phones(api: Api, agent: str, number: Number):
    await number()
    answer = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser(), phone()]})
    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert [("access" in one, "job_id" in one) for one in answer.body["participants"]] == [(True, False), (False, True)]


async def test_the_calls_post_call_is_the_agents_with_its_own_on_top_and_stays_as_it_was(api: Api, agent: str):
    default = {"summary": {"enabled": True, "prompt": "short"}, "evaluation": {"rubric": "polite?"}}
    await api.put(f"/v1/agents/{agent}", {"post_call": default})
    schema = {"type": "object", "properties": {"booked": {"type": "boolean"}}}
    override = {"structured_extraction": {"json_schema": schema}, "summary": {"enabled": False}, "evaluation": None}
    body = {"agent_id": agent, "participants": [browser()], "post_call": override}
    call = (await api.post("/v1/calls", body)).body["id"]
    await api.put(f"/v1/agents/{agent}", {"post_call": {}})
    assert (await api.get(f"/v1/calls/{call}")).body["post_call"] == {
        "summary": {"enabled": False, "prompt": "short"},
        "evaluation": None,
        "structured_extraction": {"json_schema": schema},
    }


async def test_a_call_may_settle_for_itself_what_becomes_of_a_voicemail(api: Api, agent: str, number: Number):
    await number()
    to = {"agent_id": agent, "to": ["+15551234567"], "machine_detection": "hang_up"}
    one = {"agent_id": agent, "participants": [phone("+15551234567")]}
    created = [
        (await api.post("/v1/calls", one)).body,
        (await api.post("/v1/calls", one | {"machine_detection": "hang_up"})).body,
        (await api.post("/v1/calls/fanout", to)).body,
        (await api.post("/v1/calls/batch", to)).body["calls"][0],
    ]
    async with api.database.reading() as conn:
        rows = [await CallStore(conn).get(None, call["id"]) for call in created]
    settled = [AgentSnapshot.stored(row.agent).machine_detection for row in rows]
    assert settled == ["continue", "hang_up", "hang_up", "hang_up"]


async def test_400_names_the_field(api: Api, agent: str):
    for change, path in WRONG:
        answer = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()], **change})
        assert (answer.status, answer.body["code"]) == (400, "validation_error"), change
        assert path in [detail["path"] for detail in answer.body["details"]]
        assert path in answer.body["error"]
    assert (await api.get("/v1/calls")).body["total"] == 0


async def test_400_when_agent_or_participants_are_missing(api: Api):
    answer = await api.post("/v1/calls", {})
    assert answer.status == 400
    assert [detail["path"] for detail in answer.body["details"]] == ["agent_id", "participants"]


async def test_400_when_there_is_no_caller_id_to_be_had(api: Api, agent: str, number: Number, tenant: MakeTenant):
    body = {"agent_id": agent, "participants": [phone()]}
    nothing = await api.post("/v1/calls", body)
    await number("+15559990000", key=(await tenant()).key)
    body["participants"] = [browser(), phone(from_number="+15559990000")]
    not_mine = await api.post("/v1/calls", body)
    assert (nothing.status, nothing.body["details"][0]["path"]) == (400, "participants[0].from_number")
    assert (not_mine.status, not_mine.body["details"][0]["path"]) == (400, "participants[1].from_number")


async def test_the_caller_id_is_the_tenants_oldest_number_unless_given(api: Api, agent: str, number: Number):
    for text in ("+15559876543", "+15559876544"):
        await number(text)
    people = [phone("+15551234567"), phone("+15551234568", from_number="+15559876544")]
    answer = await api.post("/v1/calls", {"agent_id": agent, "participants": people})
    detail = (await api.get(f"/v1/calls/{answer.body['id']}")).body
    assert [one["from_number"] for one in detail["participants"]] == ["+15559876543", "+15559876544"]


async def test_404_for_an_agent_that_is_not_there_or_another_tenants(api: Api, agent: str, tenant: MakeTenant):
    unknown = await api.post("/v1/calls", {"agent_id": str(uuid4()), "participants": [browser()]})
    key = (await tenant()).key
    foreign = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]}, key=key)
    assert (unknown.status, foreign.status) == (404, 404)
    assert unknown.body == foreign.body


async def test_409_names_the_numbers_on_the_do_not_call_list(api: Api, agent: str, number: Number):
    await number()
    await api.post("/v1/dnc/batch", {"phone_numbers": ["+15551234567", "+15551234568"]})
    people = [phone("+15551234567"), phone("+15551234568"), phone("+15551234569")]
    answer = await api.post("/v1/calls", {"agent_id": agent, "participants": people})
    assert (answer.status, answer.body["code"]) == (409, "dnc_conflict")
    assert "+15551234567" in answer.body["error"]
    assert "+15551234568" in answer.body["error"]
    assert "+15551234569" not in answer.body["error"]
    assert (await api.get("/v1/calls")).body["total"] == 0


async def test_503_leaves_a_failed_call_when_livekit_does_not_answer(settings: MakeSettings):
    async for api in run_api(settings(livekit_url=f"ws://127.0.0.1:{free_port()}")):
        agent = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
        body = {"agent_id": agent, "participants": [browser()]}
        headers = {"Idempotency-Key": "again"}
        answers = [await api.post("/v1/calls", body, headers=headers) for _ in range(2)]
        assert [(answer.status, answer.body["code"]) for answer in answers] == [(503, "livekit_unavailable")] * 2
        listed = (await api.get("/v1/calls")).body["calls"]
        assert [(call["status"], call["end_reason"]) for call in listed] == [("failed", "no_room")] * 2


async def test_who_asks_waits_for_no_livekit_that_stands_still(settings: MakeSettings, tmp_path: Path):
    with LiveKitServer(tmp_path) as livekit:
        async for api in run_api(settings(livekit_url=livekit.url)):
            agent = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
            body = {"agent_id": agent, "participants": [browser()]}
            running = (await api.post("/v1/calls", body)).body["id"]
            livekit.send(signal.SIGSTOP)
            async with asyncio.timeout(PATIENCE_S):
                made, ended = await asyncio.gather(
                    api.post("/v1/calls", body), api.post(f"/v1/calls/{running}/end", {})
                )
            assert (made.status, made.body["code"]) == (503, "livekit_unavailable")
            assert int(made.headers["Retry-After"]) > 0
            assert ended.status == 200, "it is over: its room is closed when LiveKit goes on"
            livekit.send(signal.SIGCONT)
            listed = (await api.get("/v1/calls")).body["calls"]
            assert [call["status"] for call in listed] == ["failed", "completed"]


async def test_a_realtime_token_is_a_call_for_one_browser(api: Api, agent: str, livekit: LiveKitServer):
    answer = await api.post("/v1/realtime/token", {"agent_id": agent, "metadata": {"page": "home"}})
    assert answer.status == 201
    assert set(answer.body) == {"client_token", "room_name", "server_url", "call_id", "call_token"}
    assert answer.body["server_url"] == livekit.url
    assert claims(answer.body["client_token"], livekit)["video"]["room"] == answer.body["room_name"]
    [call] = (await api.get("/v1/calls")).body["calls"]
    assert (call["room_name"], call["metadata"]) == (answer.body["room_name"], {"page": "home"})
    assert call["participant_count"] == 1
    assert (await api.post("/v1/realtime/token", {})).status == 400
    assert (await api.post("/v1/realtime/token", {"agent_id": str(uuid4())})).status == 404

"""Asking to listen in."""

from uuid import uuid4

import jwt

from calls.states import EndReason
from calls.store import CallStore
from tests.api.conftest import Api, MakeTenant, browser
from tests.api.test_live import run


async def test_a_running_call_can_be_listened_to_by_who_is_noted_in_it(
    database_url: str, api: Api, agent: str, tenant: MakeTenant
):
    answer = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser("Ann")]})
    call_id, path = answer.body["id"], f"/v1/calls/{answer.body['id']}/listen"
    before = await api.post(path)
    assert (before.status, before.body["code"]) == (409, "call_not_begun")

    await run(api, call_id)
    asked = await api.post(path)
    assert (asked.status, asked.body["url"]) == (201, api.settings.livekit_for_browsers)
    token = jwt.decode(asked.body["token"], options={"verify_signature": False})
    assert token["exp"] - token["nbf"] <= 60
    assert (token["kind"], token["video"]["room"], token["video"]["hidden"]) == ("agent", f"call_{call_id}", True)
    assert (token["video"]["canPublish"], token["video"]["canPublishData"]) == (False, False)
    events = (await api.get(f"/v1/calls/{call_id}/events")).body["events"]
    (listened,) = [event["data"] for event in events if event["kind"] == "call.listened"]
    assert listened["identity"] == token["sub"]
    assert listened["key_id"] in {one["id"] for one in (await api.get("/v1/auth/api-keys")).body["keys"]}
    assert (await api.get(f"/v1/calls/{call_id}")).body["participant_count"] == 1

    async with api.database.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
    over = await api.post(path)
    assert (over.status, over.body["code"]) == (409, "call_over")
    assert (await api.post(path, key=(await tenant()).key)).status == 404
    assert (await api.post(f"/v1/calls/{uuid4()}/listen")).status == 404

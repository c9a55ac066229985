"""Secret and publishable keys: made, listed, revoked, and what they tell of themselves."""

from typing import Any

import pytest

from tests.api.conftest import Api, MakeTenant, run_api
from tests.conftest import MakeSettings, Until

PATH = "/v1/keys/publishable"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_publishable_key_is_shown_once_at_its_creation(api: Api, agent: str):
    created = await api.post(PATH, {"agent_id": agent, "label": " Landing page "})
    assert created.status == 201
    body = created.body
    assert body["key"].startswith("sb_publishable_")
    assert body["key"].startswith(body["key_prefix"])
    assert (body["label"], body["allowed_channels"], body["audience"]) == ("Landing page", ["web"], "sdk")
    assert (body["agent_id"], body["default_from_number"]) == (agent, None)
    listed = (await api.get(PATH)).body
    assert listed == {"keys": [{name: value for name, value in body.items() if name != "key"}]}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"label": ""}, "label"),
        ({"label": "   "}, "label"),
        ({"label": "x" * 101}, "label"),
        ({"label": None}, "label"),
        ({"allowed_channels": []}, "allowed_channels"),
        ({"allowed_channels": ["web", "web"]}, "allowed_channels"),
        ({"allowed_channels": ["fax"]}, "allowed_channels[0]"),
        ({"audience": "everybody"}, "audience"),
        ({"default_from_number": "nobody"}, "default_from_number"),
        ({"agent_id": "aria"}, "agent_id"),
        ({"scopes": []}, "scopes"),
    ],
)
async def test_a_wrong_field_of_a_publishable_key_is_named(api: Api, agent: str, fields: dict[str, Any], path: str):
    wrong = await api.post(PATH, {"agent_id": agent, "label": "x", **fields})
    assert wrong.status == 400
    assert [detail["path"] for detail in wrong.body["details"]] == [path]


async def test_a_publishable_key_is_for_an_agent_of_the_tenant(api: Api, agent: str, tenant: MakeTenant):
    stranger = await tenant()
    assert (await api.post(PATH, {"agent_id": UNKNOWN, "label": "x"})).status == 404
    assert (await api.post(PATH, {"agent_id": agent, "label": "x"}, key=stranger.key)).status == 404


async def test_a_revoked_publishable_key_works_no_more(api: Api, agent: str, tenant: MakeTenant):
    created = (await api.post(PATH, {"agent_id": agent, "label": "x"})).body
    path = f"{PATH}/{created['id']}"
    stranger = await tenant()
    assert (await api.delete(path, key=stranger.key)).status == 404
    assert (await api.delete(path)).status == 204
    assert (await api.delete(path)).status == 404
    assert (await api.get(PATH)).body == {"keys": []}
    assert (await api.post("/v1/realtime/token", {"agent_id": agent}, key=created["key"])).status == 401


async def test_secret_keys_are_rotated_without_a_gap(api: Api):
    created = await api.post("/v1/auth/api-keys", {"label": "Backend"})
    assert created.status == 201
    new = created.body["key"]
    listed = (await api.get("/v1/auth/api-keys", key=new)).body["keys"]
    assert [key["label"] for key in listed] == ["tests", "Backend"]
    assert all("key" not in key for key in listed)
    assert (await api.delete(f"/v1/auth/api-keys/{listed[0]['id']}", key=new)).status == 204
    assert (await api.get("/v1/auth/me")).status == 401
    assert (await api.get("/v1/auth/me", key=new)).status == 200


async def test_a_key_is_known_and_revoked_at_once_on_every_api(settings: MakeSettings, api: Api):
    async for elsewhere in run_api(settings(database_url=api.settings.database_url)):
        created = (await api.post("/v1/auth/api-keys", {})).body
        assert (await elsewhere.get("/v1/auth/me", key=created["key"])).status == 200
        await api.delete(f"/v1/auth/api-keys/{created['id']}")
        assert (await elsewhere.get("/v1/auth/me", key=created["key"])).status == 401


async def test_what_a_client_declares_of_its_secret_key_is_kept_and_given_back(api: Api):
    fields = {"kind": "workspace", "scopes": ["calls:read"], "label": "CI"}
    created = (await api.post("/v1/auth/api-keys", fields)).body
    assert {name: created[name] for name in fields} == fields
    itself = await api.get("/v1/keys/self", key=created["key"])
    assert itself.body == {"kind": "workspace", "scopes": ["calls:read"]}
    assert (await api.get("/v1/keys/self")).body == {"kind": "secret", "scopes": ["*"]}


async def test_a_key_tells_its_tenant(api: Api, tenant: MakeTenant):
    mine = (await api.get("/v1/auth/me")).body
    assert mine == {"id": "default", "name": "default", "metered": False, "credits": 0}
    metered = await tenant(metered=True, dollars=2.5)
    theirs = (await api.get("/v1/auth/me", key=metered.key)).body
    assert theirs == {"id": metered.id, "name": "another", "metered": True, "credits": 2.5}


async def test_another_tenants_keys_are_not_there(api: Api, tenant: MakeTenant):
    stranger = await tenant()
    mine = (await api.get("/v1/auth/api-keys")).body["keys"]
    theirs = (await api.get("/v1/auth/api-keys", key=stranger.key)).body["keys"]
    assert not {key["id"] for key in mine} & {key["id"] for key in theirs}
    assert (await api.delete(f"/v1/auth/api-keys/{mine[0]['id']}", key=stranger.key)).status == 404


async def test_of_a_key_only_a_hash_is_stored(api: Api, agent: str):
    secret = (await api.post("/v1/auth/api-keys", {"label": "x"})).body["key"]
    public = (await api.post(PATH, {"agent_id": agent, "label": "x"})).body["key"]
    async with api.database.reading() as conn:
        rows = (await conn.exec_driver_sql("SELECT * FROM api_keys")).all()
    assert len(rows) == 3
    stored = repr(rows)
    for key in (secret, public, api.key):
        assert key not in stored
        assert key.split("_", 2)[2][8:] not in stored


async def test_a_key_says_when_it_was_used_last_and_which_one_is_asking(api: Api, agent: str, until: Until):
    other = (await api.post("/v1/auth/api-keys", {"label": "other"})).body
    browsers = (await api.post(PATH, {"agent_id": agent, "label": "x"})).body
    assert (other["last_used_at"], other["is_current"], browsers["last_used_at"]) == (None, False, None)
    await api.get("/v1/auth/me", key=other["key"])
    await api.post("/v1/calls", {}, key=browsers["key"])

    async def used() -> bool:
        (own, another), (browser,) = (
            (await api.get("/v1/auth/api-keys")).body["keys"],
            (await api.get(PATH)).body["keys"],
        )
        assert (own["is_current"], another["is_current"]) == (True, False)
        return all(key["last_used_at"] for key in (own, another, browser))

    await until(used)

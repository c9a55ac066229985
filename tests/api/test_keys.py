from tests.api.client import Api

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_publishable_key_is_shown_once_at_its_creation(api: Api) -> None:
    agent_id = await api.agent()
    created = await api.post("/v1/keys/publishable", {"agent_id": agent_id, "label": " Landing page "})
    assert created.status == 201
    assert created["key"].startswith("sb_publishable_")
    assert created["key"].startswith(created["key_prefix"])
    assert created["label"] == "Landing page"
    assert created["allowed_channels"] == ["web"]
    assert created["audience"] == "sdk"
    assert created["default_from_number"] is None
    listed = (await api.get("/v1/keys/publishable"))["keys"]
    assert listed == [{name: value for name, value in created.json.items() if name != "key"}]


async def test_a_publishable_key_needs_a_label_a_channel_and_an_agent_of_the_tenant(api: Api) -> None:
    agent_id = await api.agent()
    path = "/v1/keys/publishable"
    assert (await api.post(path, {"agent_id": agent_id})).paths == ["label"]
    for label in ("", "   ", "x" * 101, None):
        assert (await api.post(path, {"agent_id": agent_id, "label": label})).paths == ["label"]
    for channels in ([], ["web", "web"], ["fax"]):
        wrong = await api.post(path, {"agent_id": agent_id, "label": "x", "allowed_channels": channels})
        assert wrong.status == 400
        assert wrong.paths[0].startswith("allowed_channels")
    wrong = await api.post(path, {"agent_id": agent_id, "label": "x", "default_from_number": "nobody"})
    assert wrong.paths == ["default_from_number"]
    assert (await api.post(path, {"agent_id": "aria", "label": "x"})).paths == ["agent_id"]
    assert (await api.post(path, {"agent_id": UNKNOWN, "label": "x"})).status == 404
    of_another = await api.post(path, {"agent_id": agent_id, "label": "x"}, key=await api.stranger())
    assert of_another.status == 404


async def test_a_revoked_publishable_key_works_no_more(api: Api) -> None:
    agent_id = await api.agent()
    created = await api.post("/v1/keys/publishable", {"agent_id": agent_id, "label": "x"})
    path = f"/v1/keys/publishable/{created['id']}"
    assert (await api.delete(path, key=await api.stranger())).status == 404
    gone = await api.delete(path)
    assert (gone.status, gone.text) == (204, "")
    assert (await api.delete(path)).status == 404
    assert (await api.get("/v1/keys/publishable"))["keys"] == []
    token = await api.post("/v1/realtime/token", {"agent_id": agent_id}, key=created["key"])
    assert token.status == 401


async def test_secret_keys_are_labelled_listed_and_rotated_without_a_gap(api: Api) -> None:
    created = await api.post("/v1/auth/api-keys", {"label": "Backend"})
    assert created.status == 201
    assert created["label"] == "Backend"
    new = created["key"]
    listed = await api.get("/v1/auth/api-keys", key=new)
    assert "key" not in listed["keys"][0]
    assert [key["label"] for key in listed["keys"]] == ["test", "Backend"]
    old_id = listed["keys"][0]["id"]
    assert (await api.delete(f"/v1/auth/api-keys/{old_id}", key=new)).status == 204
    assert (await api.get("/v1/auth/me")).status == 401
    assert (await api.get("/v1/auth/me", key=new)).status == 200


async def test_what_a_client_declares_of_its_secret_key_is_kept_and_given_back(api: Api) -> None:
    created = await api.post("/v1/auth/api-keys", {"kind": "workspace", "scopes": ["calls:read"], "label": "CI"})
    assert (created["kind"], created["scopes"]) == ("workspace", ["calls:read"])
    itself = await api.get("/v1/keys/self", key=created["key"])
    assert itself.json == {"kind": "workspace", "scopes": ["calls:read"]}
    assert (await api.get("/v1/keys/self")).json == {"kind": "secret", "scopes": ["*"]}


async def test_a_key_tells_its_tenant(api: Api) -> None:
    me = await api.get("/v1/auth/me")
    assert set(me.json) == {"id", "name", "metered", "credits"}
    assert (me["metered"], me["credits"]) == (False, 0)
    other = await api.get("/v1/auth/me", key=await api.stranger())
    assert other["name"] == "another"
    assert other["id"] != me["id"]


async def test_no_key_and_an_unknown_key_are_401(api: Api) -> None:
    for header in ({"Authorization": ""}, {"Authorization": "Bearer sb_secret_x"}, {"Authorization": api.key}):
        refused = await api.get("/v1/auth/me", headers=header)
        assert (refused.status, refused["code"]) == (401, "unauthorized")


async def test_another_tenants_keys_are_not_there(api: Api) -> None:
    stranger = await api.stranger()
    mine = (await api.get("/v1/auth/api-keys"))["keys"]
    theirs = (await api.get("/v1/auth/api-keys", key=stranger))["keys"]
    assert not {key["id"] for key in mine} & {key["id"] for key in theirs}
    assert (await api.delete(f"/v1/auth/api-keys/{mine[0]['id']}", key=stranger)).status == 404

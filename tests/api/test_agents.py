"""`/v1/agents` as the specification has it."""

from uuid import uuid4

from tests.api.conftest import Api, MakeTenant, browser

POST_CALL = {"summary": {"enabled": True}, "evaluation": {"rubric": "Was it polite?"}}
WRONG: list[tuple[dict[str, object], str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "  "}, "name"),
    ({"name": "A", "prompt": "x"}, "prompt"),
    ({"name": "A", "max_duration_s": "60"}, "max_duration_s"),
    ({"name": "A", "max_duration_s": 0}, "max_duration_s"),
    ({"name": "A", "eager": 1.1}, "eager"),
    ({"name": "A", "tts_provider": "another"}, "tts_provider"),
    ({"name": "A", "features": {"redact": ["name"]}}, "features.redact[0]"),
    ({"name": "A", "features": {"transfer_to": "the office"}}, "features.transfer_to"),
    ({"name": "A", "machine_detection": "maybe"}, "machine_detection"),
    ({"name": "A", "phrases": {"hello": "Hi."}}, "phrases.hello"),
    ({"name": "A", "phrases": {"reminder": "x" * 501}}, "phrases.reminder"),
    ({"name": "A", "retention_days": {"recordings": 0}}, "retention_days.recordings"),
    ({"name": "A", "post_call": {"summary": {"enabled": "yes"}}}, "post_call.summary.enabled"),
    ({"name": "A", "post_call": {"sentiment": {}}}, "post_call.sentiment"),
]


async def test_an_agent_is_created_with_every_default(api: Api):
    answer = await api.post("/v1/agents", {"name": " Aria "})
    assert answer.status == 201
    created = dict(answer.body)
    assert created.pop("id")
    assert created.pop("created_at") == created.pop("updated_at")
    assert created == {
        "name": "Aria",
        "system_prompt": "",
        "language": None,
        "stt": [],
        "llm": [],
        "tts": [],
        "voice": None,
        "llm_provider": None,
        "llm_model": None,
        "stt_provider": None,
        "stt_model": None,
        "tts_provider": None,
        "tts_model": None,
        "first_message": "",
        "phrases": {
            "reminder": None,
            "back": None,
            "goodbye": None,
            "transfer": None,
            "moment": None,
            "silence": None,
            "sorry": None,
            "unheard": None,
            "failed": None,
            "credits_used_up": None,
        },
        "max_duration_s": 3600,
        "silence_reminder_s": 12,
        "silence_timeout_s": 30,
        "eager": 0.1,
        "machine_detection": "continue",
        "tools": [],
        "mcp_servers": [],
        "features": {"transcription_enabled": True, "redact": [], "transfer_to": None},
        "retention_days": {"recordings": None, "transcripts": None},
        "post_call": {},
    }
    assert (await api.get(f"/v1/agents/{answer.body['id']}")).body == answer.body


async def test_put_changes_the_given_fields_and_replaces_post_call_and_features_whole(api: Api):
    fields = {"name": "Aria", "voice": "ash", "features": {"redact": ["card"], "transcription_enabled": False}}
    created = (await api.post("/v1/agents", {**fields, "post_call": POST_CALL})).body
    path = f"/v1/agents/{created['id']}"
    changes = {"language": "de", "features": {"redact": ["email"]}, "post_call": {"recording": {"enabled": True}}}
    changed = await api.put(path, changes)
    assert changed.status == 200
    assert changed.body["features"] == {"transcription_enabled": True, "redact": ["email"], "transfer_to": None}
    assert changed.body["post_call"] == {"recording": {"enabled": True}}
    assert (changed.body["name"], changed.body["voice"], changed.body["language"]) == ("Aria", "ash", "de")
    assert changed.body["updated_at"] > created["updated_at"]
    assert (await api.get(path)).body == changed.body


async def test_a_change_of_what_was_changed_since_it_was_read_is_refused(api: Api, agent: str):
    path = f"/v1/agents/{agent}"
    read = (await api.get(path)).body["updated_at"]
    changed = await api.put(path, {"name": "Ada"}, headers={"If-Match": f'"{read}"'})
    assert changed.status == 200
    late = await api.put(path, {"name": "Eve"}, headers={"If-Match": f'"{read}"'})
    assert (late.status, late.body["code"]) == (412, "changed_since")
    assert (await api.get(path)).body == changed.body
    for wrong in ("*", read, '"yesterday"', '"2026-01-01T00:00:00"'):
        refused = await api.put(path, {"name": "Eve"}, headers={"If-Match": wrong})
        assert (refused.status, refused.body["details"][0]["path"]) == (400, "If-Match")
    elsewhere = await api.post(f"{path}/clone", {}, headers={"If-Match": f'"{read}"'})
    assert elsewhere.body["details"][0]["path"] == "If-Match"


async def test_agents_are_listed_page_by_page_with_their_exact_number(api: Api):
    ids = [(await api.post("/v1/agents", {"name": f"agent {n}"})).body["id"] for n in range(5)]
    first = (await api.get("/v1/agents?limit=2")).body
    rest = (await api.get("/v1/agents?limit=50&offset=2")).body
    assert (first["total"], first["limit"], first["offset"]) == (5, 2, 0)
    assert [one["id"] for one in first["agents"] + rest["agents"]] == ids[::-1]


async def test_the_names_of_agents_are_listed_without_anything_else_of_them(api: Api, tenant: MakeTenant):
    agents = [await api.post("/v1/agents", {"name": name, "system_prompt": "x" * 20_000}) for name in ("Aria", "Ben")]
    names = [{"id": agent.body["id"], "name": agent.body["name"]} for agent in reversed(agents)]
    assert (await api.get("/v1/agents/names")).body == {"agents": names, "total": 2, "offset": 0, "limit": 50}
    assert (await api.get("/v1/agents/names?limit=1&offset=1")).body["agents"] == names[1:]
    assert (await api.get("/v1/agents/names", key=(await tenant()).key)).body["agents"] == []
    await api.delete(f"/v1/agents/{names[0]['id']}")
    assert (await api.get("/v1/agents/names")).body["agents"] == names[1:]


async def test_a_clone_is_an_agent_of_its_own(api: Api):
    created = (await api.post("/v1/agents", {"name": "Aria", "post_call": POST_CALL})).body
    clone = await api.post(f"/v1/agents/{created['id']}/clone", {})
    assert clone.status == 201
    assert clone.body["name"] == "Aria (Copy)"
    assert clone.body["id"] != created["id"]
    assert clone.body["post_call"] == POST_CALL


async def test_a_deleted_agent_is_gone_and_its_calls_stay(api: Api, agent: str):
    call = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})
    assert (await api.delete(f"/v1/agents/{agent}")).status == 204
    assert (await api.get(f"/v1/agents/{agent}")).status == 404
    assert (await api.delete(f"/v1/agents/{agent}")).status == 404
    assert (await api.get("/v1/agents")).body["total"] == 0
    assert (await api.get(f"/v1/calls/{call.body['id']}")).body["agent_id"] == agent
    assert (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).status == 404


async def test_the_calls_of_an_agent_are_rows_as_in_the_list_of_calls(api: Api, agent: str):
    other = (await api.post("/v1/agents", {"name": "Other"})).body["id"]
    mine = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    await api.post("/v1/calls", {"agent_id": other, "participants": [browser()]})
    page = await api.get(f"/v1/agents/{agent}/calls?status=connecting")
    listed = (await api.get("/v1/calls")).body["calls"]
    assert page.status == 200
    assert page.body["calls"] == [row for row in listed if row["id"] == mine]
    assert (page.body["total"], page.body["limit"]) == (1, 50)
    assert (await api.get(f"/v1/agents/{uuid4()}/calls")).status == 404


async def test_a_wrong_agent_is_refused_and_the_field_named(api: Api):
    for body, path in WRONG:
        answer = await api.post("/v1/agents", body)
        assert answer.status == 400, body
        assert [detail["path"] for detail in answer.body["details"]] == [path]


async def test_another_tenants_agent_is_not_found(api: Api, agent: str, tenant: MakeTenant):
    other = await tenant()
    for method, path in [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/clone"), ("GET", "/calls")]:
        raw = b"{}" if method in {"PUT", "POST"} else None
        headers = {"Content-Type": "application/json"}
        answer = await api.ask(method, f"/v1/agents/{agent}{path}", key=other.key, raw=raw, headers=headers)
        assert answer.status == 404, (method, path)
    assert (await api.get("/v1/agents", key=other.key)).body["total"] == 0

"""Endpoints of the user's own server as the API keeps them; that messages arrive is tested with the pipeline."""

from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from calls.tables import deliveries, webhooks
from tests.api.conftest import Api, Command, MakeTenant, stored_bytes

PATH = "/v1/webhooks"
PUBLIC = {"url": "https://8.8.8.8/hooks", "events": ["call.completed"]}  # an address: no name is looked up
EVENTS = [
    "call.started",
    "call.completed",
    "call.failed",
    "call.transcript.ready",
    "call.recording.ready",
    "call.intelligence.ready",
]


async def create(api: Api, **fields: Any) -> dict[str, Any]:
    answer = await api.post(PATH, {**PUBLIC, **fields})
    assert answer.status == 201, answer
    created: dict[str, Any] = answer.body
    return created


async def test_an_endpoint_is_created_with_a_secret_that_is_shown_once(api: Api):
    created = await create(api, events=EVENTS, alert_email="ops@example.com")
    assert len(created["secret"]) > 32
    assert (created["url"], created["events"]) == (PUBLIC["url"], EVENTS)
    assert (created["active"], created["alert_email"]) == (True, "ops@example.com")
    listed = (await api.get(PATH)).body
    shown = {name: value for name, value in created.items() if name != "secret"}
    assert listed == {"webhooks": [shown], "total": 1, "offset": 0, "limit": 50}
    assert (await api.get(f"{PATH}/{created['id']}")).body == shown
    assert (await create(api, secret="my own"))["secret"] == "my own"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"url": "ftp://8.8.8.8/"}, "url"),
        ({"url": "no url"}, "url"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "http://10.1.2.3/"}, "url"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "url"),
        ({"url": "http://[::ffff:127.0.0.1]/"}, "url"),
        ({"url": "http://localhost:8080/"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["call.exploded"]}, "events[0]"),
        ({"secret": ""}, "secret"),
        ({"retries": 3}, "retries"),
    ],
)
async def test_a_wrong_field_of_an_endpoint_is_named(api: Api, fields: dict[str, Any], path: str):
    created = await create(api)
    for wrong in (
        await api.post(PATH, {**PUBLIC, **fields}),
        await api.patch(f"{PATH}/{created['id']}", fields),
    ):
        assert wrong.status == 400
        assert [detail["path"] for detail in wrong.body["details"]] == [path]


async def test_only_the_given_fields_of_an_endpoint_change(api: Api):
    created = await create(api, alert_email="ops@example.com")
    path = f"{PATH}/{created['id']}"
    changed = await api.patch(path, {"events": ["call.failed"], "active": False})
    assert changed.status == 200
    assert "secret" not in changed.body
    assert (changed.body["events"], changed.body["active"]) == (["call.failed"], False)
    assert (changed.body["url"], changed.body["alert_email"]) == (created["url"], "ops@example.com")
    assert (await api.patch(path, {"alert_email": None})).body["alert_email"] is None
    assert (await api.patch(path, {"secret": "another"})).status == 200


async def test_a_new_secret_is_made_on_request_and_shown_once(api: Api):
    created = await create(api)
    rotated = await api.post(f"{PATH}/{created['id']}/rotate-secret")
    assert rotated.status == 200
    assert len(rotated.body["secret"]) > 32
    assert rotated.body["secret"] != created["secret"]


async def test_no_secret_stands_in_the_database_in_clear(api: Api):
    created = await create(api, secret="correct horse")
    rotated = await api.post(f"{PATH}/{created['id']}/rotate-secret")
    stored = await stored_bytes(api)
    assert created["id"].encode() in stored
    assert b"correct horse" not in stored
    assert rotated.body["secret"].encode() not in stored


async def test_secrets_move_to_a_new_key_by_a_command_and_the_old_one_can_go(api: Api, command: Command, monkeypatch):
    created = await create(api, secret="correct horse")
    old, new = api.settings.encryption_key_file.read_text(), Fernet.generate_key().decode()
    monkeypatch.setenv("CALLROOM_ENCRYPTION_KEYS", f"{new},{old}")
    assert command("secrets", "encrypt") == {"encrypted": 1, "unchanged": 0, "unreadable": 0}
    assert command("secrets", "encrypt") == {"encrypted": 0, "unchanged": 1, "unreadable": 0}
    async with api.database.reading() as conn:
        stored = await conn.scalar(sa.select(webhooks.c.secret).where(webhooks.c.id == created["id"]))
    assert Fernet(new).decrypt(str(stored)) == b"correct horse"


async def test_a_secret_whose_key_is_missing_is_answered_by_what_to_do(api: Api):
    created = await create(api)
    async with api.database.writing() as conn:
        await conn.execute(sa.update(webhooks).values(secret=Fernet(Fernet.generate_key()).encrypt(b"x").decode()))
    wrong = await api.post(f"{PATH}/{created['id']}/rotate-secret")
    assert (wrong.status, wrong.body["code"]) == (503, "encryption_key_missing")
    assert "CALLROOM_ENCRYPTION_KEYS" in wrong.body["error"]
    assert (await api.patch(f"{PATH}/{created['id']}", {"active": False})).status == 200


async def test_a_test_message_is_queued_and_can_be_sent_again_once_it_was_tried(api: Api):
    created = await create(api)
    sent = await api.post(f"{PATH}/{created['id']}/test", {})
    assert sent.status == 202
    assert (sent.body["event"], sent.body["status"], sent.body["attempts"]) == ("webhook.test", "pending", 0)
    listed = (await api.get(f"{PATH}/{created['id']}/deliveries")).body
    assert listed == {"deliveries": [sent.body], "total": 1, "offset": 0, "limit": 50}
    again = f"{PATH}/{created['id']}/deliveries/{sent.body['id']}/redeliver"
    early = await api.post(again)
    assert (early.status, early.body["code"]) == (409, "delivery_pending")
    async with api.database.writing() as conn:
        await conn.execute(sa.update(deliveries).values(status="failed", attempts=16, error="no answer"))
    redelivered = await api.post(again)
    assert redelivered.status == 202
    assert (redelivered.body["id"], redelivered.body["status"]) == (sent.body["id"], "pending")


async def test_a_removed_endpoint_is_gone_with_its_deliveries(api: Api):
    created = await create(api)
    path = f"{PATH}/{created['id']}"
    await api.post(f"{path}/test")
    assert (await api.delete(path)).status == 204
    for answer in (
        await api.get(path),
        await api.delete(path),
        await api.patch(path, {"active": True}),
        await api.post(f"{path}/test"),
        await api.post(f"{path}/rotate-secret"),
        await api.get(f"{path}/deliveries"),
    ):
        assert answer.status == 404


async def test_another_tenants_endpoint_is_not_there(api: Api, tenant: MakeTenant):
    created = await create(api)
    sent = await api.post(f"{PATH}/{created['id']}/test")
    own = await create(api)
    stranger = (await tenant()).key
    path = f"{PATH}/{created['id']}"
    assert (await api.get(PATH, key=stranger)).body["webhooks"] == []
    for answer in (
        await api.get(path, key=stranger),
        await api.delete(path, key=stranger),
        await api.patch(path, {"active": False}, key=stranger),
        await api.post(f"{path}/test", key=stranger),
        await api.post(f"{path}/rotate-secret", key=stranger),
        await api.get(f"{path}/deliveries", key=stranger),
        await api.post(f"{path}/deliveries/{sent.body['id']}/redeliver", key=stranger),
        await api.post(f"{PATH}/{own['id']}/deliveries/{sent.body['id']}/redeliver"),
    ):
        assert answer.status == 404

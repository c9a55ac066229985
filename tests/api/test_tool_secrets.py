"""`/v1/tool-secrets`: written, named, never shown, and each tenant's own."""

from typing import Any

import pytest

from tests.api.conftest import Api, MakeTenant, stored_bytes

VALUE, HOST = "sk-tangerine", "8.8.8.8"
SECRET = {"value": VALUE, "host": HOST}


async def test_a_secret_is_written_and_only_its_name_and_host_are_ever_shown(api: Api):
    made = await api.put("/v1/tool-secrets/SHOP_KEY", SECRET)
    assert (made.status, made.body["name"], made.body["host"]) == (200, "SHOP_KEY", HOST)
    replaced = await api.put("/v1/tool-secrets/SHOP_KEY", {"value": "another", "host": "8.8.4.4"})
    assert (replaced.body["host"], replaced.body["created_at"]) == ("8.8.4.4", made.body["created_at"])
    listed = await api.get("/v1/tool-secrets")
    assert listed.body == {"secrets": [replaced.body]}
    assert set(replaced.body) == {"name", "host", "created_at", "updated_at"}
    assert (await api.delete("/v1/tool-secrets/SHOP_KEY")).status == 204
    assert (await api.delete("/v1/tool-secrets/SHOP_KEY")).status == 404
    assert (await api.get("/v1/tool-secrets")).body == {"secrets": []}


async def test_a_secret_is_encrypted_at_rest_and_nobody_elses(api: Api, tenant: MakeTenant):
    await api.put("/v1/tool-secrets/SHOP_KEY", SECRET)
    assert VALUE.encode() not in await stored_bytes(api)
    another = await tenant()
    assert (await api.get("/v1/tool-secrets", key=another.key)).body == {"secrets": []}
    assert (await api.delete("/v1/tool-secrets/SHOP_KEY", key=another.key)).status == 404
    await api.put("/v1/tool-secrets/SHOP_KEY", {"value": "theirs", "host": "1.1.1.1"}, key=another.key)
    assert [one["host"] for one in (await api.get("/v1/tool-secrets")).body["secrets"]] == [HOST]


@pytest.mark.parametrize(
    ("name", "body", "path"),
    [
        ("shop_key", SECRET, "name"),
        ("1KEY", SECRET, "name"),
        ("KEY", {**SECRET, "value": ""}, "value"),
        ("KEY", {**SECRET, "value": "two\nlines"}, "value"),
        ("KEY", {**SECRET, "host": "https://example.com"}, "host"),
        ("KEY", {**SECRET, "host": "example.com/path"}, "host"),
        ("KEY", {**SECRET, "host": "example.com:8080"}, "host"),
        ("KEY", {**SECRET, "host": "me@example.com"}, "host"),
        ("KEY", {**SECRET, "host": "127.0.0.1"}, "host"),
        ("KEY", {**SECRET, "host": "localhost"}, "host"),
        ("KEY", {"value": VALUE}, "host"),
    ],
)
async def test_what_is_no_secret_is_refused_by_its_field(api: Api, name: str, body: dict[str, Any], path: str):
    answer = await api.put(f"/v1/tool-secrets/{name}", body)
    assert (answer.status, [each["path"] for each in answer.body["details"]]) == (400, [path])

"""Endpoints of a user's server, and the messages that are queued for them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from calls import tables
from calls.addresses import check_url, is_public
from calls.database import pruning
from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT, Database
from calls.database.pruning import prune
from calls.errors import Conflict, Invalid, NotFound
from calls.states import EndReason
from calls.tables import deliveries, jobs
from calls.tenants import webhooks
from calls.tenants.webhooks import DeliveryStatus, WebhookEvent

pytestmark = pytest.mark.restless

URL = "https://example.com/hook"
Endpoint = Callable[..., Awaitable[sa.Row[Any]]]


@pytest.fixture
def endpoint(database: Database, keyring: Keyring) -> Endpoint:
    """`await endpoint(WebhookEvent.CALL_STARTED, secret="mine")`: one that is told of these events, or of all."""

    async def make(*events: WebhookEvent, **fields: Any) -> sa.Row[Any]:
        wanted = {"url": URL, "events": list(events or WebhookEvent), **fields}
        async with database.writing() as connection:
            return await webhooks.create_webhook(connection, keyring, DEFAULT_TENANT, **wanted)

    return make


async def sent(database: Database) -> list[sa.Row[Any]]:
    """The deliveries, in the order of their jobs."""
    query = sa.select(deliveries).join(jobs, jobs.c.payload["delivery_id"].as_string() == deliveries.c.id)
    async with database.reading() as connection:
        return list((await connection.execute(query.order_by(jobs.c.id))).all())


async def test_an_endpoint_keeps_what_was_given_and_gets_a_secret_if_none_was(endpoint, database, keyring):
    given = await endpoint(WebhookEvent.CALL_STARTED, secret="mine", alert_email="a@example.com")
    made = await endpoint()
    assert (keyring.decrypt(given.secret), given.events) == ("mine", ["call.started"])
    assert given.alert_email == "a@example.com"
    assert len(keyring.decrypt(made.secret)) > 40
    async with database.reading() as connection:
        page, total = await webhooks.list_webhooks(connection, DEFAULT_TENANT, 1, 0)
        assert ([row.id for row in page], total) == ([given.id], 2)
        assert await webhooks.list_webhooks(connection, "another", 50, 0) == ([], 0)


async def test_another_tenants_endpoint_is_not_there(keyring, endpoint, database):
    row = await endpoint()
    async with database.writing() as connection:
        for attempt in (
            webhooks.get_webhook(connection, "another", row.id),
            webhooks.update_webhook(connection, keyring, "another", row.id, {"url": URL}),
            webhooks.delete_webhook(connection, "another", row.id),
            webhooks.send_test(connection, "another", row.id),
            webhooks.list_deliveries(connection, "another", row.id, 50, 0),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_only_the_given_fields_change_and_a_new_secret_keeps_the_old_one_beside_it(keyring, endpoint, database):
    row = await endpoint(secret="first")
    async with database.writing() as connection:
        changed = await webhooks.update_webhook(
            connection, keyring, DEFAULT_TENANT, row.id, {"url": "https://example.org/"}
        )
        assert (changed.url, changed.secret, changed.previous_secret) == ("https://example.org/", row.secret, None)
        changed = await webhooks.update_webhook(connection, keyring, DEFAULT_TENANT, row.id, {"secret": "first"})
        assert (changed.secret, changed.previous_secret) == (row.secret, None)
        changed = await webhooks.update_webhook(connection, keyring, DEFAULT_TENANT, row.id, {"secret": "second"})
        assert [keyring.decrypt(one) for one in (changed.secret, changed.previous_secret)] == ["second", "first"]
        rotated = await webhooks.rotate_secret(connection, keyring, DEFAULT_TENANT, row.id)
        assert keyring.decrypt(rotated.previous_secret) == "second"
        assert keyring.decrypt(rotated.secret) not in {"first", "second"}


async def test_a_call_is_told_to_those_who_asked_in_the_transaction_of_the_change(
    keyring, endpoint, database, place, running, finish
):
    everything = await endpoint()
    failures = await endpoint(WebhookEvent.CALL_FAILED)
    off = await endpoint()
    async with database.writing() as connection:
        await webhooks.update_webhook(connection, keyring, DEFAULT_TENANT, off.id, {"active": False})
    call, _ = await running(metadata={"order": 7})
    unanswered = await place()
    await finish(call.id, EndReason.CALLER_HUNG_UP)
    await finish(unanswered.id, EndReason.NOBODY_JOINED)
    told = [(row.webhook_id, row.event, row.call_id, row.status) for row in await sent(database)]
    assert told[:2] == [
        (everything.id, "call.started", call.id, "pending"),
        (everything.id, "call.completed", call.id, "pending"),
    ]
    assert sorted(told[2:]) == sorted(
        (webhook.id, "call.failed", unanswered.id, "pending") for webhook in (everything, failures)
    )


async def test_a_message_says_what_was_true_when_it_happened(endpoint, database, running, finish):
    await endpoint(WebhookEvent.CALL_STARTED)
    call, _ = await running(metadata={"order": 7})
    await finish(call.id, EndReason.CALLER_HUNG_UP)
    (message,) = [row.payload for row in await sent(database)]
    assert message["event"] == "call.started"
    assert message["data"]["status"] == "in_progress"
    assert message["data"]["metadata"] == {"order": 7}
    assert message["data"]["started_at"].endswith("Z")
    assert [leg["identity"] for leg in message["data"]["participants"]] == ["ada"]


async def test_a_transaction_that_fails_tells_nobody(endpoint, database, place):
    await endpoint()
    call = await place()

    async def fail() -> None:
        async with database.writing() as connection:
            await webhooks.announce(connection, call.id, WebhookEvent.CALL_STARTED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await sent(database) == []


async def test_a_message_that_ended_can_be_sent_again_and_one_that_is_being_tried_not(endpoint, database):
    row = await endpoint()
    async with database.writing() as connection:
        test = await webhooks.send_test(connection, DEFAULT_TENANT, row.id)
        with pytest.raises(Conflict):
            await webhooks.redeliver(connection, DEFAULT_TENANT, row.id, test.id)
        await webhooks.give_up_delivery(connection, test.id, "no 2xx")
        again = await webhooks.redeliver(connection, DEFAULT_TENANT, row.id, test.id)
        assert (again.id, again.status, again.payload) == (test.id, DeliveryStatus.PENDING, test.payload)
        page, total = await webhooks.list_deliveries(connection, DEFAULT_TENANT, row.id, 50, 0)
        assert ([one.event for one in page], total) == (["webhook.test"], 1)
    assert len(await sent(database)) == 2


async def test_a_deleted_endpoint_is_gone_at_once_and_takes_its_deliveries_with_it_bit_by_bit(
    endpoint, database, place, running, monkeypatch
):
    row, kept = await endpoint(), await endpoint()
    async with database.writing() as connection:
        sent_once = [await webhooks.send_test(connection, DEFAULT_TENANT, row.id) for _ in range(3)]
        await webhooks.delete_webhook(connection, DEFAULT_TENANT, row.id)
        assert len((await connection.execute(sa.select(deliveries))).all()) == 3, "nobody waits for that"
        for attempt in (
            webhooks.delete_webhook(connection, DEFAULT_TENANT, row.id),
            webhooks.get_webhook(connection, DEFAULT_TENANT, row.id),
            webhooks.redeliver(connection, DEFAULT_TENANT, row.id, sent_once[0].id),
        ):
            with pytest.raises(NotFound):
                await attempt
        assert (await webhooks.list_webhooks(connection, DEFAULT_TENANT, 50, 0))[1] == 1
    await running()
    monkeypatch.setattr(pruning, "BATCH", 2)
    await prune(database)
    assert {one.webhook_id for one in await sent(database)} == {kept.id}
    async with database.reading() as connection:
        assert list(await connection.scalars(sa.select(tables.webhooks.c.id))) == [kept.id]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fec0::1",
    ],
)
def test_an_address_outside_the_public_internet_is_recognised(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_recognised(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost:8080/x",
        "https://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://169.254.169.254/latest/meta-data/",
        "ftp://example.com/",
        "example.com",
        "http://",
        "",
        "http://a b/",
        "http://host:99999/",
        "http://[bad/",
        "https://x/" + "y" * 3000,
        "javascript:alert(1)",
        "//x",
    ],
)
async def test_a_url_that_leads_inside_or_nowhere_is_refused_by_name(url):
    with pytest.raises(Invalid) as refused:
        await check_url(url, private_addresses=False)
    assert [detail.path for detail in refused.value.details] == ["url"]


async def test_a_setting_allows_private_addresses():
    await check_url("http://127.0.0.1:9000/hook", private_addresses=True)
    await check_url("https://8.8.8.8/hook", private_addresses=False)

"""The Webhooks pages: endpoints with their secrets, and what was sent to them."""

import re

import pytest
from playwright.async_api import Browser, expect

from calls.database.engine import Database
from calls.tenants.webhooks import DeliveryStatus, record_attempt
from tests.web import accessibility
from tests.web.conftest import Serve, Served
from tests.web.console import ask, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOBODY = "http://127.0.0.1:9/hook"


async def refuse(served: Served, delivery_id: str) -> None:
    """As if the endpoint had answered the last attempt so."""
    database = Database(served.settings.database)
    async with database.writing() as conn:
        await record_attempt(
            conn, delivery_id, status=DeliveryStatus.FAILED, response_status=500, error="HTTP status 500"
        )
    await database.close()


async def test_an_endpoint_is_added_changed_and_deleted(browser: Browser, serve: Serve) -> None:
    served = await serve(webhook_private_addresses=True)
    async with opened(browser, served, "/webhooks") as page:
        await expect(page.get_by_text("No endpoint yet")).to_be_visible()
        await accessibility.check(page)
        await page.get_by_role("button", name="New endpoint").click()
        await page.get_by_label("Address").fill("ftp://example.com/hook")
        await page.get_by_role("button", name="Add the endpoint").click()
        await expect(page.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
        await page.get_by_label("Address").fill(NOBODY)
        await page.get_by_label("a call has begun").check()
        await accessibility.check(page)
        await page.get_by_role("button", name="Add the endpoint").click()
        await expect(page.get_by_label("Signing secret", exact=True)).to_have_value(re.compile("^whsec_"))
        await accessibility.check(page)
        await page.get_by_role("button", name="I have it").click()
        await expect(page.get_by_role("heading", name="127.0.0.1:9")).to_be_visible()
        (webhook,) = (await ask(served, "GET", "/v1/webhooks"))["webhooks"]
        assert webhook["events"] == ["call.started", "call.completed", "call.failed"]

        await page.get_by_role("button", name="Switch off").click()
        await expect(page.get_by_text("It is switched off")).to_be_visible()
        await page.get_by_role("button", name="Change").click()
        await page.get_by_label("a call has begun").uncheck()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.get_by_text("call.started")).to_be_hidden()
        (webhook,) = (await ask(served, "GET", "/v1/webhooks"))["webhooks"]
        assert (webhook["active"], webhook["events"]) == (False, ["call.completed", "call.failed"])

        await page.get_by_role("button", name="Rotate the secret").click()
        await page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
        await expect(page.get_by_label("Signing secret", exact=True)).to_have_value(re.compile("^whsec_"))
        await page.get_by_role("button", name="I have it").click()
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(page.get_by_text("No endpoint yet")).to_be_visible()


async def test_a_message_shows_its_payload_and_answer_and_is_sent_again(browser: Browser, serve: Serve) -> None:
    served = await serve(webhook_private_addresses=True)
    webhook = await ask(served, "POST", "/v1/webhooks", {"url": NOBODY, "events": ["call.completed"]})
    path = f"/v1/webhooks/{webhook['id']}"
    async with opened(browser, served, f"/webhooks/{webhook['id']}") as page:
        await page.get_by_role("button", name="Send a test").click()
        await expect(page.get_by_role("row", name="webhook.test")).to_contain_text("pending")
        (delivery,) = (await ask(served, "GET", f"{path}/deliveries"))["deliveries"]
        await refuse(served, delivery["id"])
        await expect(page.get_by_role("row", name="webhook.test")).to_contain_text("HTTP status 500")
        await accessibility.check(page)
        await page.get_by_role("button", name="Look at webhook.test").click()
        await expect(page.get_by_role("dialog")).to_contain_text("It works.")
        await accessibility.check(page)
        await page.get_by_role("button", name="Send again").click()
        await expect(page.get_by_role("row", name="webhook.test")).to_contain_text("pending")


async def test_an_endpoint_that_is_gone_is_said(browser: Browser, serve: Serve) -> None:
    served = await serve(webhook_private_addresses=True)
    async with opened(browser, served, "/webhooks/550e8400-e29b-41d4-a716-446655440000") as page:
        await expect(page.get_by_role("alert")).to_contain_text("Webhook not found.")

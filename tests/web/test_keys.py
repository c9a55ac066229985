"""The Keys page: made and shown once, revoked after a question."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.web import accessibility
from tests.web.conftest import Serve
from tests.web.console import ask, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_secret_key_is_shown_once_and_revoked_after_a_question(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with opened(browser, served, "/keys") as page:
        await expect(page.get_by_text("you are signed in with it")).to_be_visible()
        await page.get_by_role("button", name="New secret key").click()
        await page.get_by_label("Label").fill("Backend")
        await accessibility.check(page)
        await page.get_by_role("button", name="Create the key").click()
        shown = page.get_by_label("The new key")
        await expect(shown).to_have_value(re.compile("^sb_secret_.{40}"))
        await accessibility.check(page)
        for _ in range(2):
            await page.keyboard.press("Escape")
        await expect(shown).to_be_visible()
        await page.get_by_role("button", name="I have it").click()
        await expect(shown).to_be_hidden()

        await page.get_by_role("button", name="Revoke Backend").click()
        await page.get_by_role("button", name="Cancel").click()
        assert len((await ask(served, "GET", "/v1/auth/api-keys"))["keys"]) == 2
        await page.get_by_role("button", name="Revoke Backend").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_role("row", name="Backend")).to_be_hidden()
        await expect(page.get_by_role("button", name="Revoke tests")).to_be_focused()  # the button went with its row
        assert len((await ask(served, "GET", "/v1/auth/api-keys"))["keys"]) == 1

        await page.get_by_role("button", name="Revoke tests").click()
        await expect(page.get_by_role("dialog")).to_contain_text("it signs you out here")
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_publishable_key_is_made_for_an_agent_and_a_wrong_field_is_marked(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    async with opened(browser, served, "/keys") as page:
        await expect(page.get_by_role("link", name="Create an agent first")).to_be_visible()
        await ask(served, "POST", "/v1/agents", {"name": "Reception"})
        await page.reload()
        await page.get_by_role("button", name="New publishable key").click()
        await page.get_by_label("Label").fill("Landing page")
        await page.get_by_label("the phone").check()
        await page.get_by_label("Caller ID").fill("nobody")
        await page.get_by_role("button", name="Create the key").click()
        await expect(page.get_by_label("Caller ID")).to_be_focused()
        await expect(page.get_by_label("Caller ID")).to_have_attribute("aria-invalid", "true")
        await accessibility.check(page)
        await page.get_by_label("Caller ID").fill("+15559876543")
        await page.get_by_role("button", name="Create the key").click()
        await expect(page.get_by_label("The new key")).to_have_value(re.compile("^sb_publishable_.{40}"))
        await page.get_by_role("button", name="I have it").click()
        await expect(page.get_by_role("row", name="Landing page")).to_contain_text("web, phone")
        await expect(page.get_by_role("row", name="Landing page")).to_contain_text("Reception")
        await accessibility.check(page)

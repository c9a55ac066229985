"""A share link: made on the agent's page, and the public page to which it leads."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, expect

from tests.web import accessibility
from tests.web.conftest import Serve, Served
from tests.web.console import ask, opened
from tests.web.test_agents import made

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def visited(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A stranger's tab at the link."""
    async with await browser.new_context(permissions=["microphone"]) as context:
        page = await context.new_page()
        await page.goto(url)
        yield page


async def linked(served: Served, **limits: int) -> str:
    """The address of a new agent's link."""
    path = f"/v1/agents/{await made(served)}/share-link"
    return str((await ask(served, "PUT", path, limits))["url"])


async def test_a_link_is_made_limited_and_renewed_on_the_agents_page(browser: Browser, serve: Serve) -> None:
    served = await serve()
    agent_id = await made(served)
    async with opened(browser, served, f"/agents/{agent_id}") as page:
        section = page.get_by_role("region", name="Share link")
        await section.get_by_role("button", name="Make a link").click()
        address = section.get_by_label("Address of the link", exact=True)
        await expect(address).to_have_value(re.compile(f"^{re.escape(served.url)}/talk/"))
        await expect(section).to_contain_text("caller would be spoken as a hole")
        await accessibility.check(page)
        await section.get_by_label("Minutes in all").fill("0")
        await section.get_by_role("button", name="Save the link").click()
        await expect(section.get_by_label("Minutes in all")).to_have_attribute("aria-invalid", "true")
        await section.get_by_label("Minutes in all").fill("")
        await section.get_by_label("Minutes in all").press_sequentially("7")
        await page.get_by_role("link", name="Calls", exact=True).click()
        await page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Cancel").click()
        await section.get_by_role("button", name="Save the link").click()
        await expect(section).to_contain_text("0 of 7 minutes are used")
        before = await address.input_value()
        await section.get_by_role("button", name="Another address").click()
        await page.get_by_role("dialog").get_by_role("button", name="Another address").click()
        await expect(address).not_to_have_value(before)
    link = (await ask(served, "GET", f"/v1/agents/{agent_id}/testers"))["link"]
    assert link["minutes_limit"] == 7
    async with visited(browser, before) as page:
        await expect(page.get_by_text("This link leads nowhere")).to_be_visible()


async def test_whoever_has_the_link_talks_and_hangs_up(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with visited(browser, await linked(served, max_call_seconds=60)) as page:
        await expect(page.get_by_role("heading", name="Talk to Reception")).to_be_visible()
        await accessibility.check(page)
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.get_by_text("Waiting for the agent")).to_be_visible()
        await expect(page.get_by_text("This call may last 60 seconds.")).to_be_visible()
        await accessibility.check(page)
        await page.keyboard.press("Space")
        await page.get_by_role("button", name="Mute").click()
        await expect(page.get_by_role("button", name="Unmute")).to_be_visible()
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_text("You hung up")).to_be_visible()
    (call,) = (await ask(served, "GET", "/v1/calls"))["calls"]
    assert call["metadata"] == {"source": "share_link"}


async def test_a_visitor_is_told_how_the_call_ended(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with visited(browser, await linked(served)) as page:
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        (call,) = (await ask(served, "GET", "/v1/calls"))["calls"]
        await ask(served, "POST", f"/v1/calls/{call['id']}/end", {})
        await expect(page.get_by_text("The call is over")).to_be_visible()
        await expect(page.get_by_role("button", name="Talk again")).to_be_visible()


async def test_a_limit_that_is_reached_is_said(browser: Browser, serve: Serve) -> None:
    served = await serve()
    url = await linked(served, max_concurrent=1)
    async with visited(browser, url) as first, visited(browser, url) as second:
        await first.get_by_role("button", name="Start talking").click()
        await expect(first.get_by_text("Waiting for the agent")).to_be_visible()
        await second.get_by_role("button", name="Start talking").click()
        await expect(second.get_by_role("alert")).to_contain_text("As many people as may talk to this agent at once")
        await expect(second.get_by_role("button", name="Start talking")).to_be_enabled()

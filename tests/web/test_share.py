"""A share link: made on the agent's page, and the public page to which it leads."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.web import accessibility
from tests.web.conftest import Serve, Served, new_context
from tests.web.console import ask, opened
from tests.web.test_agents import made

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Two widgets, and a browser that gives the microphone only on `allow()`.
WIDGETS = """async ({ key, agent }) => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await new Promise((resolve) => { window.allow = resolve; });
    return open(wanted);
  };
  await import("/web/widget.js");
  for (let i = 0; i < 2; i++) {
    const widget = document.createElement("callroom-agent");
    widget.setAttribute("key", key);
    widget.setAttribute("agent", agent);
    document.querySelector("main").append(widget);
  }
}"""


@asynccontextmanager
async def visited(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A stranger's tab at the link."""
    async with await new_context(browser, permissions=["microphone"]) as context:
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


async def test_who_cannot_reach_livekit_ends_the_call_that_they_began_and_no_other(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    url = await linked(served)
    invited = {"agent_id": await made(served), "participants": [{"transport": "webrtc", "identity": "ada"}]}
    joined = (await ask(served, "POST", "/v1/calls", invited))["participants"][0]["join_url"]
    for address, button in ((joined, "Join the call"), (url, "Start talking")):
        async with visited(browser, address) as page:
            await page.route(re.compile(r"/v1/(join|shared/.*/calls)$"), led_astray)
            await page.get_by_role("button", name=button).click()
            await expect(page.get_by_role("alert")).to_contain_text("The call cannot be reached from this browser")
    own, other = (await ask(served, "GET", "/v1/calls"))["calls"]
    assert (own["end_reason"], other["end_reason"]) == ("ended_by_api", None)


async def led_astray(route: Route) -> None:
    """The way into the call leads to where no LiveKit is."""
    answer = await route.fetch()
    way = await answer.json()
    way["access"]["url"] = "ws://127.0.0.1:9"
    await route.fulfill(response=answer, json=way)


async def test_of_two_widgets_one_talks_and_one_that_is_gone_begins_no_call(browser: Browser, serve: Serve) -> None:
    served = await serve()
    agent = await made(served)
    key = (await ask(served, "POST", "/v1/keys/publishable", {"agent_id": agent, "label": "a page"}))["key"]
    async with visited(browser, await linked(served)) as page:
        await page.evaluate(WIDGETS, {"key": key, "agent": agent})
        one, other = (page.locator("callroom-agent").nth(index) for index in (0, 1))
        await one.get_by_role("button", name="Start the call").click()
        await page.wait_for_function("() => window.allow")
        await one.evaluate("element => element.parentNode.prepend(element)")  # moved, it is still there
        await page.evaluate("allow()")
        await expect(one.get_by_text("Waiting for the agent")).to_be_visible()
        await other.get_by_role("button", name="Start the call").click()
        await expect(other.get_by_role("alert")).to_contain_text("another call on this page")
        await one.get_by_role("button", name="Hang up").click()
        await expect(one.get_by_role("status")).to_have_text("You hung up")
        await expect(one.get_by_role("status")).to_be_focused()
        await page.evaluate("() => { window.allow = null; }")
        await other.get_by_role("button", name="Start the call").click()
        await page.wait_for_function("() => window.allow")
        gone = await other.evaluate_handle("element => (element.remove(), element)")
        await page.evaluate("allow()")
        await page.wait_for_function("gone => !gone.shadowRoot.querySelector('.start').disabled", arg=gone)
    assert len((await ask(served, "GET", "/v1/calls"))["calls"]) == 1

"""Signing in to the console, and that nothing of the key stays in the browser."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio
import sqlalchemy as sa
from playwright.async_api import Browser, BrowserContext, Page, expect

from api.credentials import COOKIE
from calls.database.clock import iso, moment
from calls.database.engine import Database
from calls.tables import sessions
from demo.client import Client
from tests.web import accessibility
from tests.web.conftest import Serve, Served, new_context

pytestmark = pytest.mark.asyncio(loop_scope="session")

STORED = "() => [document.cookie, ...Object.entries(localStorage), ...Object.entries(sessionStorage)].join()"
KEPT = "() => { window.kept = true; }"
ANEW = "() => !('kept' in window)"  # the page was loaded again
DEADLINES = """AbortSignal.timeout = () => {
  const deadline = new AbortController();
  (window.deadlines ??= []).push(deadline);
  return deadline.signal;
}"""
PASS_DEADLINES = "() => deadlines.forEach((one) => one.abort(new DOMException('', 'TimeoutError')))"
OPEN = "(key) => { location.hash = `key=${key}`; }"


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser that knows nobody yet."""
    async with await new_context(browser) as new:
        yield new


async def sign_in(context: BrowserContext, served: Served) -> Page:
    """A tab that was opened by the address with the key in it."""
    page = await context.new_page()
    await page.goto(f"{served.url}/#key={served.key}")
    await expect(page.get_by_role("navigation")).to_be_visible()
    return page


async def test_without_a_key_the_page_asks_for_one_and_says_when_it_is_wrong(
    context: BrowserContext, serve: Serve
) -> None:
    served = await serve()
    page = await context.new_page()
    await page.goto(served.url)
    for wrong in ("sb_secret_wrong", " ", "x" * 10_000):
        await page.get_by_label("Secret key").fill(wrong)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("This key is not accepted")
        await expect(page.get_by_label("Secret key")).to_have_attribute("aria-invalid", "true")
        await expect(page.get_by_label("Secret key")).to_have_accessible_description(re.compile("not accepted"))
        await expect(page.get_by_label("Secret key")).to_be_focused()
    await accessibility.check(page)

    await page.get_by_label("Secret key").fill(f" {served.key}\n")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Live")).to_be_visible()
    await accessibility.check(page)


async def test_a_publishable_key_opens_no_console(context: BrowserContext, serve: Serve) -> None:
    served = await serve()
    async with aiohttp.ClientSession() as session:
        client = Client(session, served.url, served.key)
        agent = await client.post("/v1/agents", {"name": "Reception"})
        body = {"agent_id": agent["id"], "label": "a page"}
        publishable = await client.post("/v1/keys/publishable", body)
    page = await context.new_page()
    await page.goto(served.url)
    await page.get_by_label("Secret key").fill(publishable["key"])
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not a publishable one")


async def test_a_key_leaves_the_address_and_is_kept_nowhere_in_reach_of_a_script(
    context: BrowserContext, serve: Serve
) -> None:
    served = await serve()
    page = await sign_in(context, served)
    assert page.url == f"{served.url}/"
    assert served.key not in await page.evaluate(STORED)
    assert await page.evaluate("() => document.cookie") == ""
    (cookie,) = await context.cookies(served.url)
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (
        f"{COOKIE}_{served.settings.api_port}",
        True,
        "Strict",
    )
    assert served.key not in cookie["value"]
    await page.go_back()  # to the empty tab: no step of the history has the key either
    await page.go_forward()
    await expect(page.get_by_role("navigation")).to_be_visible()
    assert page.url == f"{served.url}/"


async def test_a_reload_and_a_second_tab_are_signed_in_until_somebody_signs_out(
    context: BrowserContext, serve: Serve
) -> None:
    served = await serve()
    first = await sign_in(context, served)
    await first.reload()
    await expect(first.get_by_role("navigation")).to_be_visible()
    second = await context.new_page()
    await second.goto(f"{served.url}/calls")
    await expect(second.get_by_role("heading", name="Calls")).to_be_visible()

    await first.get_by_role("button", name="Sign out").click()
    await expect(first.get_by_role("heading", name="Sign in")).to_be_visible()
    await second.reload()
    await expect(second.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_tab_that_stays_open_stays_signed_in(context: BrowserContext, serve: Serve, database: Database) -> None:
    page = await sign_in(context, await serve())
    await page.clock.install()
    await page.reload()
    await expect(page.get_by_role("navigation")).to_be_visible()
    async with database.writing() as conn:
        soon = sa.update(sessions).values(expires_at=moment(conn) + timedelta(days=1))
        await conn.execute(soon)
    async with page.expect_response("**/v1/session") as asked:
        await page.clock.fast_forward(3_600_000)
    assert (await (await asked.value).json())["expires_at"] > iso(datetime.now(UTC) + timedelta(days=6))


async def test_a_session_that_is_over_costs_nothing_that_is_typed(context: BrowserContext, serve: Serve) -> None:
    served = await serve()
    page = await sign_in(context, served)
    async with page.expect_response("**/v1/agents/llm-options"):  # or what it still asks for asks for a key
        await page.goto(f"{served.url}/agents/new")
    await page.get_by_label("Name", exact=True).fill("Reception")
    await context.clear_cookies()
    await page.get_by_role("button", name="Create the agent").click()
    again = page.get_by_role("dialog", name="Sign in again")
    await accessibility.check(page)
    await again.get_by_label("Secret key").fill(served.key)
    await again.get_by_role("button", name="Sign in").click()
    await expect(again).to_have_count(0)
    await expect(page.get_by_role("alert")).to_contain_text("sign in and press it again")
    await page.get_by_role("button", name="Create the agent").click()
    await expect(page.get_by_role("heading", name="Reception")).to_be_visible()

    await page.get_by_role("link", name="Webhooks").click()
    await expect(page.get_by_text("No endpoint")).to_be_visible()
    await context.clear_cookies()
    await page.get_by_role("link", name="Agents").click()
    await again.get_by_label("Secret key").fill(served.key)
    await again.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("link", name="Reception", exact=True)).to_be_visible()  # what it wanted comes then


async def test_a_session_that_is_over_is_said_as_long_as_nobody_signs_in(context: BrowserContext, serve: Serve) -> None:
    served = await serve()
    page = await context.new_page()
    await page.add_init_script(DEADLINES)
    await page.goto(f"{served.url}/agents#key={served.key}")
    await expect(page.get_by_text("There is no agent yet.")).to_be_visible()
    await context.clear_cookies()
    await page.get_by_role("link", name="Calls").click()
    again = page.get_by_role("dialog", name="Sign in again")
    await expect(again).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(again).to_have_count(0)
    await expect(page.get_by_role("alert")).to_contain_text("The session is over.")
    await page.evaluate(PASS_DEADLINES)
    await page.get_by_role("alert").get_by_role("button", name="Sign in").click()
    await again.get_by_label("Secret key").fill(served.key)
    await again.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("There was no call yet.")).to_be_visible()
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_tab_goes_on_under_no_other_tenant(context: BrowserContext, serve: Serve) -> None:
    served, other = await serve(), await serve()
    first, second = await sign_in(context, served), await context.new_page()
    await second.goto(f"{served.url}/agents")
    await second.get_by_role("button", name="Sign out").click()
    await expect(first.get_by_role("dialog", name="Sign in again")).to_be_visible()
    await first.evaluate(KEPT)
    await second.get_by_label("Secret key").fill(served.key)
    await second.get_by_role("button", name="Sign in").click()
    await expect(first.get_by_role("dialog")).to_have_count(0)  # it is in again too, as it was
    assert not await first.evaluate(ANEW)
    await second.get_by_role("button", name="Sign out").click()
    await second.get_by_label("Secret key").fill(other.key)
    await second.get_by_role("button", name="Sign in").click()
    await first.wait_for_function(ANEW)
    await expect(first.get_by_role("heading", name="Live")).to_be_visible()


async def test_a_page_of_which_a_part_does_not_come_says_so(context: BrowserContext, serve: Serve) -> None:
    served = await serve()
    page = await context.new_page()
    await page.route("**/web/api.js", lambda route: route.abort())
    await page.goto(served.url)
    await expect(page.get_by_text("load the page again")).to_be_visible()
    await page.unroute("**/web/api.js")
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page.get_by_text("load the page again")).to_have_count(0)


async def test_an_address_with_a_key_signs_in_an_open_tab_and_asks_before_it_takes_the_place_of_another_tenant(
    context: BrowserContext, serve: Serve
) -> None:
    served, other = await serve(), await serve()
    page = await context.new_page()
    await page.goto(f"{served.url}/agents")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.evaluate(OPEN, served.key)
    await expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    assert page.url == f"{served.url}/agents"
    (mine,) = await context.cookies(served.url)

    for wrong in ("sb_secret_wrong", "sb_secret_\N{HORIZONTAL ELLIPSIS}"):
        await page.evaluate(OPEN, wrong)
        await expect(page.get_by_role("alert")).to_contain_text("This key is not accepted")
        await page.get_by_role("button", name="Close this notice").click()
        await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(page.get_by_role("heading", name="Agents")).to_be_visible()

    await page.evaluate(OPEN, other.key)
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert await context.cookies(served.url) == [mine]
    await page.evaluate(OPEN, other.key)
    await page.evaluate(KEPT)
    await page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
    await page.wait_for_function(ANEW)
    await expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    await expect(page.get_by_role("alert")).to_be_hidden()
    assert await context.cookies(served.url) != [mine]

    await context.clear_cookies()  # a session that is over, and whose page is still there
    await page.evaluate(KEPT)
    await page.evaluate(OPEN, served.key)
    await page.wait_for_function(ANEW)
    await expect(page.get_by_role("heading", name="Live")).to_be_visible()


async def test_what_was_written_is_asked_for_before_the_session_ends_and_not_on_the_way_to_the_page_itself(
    context: BrowserContext, serve: Serve
) -> None:
    served = await serve()
    page = await sign_in(context, served)
    await page.get_by_role("link", name="Agents").click()
    await expect(page.get_by_role("main")).to_be_focused()
    await page.get_by_role("main").get_by_role("link", name="New agent").click()
    await page.get_by_label("Name", exact=True).fill("Reception")
    await page.get_by_role("link", name="Skip to the page").press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_focused()
    assert await context.cookies(served.url)
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

"""The Calls page: what a row tells, filters in the address, pages, the table to take away, and what goes wrong."""

import asyncio
import re

import pytest
import sqlalchemy as sa
from playwright.async_api import Browser, Download, Locator, Page, Route, expect

from calls.analysis.parts import end_part
from calls.database.engine import Database
from calls.placing.creation import NewCall, NewParticipant, create_calls
from calls.tables import calls
from tests.pipeline.finished import finished_call, running_call
from tests.web import accessibility
from tests.web.conftest import Serve, Served, new_context
from tests.web.console import ask, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTH = {"summary": {"enabled": True}, "evaluation": {"rubric": "Was it kind?"}}


async def analysed(database: Database, tenant_id: str, *, passed: bool) -> str:
    """A call that is over, and how it went."""
    call_id = await finished_call(database, BOTH, tenant_id=tenant_id)
    async with database.writing() as conn:
        await end_part(conn, call_id, 1, "summary", value={"summary": "Short.", "sentiment": "positive"})
        verdict = {"passed": passed, "score": 1.0, "reasoning": "It was."}
        await end_part(conn, call_id, 1, "evaluation", value=verdict)
    return call_id


def rows(page: Page) -> Locator:
    return page.get_by_role("table").locator("tbody").get_by_role("row")


async def test_without_calls_the_page_says_how_there_come_to_be_some(browser: Browser, served: Served) -> None:
    async with opened(browser, served, "/calls") as page:
        await expect(page.get_by_text("There was no call yet.")).to_be_visible()
        await accessibility.check(page)


async def test_rows_tell_how_calls_went_and_filters_stand_in_the_address(
    browser: Browser, served: Served, database: Database
) -> None:
    mine = served.tenant_id
    bad, good = [await analysed(database, mine, passed=passed) for passed in (False, True)]
    running, _ = await running_call(database, {}, tenant_id=mine)
    async with opened(browser, served, "/calls") as page:
        await expect(rows(page)).to_have_count(3)
        await expect(rows(page).nth(0)).to_contain_text(re.compile("Aria.*ada browser.*in progress"))
        await expect(rows(page).nth(1)).to_contain_text(re.compile("caller hung up.*positive.*(?<!not )passed"))
        await expect(rows(page).nth(2)).to_contain_text("not passed")
        hrefs = [await row.get_by_role("link").first.get_attribute("href") for row in await rows(page).all()]
        assert hrefs == [f"/calls/{call_id}" for call_id in (running, good, bad)]
        await accessibility.check(page)

        await page.get_by_label("Status").select_option("completed")
        await expect(rows(page)).to_have_count(2)
        await page.get_by_label("Order").select_option("Oldest first")
        await expect(rows(page).nth(0)).to_contain_text("not passed")
        await page.get_by_label("Words said").fill("table ")
        await expect(page).to_have_url(f"{served.url}/calls?status=completed&order=asc&words=table")
        await expect(page.get_by_label("Words said")).to_have_value("table ")  # another word may come
        await page.reload()
        await expect(rows(page)).to_have_count(2)
        await expect(page.get_by_label("Words said")).to_have_value("table")

        async with page.expect_download() as taken:
            await page.get_by_role("link", name="Download as CSV").click()
        assert {bad, good} == await ids(await taken.value)
        await page.get_by_label("Number or identity").fill("nobody")
        await expect(page.get_by_text("No call is like that.")).to_be_visible()
        await accessibility.check(page)
        await page.get_by_role("button", name="Clear the filters").first.click()
        await expect(rows(page)).to_have_count(3)


async def ids(table: Download) -> set[str]:
    """Those of the calls in a table."""
    lines = (await table.path()).read_text("utf-8-sig").splitlines()[1:]
    return {line.split(",")[0] for line in lines}


async def test_days_are_those_of_the_reader_and_the_last_one_is_in(
    browser: Browser, serve: Serve, database: Database
) -> None:
    served = await serve()
    call_id = await finished_call(database, {}, tenant_id=served.tenant_id)
    async with database.writing() as conn:
        at = sa.func.datetime("2026-03-01 22:30:00")  # half past eleven at night in Berlin
        await conn.execute(sa.update(calls).where(calls.c.id == call_id).values(created_at=at))
    async with await new_context(browser, timezone_id="Europe/Berlin") as context:
        page = await context.new_page()
        await page.goto(f"{served.url}/calls?from=2026-03-01&to=2026-03-01#key={served.key}")
        await expect(rows(page)).to_have_count(1)
        await page.get_by_label("From").fill("2026-03-02")
        await expect(page.get_by_text("No call is like that.")).to_be_visible()
        await page.get_by_label("From").fill("")
        await expect(rows(page)).to_have_count(1)


async def test_pages_follow_each_other_and_a_failed_one_is_asked_for_again(
    browser: Browser, serve: Serve, database: Database
) -> None:
    served = await serve()
    agent = await ask(served, "POST", "/v1/agents", {"name": "Reception"})
    mine = served.tenant_id
    placed = {"id": agent["id"], "name": "Reception"}
    async with database.writing() as conn:
        await create_calls(conn, [NewCall(mine, placed, [NewParticipant("webrtc", "ada")]) for _ in range(120)])
    await ask(served, "DELETE", f"/v1/agents/{agent['id']}")
    async with opened(browser, served, "/calls") as page:
        await expect(page.get_by_text("120 calls")).to_be_visible()
        await expect(rows(page)).to_have_count(50)
        await expect(rows(page).nth(0)).to_contain_text("Reception")
        await page.get_by_role("button", name="Show more").click()
        await expect(rows(page)).to_have_count(100)

        async def fail(route: Route) -> None:
            await route.abort()

        await page.route("**/v1/calls?*", fail)
        await page.get_by_role("button", name="Show more").click()
        await expect(page.get_by_text("Callroom does not answer.")).to_be_visible()
        await expect(rows(page)).to_have_count(100)
        await page.unroute("**/v1/calls?*")
        await page.get_by_role("button", name="Show more").click()
        await expect(rows(page)).to_have_count(120)
        await expect(page.get_by_role("button", name="Show more")).to_be_hidden()

        link = rows(page).nth(110).get_by_role("link").first
        await link.click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Reception")
        await page.go_back()
        await expect(rows(page)).to_have_count(120)
        await expect(link).to_be_in_viewport()

        late = asyncio.Event()

        async def hold(route: Route) -> None:
            await late.wait()
            await route.abort()

        await page.route("**/v1/calls?*", hold)
        await page.get_by_label("Status").select_option("failed")  # of which the rows that are there are none
        await expect(page.get_by_text("Looking for them")).to_be_visible()
        await expect(page.get_by_text("120 calls")).to_be_hidden()
        late.set()
        await expect(page.get_by_text("Callroom does not answer.")).to_be_in_viewport()
        await expect(rows(page)).to_have_count(0)
        await page.unroute("**/v1/calls?*")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_text("No call is like that.")).to_be_visible()

        await page.route("**/v1/agents/names?*", fail)
        await page.reload()
        await expect(page.get_by_text("The agents could not be loaded")).to_be_visible()
        await page.unroute("**/v1/agents/names?*")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_text("The agents could not be loaded")).to_be_hidden()


async def test_a_filter_that_is_refused_is_said_at_its_field(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with opened(browser, served, "/calls?words=%3F%21&agent_id=nobody&from=yesterday&to=2026-13-45") as page:
        for name, said in (
            ("Words said", "expected a word"),
            ("Agent", "agent"),
            ("From", "expected a date"),
            ("To", "expected a date"),
        ):
            await expect(page.get_by_label(name)).to_have_attribute("aria-invalid", "true")
            described = await page.get_by_label(name).get_attribute("aria-describedby")
            if name != "Agent":
                await expect(page.locator(f"#{described}")).to_contain_text(said)
        await expect(page.get_by_role("table")).to_be_hidden()
        await accessibility.check(page)
        await page.get_by_role("button", name="Clear the filters").click()
        await expect(page.get_by_text("There was no call yet.")).to_be_visible()

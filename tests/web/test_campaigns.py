"""The Campaigns pages: a table becomes calls, once; its progress and its end."""

import pytest
from playwright.async_api import Browser, FilePayload, Page, Route, expect

from calls.database.engine import Database
from calls.states import EndReason
from calls.store import CallStore
from tests.web import accessibility
from tests.web.conftest import Serve, Served
from tests.web.console import ask, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEAD = "\ufeffName;Telefon;Table\r\n"
ROWS = (
    '"Hopper; Grace";+49 30 1234567;4\r\n"Ada ""the first""";0049 30 1234568;2\r\n'
    "\r\nBob;555;1\r\nEve;+49(30)1234567;3\r\n"
)
UNLISTED = "+4930999999"


async def load(page: Page, table: str, encoding: str = "utf-8") -> None:
    """Choose a file with these rows."""
    file: FilePayload = {"name": "guests.csv", "mimeType": "text/csv", "buffer": table.encode(encoding)}
    await page.get_by_label("CSV file").set_input_files(file)


async def confirm(page: Page, submit: str) -> None:
    await page.get_by_role("button", name=submit).click()
    await page.get_by_role("button", name="Call them").click()


_numbers = (f"+1555987{number}" for number in range(1000, 10_000))


async def equip(served: Served) -> str:
    """An agent, whose id is returned, and a number of the tenant's own: each is one tenant's only."""
    await ask(served, "POST", "/v1/numbers", {"number": next(_numbers)})
    return str((await ask(served, "POST", "/v1/agents", {"name": "Reception"}))["id"])


async def begin(served: Served, *numbers: str) -> None:
    """A campaign of these, made over the API."""
    agent_id = await equip(served)
    body = {"agent_id": agent_id, "batch_id": "Spring / May", "to": list(numbers)}
    await ask(served, "POST", "/v1/calls/batch", body)


async def fail(served: Served, call_id: str) -> None:
    """As a pipeline does it where no phone can be called."""
    database = Database(served.settings.database)
    async with database.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.TELEPHONY_UNAVAILABLE)
    await database.close()


async def test_a_table_becomes_calls_and_says_which_rows_do_not(browser: Browser, serve: Serve) -> None:
    served = await serve()
    await equip(served)
    await ask(served, "POST", "/v1/dnc", {"phone_number": UNLISTED})
    async with opened(browser, served, "/campaigns") as page:
        await expect(page.get_by_text("No campaign yet")).to_be_visible()
        await accessibility.check(page)
        await page.get_by_role("link", name="New campaign").click()
        await expect(page.get_by_text("Phone calls do not work now: No SIP trunk is configured.")).to_be_visible()
        await load(page, "")
        await expect(page.get_by_text("There is no row in this file.")).to_be_visible()
        await load(page, HEAD + ROWS + f"Mallory;{UNLISTED};9\r\n")
        await expect(page.get_by_label("Use of column 2")).to_have_value("phone")
        await expect(page.get_by_role("row", name="5 555")).to_contain_text("no country code")
        await expect(page.get_by_role("row", name="6 +49(30)1234567")).to_contain_text("the same number as in line 2")
        await page.get_by_label("Name of column 1").fill("guest")
        await page.get_by_label("Use of column 3").select_option("metadata of the call")
        await accessibility.check(page)
        await page.get_by_label("Name", exact=True).fill("Spring")
        await page.get_by_role("button", name="Call 3 people").click()
        await expect(page.get_by_role("dialog")).to_contain_text("No SIP trunk is configured.")
        await page.get_by_role("button", name="Call them").click()
        await expect(page.get_by_text("2 calls are placed.")).to_be_visible()
        await expect(page.get_by_role("heading", name="New campaign")).to_be_focused()  # the button went with the form
        await expect(page.get_by_text("Phone calls do not work now: No SIP trunk is configured.")).to_be_visible()
        await expect(page.get_by_role("row", name=f"7 {UNLISTED}")).to_contain_text("on the do-not-call list")
        await accessibility.check(page)
        await page.get_by_role("link", name="Follow Spring").click()
        await expect(page.get_by_role("heading", name="Spring")).to_be_visible()
    calls = (await ask(served, "GET", "/v1/calls?batch_id=Spring"))["calls"]
    details = [await ask(served, "GET", f"/v1/calls/{call['id']}") for call in calls]
    told = [
        (call["participants"][0]["identity"], call["variables"], call["metadata"]["Table"])
        for call in sorted(details, key=lambda call: str(call["participants"][0]["identity"]))
    ]
    assert told == [
        ("+49301234567", {"guest": "Hopper; Grace"}, "4"),
        ("+49301234568", {"guest": 'Ada "the first"'}, "2"),
    ]


async def test_a_lost_answer_of_a_part_and_another_try_call_nobody_twice(browser: Browser, serve: Serve) -> None:
    served = await serve()
    await equip(served)
    async with opened(browser, served, "/campaigns/new") as page:

        async def lose_second(route: Route) -> None:
            answer = await route.fetch()
            sent.append(route)
            await (route.abort() if len(sent) == 2 else route.fulfill(response=answer))

        sent: list[Route] = []
        works = {"connected": True, "provider": "sip", "reason": None}
        await page.route("**/v1/telephony/status", lambda route: route.fulfill(json=works))
        await page.route("**/v1/calls/batch", lose_second, times=2)
        await page.get_by_label("Or paste the rows").fill("".join(f"+4930{at}\t{at}\n" for at in range(10_000, 10_502)))
        await expect(page.get_by_label("The first row names the columns")).not_to_be_checked()
        name = "Напоминание о записи к стоматологу на ноябрь месяц"
        await page.get_by_label("Name", exact=True).fill(name)
        await confirm(page, "Call 502 people")
        await expect(page.get_by_role("alert").filter(has_text="500 of 502 people are sent")).to_be_visible()
        await expect(page.get_by_role("alert").filter(has_text="Callroom does not answer")).to_be_visible()
        await confirm(page, "Call 2 people")
        await expect(page.get_by_text("502 calls are on the way.")).to_be_visible()
    assert (await ask(served, "GET", "/v1/calls"))["total"] == 502


async def test_what_a_table_lacks_is_said_before_anybody_is_called(browser: Browser, serve: Serve) -> None:
    served = await serve()
    await equip(served)
    async with opened(browser, served, "/campaigns/new") as page:
        rows = page.get_by_label("Or paste the rows")
        await rows.fill('phone,name\n+4930123456,"Ann\n+4930123457,Bob')
        await expect(page.get_by_text("A quote that begins in line 2 does not end.")).to_be_visible()
        await rows.fill("0151123456,Ann\n+4930123457,Bob")
        await expect(page.get_by_role("row", name="1 0151123456")).to_contain_text("no country code")
        await rows.fill("sep=;\nphone;name;name\n+4930123457;Bob;Smith")
        await expect(page.get_by_role("alert").filter(has_text="Another column has this name.")).to_be_visible()
        await expect(page.get_by_role("button", name="Call 1 person")).to_be_disabled()
        await page.get_by_label("Name of column 3").fill("last_name")
        await expect(page.get_by_role("button", name="Call 1 person")).to_be_enabled()


async def test_a_name_that_another_campaign_has_is_said(browser: Browser, serve: Serve) -> None:
    served = await serve()
    await begin(served, "+4930111222")
    async with opened(browser, served, "/campaigns/new") as page:
        await load(page, "Ren\u00e9,+4930111444\n", "windows-1252")
        await expect(page.get_by_role("cell", name="Ren\u00e9")).to_be_visible()
        await page.get_by_label("Name", exact=True).fill("Spring / May")
        await confirm(page, "Call 1 person")
        await expect(page.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    assert (await ask(served, "GET", "/v1/calls"))["total"] == 1


async def test_a_campaign_shows_its_progress_as_it_goes_and_is_canceled(browser: Browser, serve: Serve) -> None:
    served = await serve()
    await begin(served, "+4930111222", "+4930111333", "nobody")
    async with opened(browser, served, "/campaigns") as page:
        full = {"Retry-After": "1"}
        await page.route("**/v1/calls/stream", lambda route: route.fulfill(status=429, headers=full, json={}))
        await page.get_by_role("link", name="Spring / May").click()
        await expect(page.get_by_text("2 waiting")).to_be_visible()
        await expect(page.get_by_role("row", name="nobody")).to_contain_text("expected a phone number")
        await accessibility.check(page)
        first, waiting = (await ask(served, "GET", "/v1/calls"))["calls"]
        await expect(page.get_by_text("What is shown here may be old")).to_be_visible()
        await ask(served, "POST", f"/v1/calls/{first['id']}/end")
        await page.unroute("**/v1/calls/stream")
        await expect(page.get_by_text("1 completed, 1 waiting")).to_be_visible()
        await page.get_by_role("button", name="Cancel the campaign").click()
        await page.get_by_role("button", name="Cancel it").click()
        await expect(page.get_by_role("heading", name="canceled")).to_be_visible()
        await expect(page.get_by_role("button", name="Cancel the campaign")).to_be_hidden()
        await fail(served, waiting["id"])
        reason = page.get_by_role("row", name="telephony unavailable")
        await expect(reason).to_contain_text("1")
        await expect(reason.get_by_role("link")).to_have_attribute(
            "href", "/calls?batch_id=Spring+%2F+May&end_reason=telephony_unavailable&status=failed"
        )
        await accessibility.check(page)
        await expect(page.get_by_role("link", name="Its calls")).to_have_attribute(
            "href", "/calls?batch_id=Spring+%2F+May"
        )
    batch = await ask(served, "GET", "/v1/calls/batch/Spring%20%2F%20May")
    assert batch["status"] == "canceled"

"""The Usage page: figures, charts and tables of the days that the address names."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.async_api import Browser, expect

from calls.database.engine import Database
from calls.usage import Place, count_answers, count_call, steps
from tests.web import accessibility
from tests.web.conftest import Serve, Served
from tests.web.console import ask, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

DELETED = "550e8400-e29b-41d4-a716-446655440000"


async def count(served: Served, agent_id: str, day: date, talked: int, unanswered: int) -> None:
    """As if so many calls had been over."""
    place = Place(served.tenant_id, day, agent_id)
    database = Database(served.settings.database)
    async with database.writing() as conn:
        await count_call(conn, place, "completed", "caller_hung_up", calls=talked, seconds=90 * talked, micros=50_000)
        await count_call(conn, place, "failed", "no_answer", calls=unanswered)
        await count_answers(conn, place, steps([900] * talked))
    await database.close()


async def test_usage_shows_the_days_and_the_agent_that_the_address_names(browser: Browser, serve: Serve) -> None:
    served = await serve()
    first = await ask(served, "POST", "/v1/agents", {"name": "Reception"})
    other = await ask(served, "POST", "/v1/agents", {"name": "Sales"})
    today = datetime.now(UTC).date()
    async with opened(browser, served, "/usage") as page:
        await expect(page.get_by_text("No call was over in these days")).to_be_visible()
        await accessibility.check(page)
        await count(served, first["id"], today, 20, 5)
        await count(served, other["id"], today - timedelta(days=1), 10, 0)
        await page.reload()
        by_agent = page.get_by_role("region", name="Usage by agent")
        await expect(by_agent.get_by_role("row", name="Reception")).to_contain_text("25")
        await expect(by_agent.get_by_role("row", name="Sales")).to_contain_text("10")
        await expect(page.get_by_role("region", name="Usage by day").get_by_role("row")).to_have_count(3)
        await expect(page.get_by_role("listitem").filter(has_text="no answer")).to_contain_text("5")
        await expect(page.get_by_role("img", name="Calls a day")).to_be_visible()
        await accessibility.check(page)

        await page.get_by_role("combobox", name="Agent").select_option("Sales")
        await expect(by_agent.get_by_role("row", name="Reception")).to_be_hidden()
        await page.get_by_label("From", exact=True).fill(str(today))
        await expect(page.get_by_text("No call was over in these days")).to_be_visible()
        assert page.url.endswith(f"/usage?agent_id={other['id']}&from={today}")
        await page.reload()
        await expect(page.get_by_text("No call was over in these days")).to_be_visible()
        await page.get_by_label("To", exact=True).fill(str(today - timedelta(days=9)))
        await expect(page.get_by_label("From", exact=True)).to_have_attribute("aria-invalid", "true")
        await page.get_by_label("From", exact=True).fill(str(today - timedelta(days=20)))
        await page.get_by_label("To", exact=True).fill(str(today))
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Download CSV").click()
        table = (await (await downloading.value).path()).read_text(encoding="utf-8-sig").splitlines()
        await page.get_by_role("region", name="Usage by day").get_by_role("link").click()
        await expect(page.get_by_text("No call is like that.")).to_be_visible()
        await expect(page.get_by_label("From", exact=True)).to_have_accessible_description(re.compile("or later"))
        await page.goto(f"{served.url}/usage?from={today.year}-01-31")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.get_by_label("From", exact=True).focus()
        await page.keyboard.type(f"0201{today.year}")  # on the way there is the 31st of February, and a year 2
        await expect(page.get_by_label("From", exact=True)).to_have_value(f"{today.year}-02-01")
        await expect(page).to_have_url(re.compile(f"from={today.year}-02-01"))
        assert {url for url in asked if "from_day=" in url and f"from_day={today.year}-" not in url} == set()
        await page.goto(f"{served.url}/usage?agent_id={DELETED}")
        await expect(page.get_by_role("combobox", name="Agent")).to_have_value(DELETED)
        assert table[1].startswith(f"{today - timedelta(days=1)},{other['id']},Sales,10,10,0,15,0.05,10,")

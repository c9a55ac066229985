"""The Numbers page: the trunk, numbers and their agents, the do-not-call list."""

import pytest
from playwright.async_api import Browser, expect

from tests.web import accessibility
from tests.web.conftest import Serve
from tests.web.console import ask, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

OURS, THEIRS = "+15559876543", "+15551234567"


async def test_a_trunk_is_put_without_its_password_being_shown_and_removed(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with opened(browser, served, "/numbers") as page:
        await expect(page.get_by_text("No SIP trunk is configured.")).to_be_visible()
        await accessibility.check(page)
        await page.get_by_role("button", name="Connect a trunk").click()
        await page.get_by_label("Calls go to").fill("sip.example.com")
        await page.get_by_label("User name").fill("me")
        await page.get_by_label("Password").fill("secret of the trunk")
        await page.get_by_label("Calls come from").fill("192.0.2.0/24\nnowhere")
        await page.get_by_role("button", name="Save the trunk").click()
        await expect(page.get_by_label("Calls come from")).to_have_attribute("aria-invalid", "true")
        await accessibility.check(page)
        await page.get_by_label("Calls come from").fill("192.0.2.0/24, 192.0.2.7")
        await page.get_by_role("button", name="Save the trunk").click()
        await expect(page.get_by_text("sip.example.com over UDP")).to_be_visible()
        await expect(page.get_by_text("The tenant has no numbers yet")).to_have_count(2)
        await page.get_by_role("button", name="Change the trunk").click()
        await expect(page.get_by_label("Password")).to_have_value("")
        assert "secret of the trunk" not in await page.content()
        await page.get_by_label("Transport").select_option("tls")
        await page.get_by_role("button", name="Save the trunk").click()
        await expect(page.get_by_text("sip.example.com over TLS")).to_be_visible()
        trunk = await ask(served, "GET", "/v1/telephony/trunk")
        assert (trunk["username"], trunk["allowed_addresses"]) == ("me", ["192.0.2.0/24", "192.0.2.7"])
        await page.clock.install()
        await page.reload()
        await expect(page.get_by_text("sip.example.com over TLS")).to_be_visible()
        await page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.clock.fast_forward(70_000)
        assert asked == [], "nobody sees the page"
        async with page.expect_request("**/v1/telephony/status"):
            await page.evaluate("delete document.hidden, document.dispatchEvent(new Event('visibilitychange'))")
        await page.get_by_role("button", name="Remove the trunk").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(page.get_by_role("button", name="Connect a trunk")).to_be_visible()
        await expect(page.get_by_role("heading", name="SIP trunk")).to_be_focused()


async def test_a_number_is_added_answered_by_an_agent_and_removed(browser: Browser, serve: Serve) -> None:
    served = await serve()
    agent = await ask(served, "POST", "/v1/agents", {"name": "Reception"})
    twins = [await ask(served, "POST", "/v1/agents", {"name": "Bar"}) for _ in range(2)]
    async with opened(browser, served, "/numbers") as page:
        await page.get_by_role("button", name="Add a number").click()
        await page.get_by_label("Number", exact=True).fill("555")
        await page.get_by_role("dialog").get_by_role("button", name="Add the number").click()
        await expect(page.get_by_label("Number", exact=True)).to_have_attribute("aria-invalid", "true")
        await page.get_by_label("Number", exact=True).fill("+1 555 987 6543")
        await page.get_by_role("dialog").get_by_role("button", name="Add the number").click()
        await expect(page.get_by_text(f"{OURS} is added.")).to_be_visible()
        choice = page.get_by_label(f"Agent that answers {OURS}")
        await expect(choice.get_by_role("option")).to_have_count(1)
        await choice.focus()
        for twin in twins:
            await expect(choice.get_by_role("option", name=f"Bar ({twin['id'][:8]})")).to_have_count(1)
        await choice.select_option("Reception")
        await expect(page.get_by_text(f"Reception answers {OURS}.")).to_be_visible()
        assert (await ask(served, "GET", "/v1/numbers"))["numbers"][0]["agent_id"] == agent["id"]
        await accessibility.check(page)
        await choice.select_option("nobody")
        await expect(page.get_by_text(f"Nobody answers {OURS}.")).to_be_visible()
        assert (await ask(served, "GET", "/v1/numbers"))["numbers"][0]["agent_id"] is None
        await page.get_by_role("button", name=f"Remove {OURS}").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(page.get_by_text("No number yet")).to_be_visible()


async def test_numbers_come_onto_the_do_not_call_list_and_off_again(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with opened(browser, served, "/numbers") as page:
        await page.get_by_role("button", name="Add numbers").click()
        await page.get_by_label("Numbers", exact=True).fill(f"{THEIRS}\nnobody")
        await page.get_by_label("Why").fill("Asked not to be called")
        await page.get_by_role("button", name="Add to the list").click()
        await expect(page.get_by_label("Numbers", exact=True)).to_have_value("nobody")
        await expect(page.get_by_text("1 line is no phone number")).to_be_visible()
        await accessibility.check(page)
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("row", name=THEIRS)).to_contain_text("Asked not to be called")
        check = page.get_by_label("Is a number on the list?")
        await check.fill("+1 (555) 123-4567")
        await page.get_by_role("button", name="Check").click()
        await expect(page.get_by_text("is on the list")).to_be_visible()
        await check.fill(OURS)
        await page.get_by_role("button", name="Check").click()
        await expect(page.get_by_text("may be called")).to_be_visible()
        await accessibility.check(page)
        await page.get_by_role("button", name=f"Take off {THEIRS}").click()
        await page.get_by_role("button", name="Take off", exact=True).click()
        await expect(page.get_by_text("Nobody is on the list")).to_be_visible()


async def test_a_long_list_stays_as_long_and_the_focus_where_it_was(browser: Browser, serve: Serve) -> None:
    served = await serve()
    numbers = [f"+1555000{n:04}" for n in range(120)]
    await ask(served, "POST", "/v1/dnc/batch", {"phone_numbers": numbers})
    async with opened(browser, served, "/numbers") as page:
        shown = page.get_by_role("button", name="Take off +1")
        await expect(shown).to_have_count(50)
        more = page.get_by_role("button", name="Show more")
        await more.focus()
        await page.keyboard.press("Enter")
        await expect(shown).to_have_count(100)
        await expect(more).to_be_focused()
        gone, following = [str(await shown.nth(at).get_attribute("aria-label")) for at in (70, 71)]
        await page.get_by_role("button", name=gone).focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("dialog").get_by_role("button", name="Take off", exact=True).press("Enter")
        await expect(page.get_by_role("button", name=gone)).to_have_count(0)
        await expect(page.get_by_role("button", name=following)).to_be_focused()
        await expect(shown).to_have_count(100)
        await more.focus()
        await page.keyboard.press("Enter")
        await expect(shown).to_have_count(119)
        await expect(page.locator(":focus")).to_contain_text(numbers[0])

"""The API reference in a browser: whoever is signed in tries everything out as it stands there."""

import pytest
from playwright.async_api import Browser, Dialog, expect

from tests.web.conftest import Serve
from tests.web.test_page import ask, open_page

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_who_is_signed_in_tries_it_out_as_it_comes(browser: Browser, serve: Serve) -> None:
    served = await serve()
    agent = (await ask(served, "/v1/agents", {"name": "Reception"}))["id"]
    async with open_page(browser) as page:
        await page.goto(f"{served.url}/docs")
        await expect(page.get_by_role("status")).to_contain_text("Sign in")
        await expect(page.get_by_role("link", name="Console")).to_have_attribute("href", "/")
        ours = {"X-Callroom-Session": "1"}
        signed_in = await page.request.post(f"{served.url}/v1/session", data={"key": served.key}, headers=ours)
        assert signed_in.status == 201

        await page.goto("about:blank")  # or only the place in the page changes, which may not be drawn yet
        await page.goto(f"{served.url}/docs#/calls/placing_create")
        await expect(page.get_by_role("status")).to_contain_text("Signed in for tests")
        create = page.locator("#operations-calls-placing_create")
        await create.get_by_role("button", name="Try it out").click()
        await create.get_by_role("button", name="Execute").click()
        await expect(create.locator(".live-responses-table .response-col_status").last).to_have_text("201")
        await page.set_viewport_size({"width": 360, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        (call,) = (await ask(served, "/v1/calls"))["calls"]
        assert call["agent_id"] == agent

        await page.goto("about:blank")
        await page.goto(f"{served.url}/docs#/calls/erasure_erase")
        erase = page.locator("#operations-calls-erasure_erase")
        await erase.get_by_role("button", name="Try it out").click()
        which = erase.get_by_role("textbox", name="id")
        await expect(which).to_have_value("")
        await which.fill(call["id"])
        asked: list[str] = []

        async def refuse(dialog: Dialog) -> None:
            asked.append(dialog.message)
            await dialog.dismiss()

        page.on("dialog", refuse)
        await erase.get_by_role("button", name="Execute").click()
        await expect(erase.locator(".live-responses-table")).to_contain_text("It was not sent.")
        assert asked == [f"Really send DELETE /v1/calls/{call['id']}?"]
    assert (await ask(served, f"/v1/calls/{call['id']}"))["id"] == call["id"]

"""The API reference in a browser: all of the API, which whoever is signed in tries out as it stands there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from playwright.async_api import Browser, Dialog, Page, expect

from demo.client import Client, Json
from tests.web.conftest import Serve, Served, new_context

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def open_page(browser: Browser) -> AsyncIterator[Page]:
    """A tab that knows nothing of the others."""
    async with await new_context(browser) as context:
        yield await context.new_page()


async def ask(served: Served, path: str, body: Json | None = None) -> Json:
    """A request of our own to the api: GET, or POST with a body."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, served.url, served.key)
        return await (client.get(path) if body is None else client.post(path, body))


async def test_the_reference_draws_every_operation_asks_no_other_machine_and_leads_to_signing_in(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    reference = await ask(served, "/openapi.json")
    paths = reference["paths"] | reference["webhooks"]
    operations = sorted(path for path, methods in paths.items() for _ in methods)
    async with open_page(browser) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{served.url}/docs")
        await expect(page.get_by_role("status")).to_contain_text("Sign in")
        await expect(page.get_by_role("link", name="Console")).to_have_attribute("href", "/")
        drawn = page.locator("[data-path]:visible")
        await expect(drawn).to_have_count(len(operations))
        assert sorted(await drawn.evaluate_all("all => all.map((one) => one.dataset.path)")) == operations
    assert [url for url in asked if not url.startswith((served.url, "data:"))] == []


async def test_who_is_signed_in_tries_it_out_as_it_comes(browser: Browser, serve: Serve) -> None:
    served = await serve()
    agent = (await ask(served, "/v1/agents", {"name": "Reception"}))["id"]
    async with open_page(browser) as page:
        ours = {"X-Callroom-Session": "1"}
        signed_in = await page.request.post(f"{served.url}/v1/session", data={"key": served.key}, headers=ours)
        assert signed_in.status == 201
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

        erase = page.locator("#operations-calls-erasure_erase")
        await erase.locator(".opblock-summary-control").click()
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

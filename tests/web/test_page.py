"""The way to a call on the page, and what it says when there is no way; without an agent worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from demo.client import Client, Json
from tests.servers import free_port
from tests.web.conftest import Serve, Served

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def open_page(browser: Browser, *, microphone: bool = True) -> AsyncIterator[Page]:
    """A tab that knows nothing of the others."""
    async with await browser.new_context(permissions=["microphone"] if microphone else []) as context:
        yield await context.new_page()


async def ask(served: Served, path: str, body: Json | None = None) -> Json:
    """A request of our own to the api: GET, or POST with a body."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, served.url, served.key)
        return await (client.get(path) if body is None else client.post(path, body))


async def call_of_page(served: Served) -> Json:
    """The one call that the page made."""
    (call,) = (await ask(served, "/v1/calls"))["calls"]
    return dict(call)


async def press_start(page: Page, served: Served) -> None:
    """Open the page with its key and press the button for the one agent that there is."""
    await ask(served, "/v1/agents", {"name": "Reception"})
    await page.goto(f"{served.url}/#key={served.key}")
    await page.get_by_role("button", name="Start the call").click()


async def test_a_key_leaves_the_address_and_a_first_agent_is_offered(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with open_page(browser) as page:
        await page.goto(f"{served.url}/#key={served.key}")
        await page.get_by_role("button", name="Create a first agent").click()
        await expect(page.get_by_label("Agent", exact=True)).to_have_text("Blue Door restaurant")
        assert served.key not in page.url
        await page.reload()
        await expect(page.get_by_role("button", name="Start the call")).to_be_visible()


async def test_a_denied_microphone_is_explained_before_there_is_a_call(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with open_page(browser, microphone=False) as page:
        await press_start(page, served)
        await expect(page.get_by_role("alert")).to_contain_text("The microphone is blocked")
        await expect(page.get_by_role("button", name="Start the call")).to_be_enabled()
    assert (await ask(served, "/v1/calls"))["calls"] == []


async def test_a_room_out_of_reach_is_said_and_its_call_is_ended(browser: Browser, serve: Serve) -> None:
    nowhere = f"ws://127.0.0.1:{free_port()}"
    served = await serve(livekit_public_url=nowhere)
    async with open_page(browser) as page:
        await press_start(page, served)
        await expect(page.get_by_role("alert")).to_contain_text(f"The LiveKit server at {nowhere} cannot be reached")
        await expect(page.get_by_role("button", name="Start the call")).to_be_enabled()
    assert (await call_of_page(served))["end_reason"] == "ended_by_api"


async def test_the_page_learns_how_its_call_ended_also_when_the_api_died_meanwhile(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    async with open_page(browser) as page:
        await press_start(page, served)
        await expect(page.get_by_text("Waiting for the agent")).to_be_visible()
        served.program.kill_group()
        served.program.start()
        await asyncio.to_thread(served.program.wait_ready)
        await ask(served, f"/v1/calls/{(await call_of_page(served))['id']}/end", {})
        await expect(page.get_by_role("button", name="New call")).to_be_visible()
        await expect(page.get_by_text("The call was ended")).to_be_visible()


async def test_the_reference_draws_every_path_and_asks_no_other_machine(browser: Browser, serve: Serve) -> None:
    served = await serve()
    paths = (await ask(served, "/openapi.json"))["paths"]
    async with open_page(browser) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{served.url}/docs")
        for path in paths:
            await expect(page.locator(f'[data-path="{path}"]').first).to_be_visible()
    assert [url for url in asked if not url.startswith((served.url, "data:"))] == []

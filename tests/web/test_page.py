"""The reference of the API as a page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

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

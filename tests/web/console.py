"""The console as a tab sees it that is signed in, and the api behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from playwright.async_api import Browser, Page, expect

from tests.web.conftest import Served, new_context


@asynccontextmanager
async def opened(browser: Browser, served: Served, path: str) -> AsyncIterator[Page]:
    """A tab of its own at this address of the console, signed in with the tenant's key."""
    async with await new_context(browser) as context:
        page = await context.new_page()
        await page.goto(f"{served.url}{path}#key={served.key}")
        await expect(page.get_by_role("main").get_by_role("heading", level=1)).to_be_visible()
        yield page


async def ask(served: Served, method: str, path: str, body: Any = None) -> Any:
    """A request of our own to the api; what it answers, None if that is nothing."""
    headers = {"Authorization": f"Bearer {served.key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, served.url + path, json=body, headers=headers) as response,
    ):
        response.raise_for_status()
        return orjson.loads(await response.read() or b"null")

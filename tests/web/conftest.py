"""A real Chromium with a microphone that plays a file, and nothing to reach but this machine."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from calls.database import DEFAULT_TENANT, Database
from calls.keys import create_secret_key
from tests.conftest import MakeSettings, Start

OpenPage = Callable[..., AbstractAsyncContextManager[Page]]

_FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
]


@pytest.fixture
def open_page() -> OpenPage:
    """`open_page(microphone)`: a tab whose microphone plays that wav once; without one, the microphone is denied."""

    @asynccontextmanager
    async def opened(microphone: Path | None = None) -> AsyncIterator[Page]:
        heard = [f"--use-file-for-fake-audio-capture={microphone}%noloop"] if microphone else []
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*_FLAGS, *heard])
            context = await browser.new_context(
                permissions=["microphone"] if microphone else [], viewport={"width": 820, "height": 900}
            )
            page = await context.new_page()
            page.set_default_timeout(60_000)
            yield page
            await browser.close()

    return opened


@pytest.fixture
async def served(start: Start, settings: MakeSettings) -> tuple[str, str]:
    """The address of an api process with an empty database, and a secret key for it."""
    made = settings()
    await start("api", made)
    database = Database(made.database)
    async with database.writing() as conn:
        _, key = await create_secret_key(conn, DEFAULT_TENANT, "tests")
    await database.close()
    return f"http://{made.api_host}:{made.api_port}", key

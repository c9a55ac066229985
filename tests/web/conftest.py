"""A real Chromium with a microphone that plays a file, and an api process to serve it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from calls.database.engine import Database
from calls.settings import Settings
from calls.tenants.keys import create_secret_key, create_tenant
from tests.servers import LiveKitServer, Program, free_port, process

# Each window of the browser would load parts of its own frame as a page of their own, and keep one more process for the
# next page: half of what a window costs. The last such list is the only one that counts, so this is Playwright's too.
_WITHOUT = [
    "SpareRendererForSitePerProcess",
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
]
_FLAGS = [
    f"--disable-features={','.join(_WITHOUT)}",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
]

PATIENCE_MS = 60_000

expect.set_options(timeout=PATIENCE_MS)


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """A browser whose microphone is no device; a page gets it only with the permission `microphone`."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*_FLAGS, *flags])
        yield browser
        await browser.close()


async def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A context of its own, whose pages are as patient as what is expected of them: a busy machine takes its time.

    Nothing moves in them for its looks: to draw that takes a processor's time as long as it lasts.
    """
    context = await browser.new_context(reduced_motion="reduce", **options)
    context.set_default_timeout(PATIENCE_MS)
    return context


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests of pages; each opens a context of its own."""
    async with chromium() as running:
        yield running


@dataclass(frozen=True)
class Served:
    """An api process, and a tenant that has nothing yet with its key."""

    url: str
    tenant_id: str
    key: str
    program: Program
    settings: Settings


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture(scope="session")
def serve(livekit: LiveKitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """`await serve()`: the api of all tests and a new tenant; `await serve(**settings)`: one with these settings."""
    running: dict[tuple[object, ...], tuple[Settings, Program]] = {}

    def start(folder: Path, **changes: Any) -> tuple[Settings, Program]:
        settings = Settings(
            _env_file=None,
            state_dir=folder,
            database_url=f"sqlite:///{folder}/callroom.db",
            livekit_url=livekit.url,
            livekit_api_key=livekit.key,
            livekit_api_secret=livekit.secret,
            api_port=free_port(),
            **changes,
        )
        program = process("api", settings, folder / "api.log")
        program.start()
        program.wait_ready()
        return settings, program

    async def serve(**changes: Any) -> Served:
        wanted = tuple(changes.items())
        if wanted not in running:
            running[wanted] = await asyncio.to_thread(start, tmp_path_factory.mktemp("api"), **changes)
        settings, program = running[wanted]
        database = Database(settings.database)
        async with database.writing() as conn:
            tenant = await create_tenant(conn, "tests", metered=False)
            _, key = await create_secret_key(conn, tenant.id, "tests")
        await database.close()
        return Served(f"http://127.0.0.1:{settings.api_port}", tenant.id, key, program, settings)

    yield serve
    for _, program in running.values():
        program.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def served(serve: Serve) -> Served:
    """The api of all tests, with a tenant of the test's own."""
    return await serve()


@pytest_asyncio.fixture(loop_scope="session")
async def database(served: Served) -> AsyncIterator[Database]:
    """What that api writes to."""
    opened = Database(served.settings.database)
    yield opened
    await opened.close()

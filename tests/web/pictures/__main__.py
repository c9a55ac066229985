"""`python -m tests.web.pictures [NAME …]`: make the pictures of docs/images/console again, all or those named.

An api on SQLite and a LiveKit in a temporary folder, with the calls of a made-up restaurant and a clinic.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from playwright.async_api import Page

from calls.database.engine import Database
from calls.migrations import migrate
from calls.settings import Settings
from calls.tenants.keys import create_secret_key, create_tenant
from tests.providers import Providers
from tests.servers import ROOT, LiveKitServer, Program, environment, free_port
from tests.web.conftest import Served, chromium
from tests.web.pictures.installation import CAMPAIGN, Installation, furnish
from tests.web.pictures.sheets import Sheet, write_sheets
from tests.web.pictures.talking import in_conversation

FOLDER = ROOT / "docs/images/console"
ROWS = "Name\tPhone\tTime\nGrace Hopper\t+49 30 1234567\tten\nAda King\t0049 30 1234568\thalf past ten\nBob\t555\tnoon"


async def sheets(made: Installation) -> list[Sheet]:
    """Every page, with what its picture waits for."""

    @asynccontextmanager
    async def paste(page: Page) -> AsyncIterator[None]:
        await page.get_by_label("Or paste the rows").fill(ROWS)
        yield

    @asynccontextmanager
    async def hear(page: Page) -> AsyncIterator[None]:
        await page.get_by_role("heading", name="Voice and models").click()
        await page.get_by_role("button", name="Hear it").first.click()
        await page.locator("audio").scroll_into_view_if_needed()
        yield

    link = (await made.ask("GET", f"/v1/agents/{made.restaurant}/testers"))["link"]["url"]
    return [
        Sheet("sign-in", "/", "Sign in", signed_in=False),
        Sheet("live", "/", "Dr. Lang"),
        Sheet("calls", "/calls", "provider failed"),
        Sheet("call", f"/calls/{made.shown}?t=24", "find_table"),
        Sheet("agents", "/agents", "Harbour Clinic"),
        Sheet("agent", f"/agents/{made.restaurant}", "Undo"),
        Sheet("voice", f"/agents/{made.restaurant}", "Hear it", hear),
        Sheet("talk", f"/agents/{made.restaurant}/talk", "Microphone"),
        Sheet("campaigns", "/campaigns", CAMPAIGN),
        Sheet("new-campaign", "/campaigns/new", "Grace Hopper", paste),
        Sheet("campaign", f"/campaigns/{quote(CAMPAIGN)}", "Rejected"),
        Sheet("numbers", "/numbers", "by letter"),
        Sheet("webhooks", "/webhooks", "call.intelligence.ready"),
        Sheet("webhook", f"/webhooks/{made.webhook}", "HTTP status 503"),
        Sheet("keys", "/keys", "Booking server"),
        Sheet("usage", "/usage", "no answer"),
        Sheet("health", "/health", "Given up after"),
        Sheet("docs", "/docs", "agents"),
        Sheet("join", "/join/q83vEjRWeJCrze8SNFZ4kA", "Join the call", signed_in=False),
        Sheet("share", "/" + link.split("/", 3)[3], "Start talking", signed_in=False),
    ]


async def serve(settings: Settings) -> Served:
    """An api that runs, and its tenant."""
    program = Program(
        [sys.executable, "-m", "api"],
        log=settings.state_dir / "api.log",
        ready_url=f"http://127.0.0.1:{settings.api_port}/readyz",
        env=environment(settings),
    )
    database = Database(settings.database)
    await migrate(database)
    async with database.writing() as conn:
        tenant = await create_tenant(conn, "Blue Door", metered=False)
        _, key = await create_secret_key(conn, tenant.id, "Console")
    await database.close()
    program.start()
    await asyncio.to_thread(program.wait_ready)
    return Served(f"http://127.0.0.1:{settings.api_port}", tenant.id, key, program, settings)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.web.pictures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of pages, as the files are called")
    names = parser.parse_args().names
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        async with LiveKitServer(folder) as livekit, Providers() as providers, chromium() as browser:
            settings = Settings(
                _env_file=None,
                state_dir=folder,
                database_url=f"sqlite:///{folder}/callroom.db",
                livekit_url=livekit.url,
                livekit_api_key=livekit.key,
                livekit_api_secret=livekit.secret,
                api_port=free_port(),
                stt_url=providers.url,
                llm_url=providers.url,
                tts_url=providers.url,
                llm_model="llama3.1",
            )
            served = await serve(settings)
            try:
                made = await furnish(served, folder)
                FOLDER.mkdir(parents=True, exist_ok=True)
                talk = partial(in_conversation, made, livekit)
                talking = Sheet("talking", f"/agents/{made.restaurant}/talk", "0:12", talk)
                for part in (await sheets(made), [talking]):  # whose calls are not to be seen on the others
                    wanted = [sheet for sheet in part if not names or sheet.name in names]
                    await write_sheets(browser, served, wanted, FOLDER)
                await made.db.close()
            finally:
                served.program.stop()


if __name__ == "__main__":
    asyncio.run(main())

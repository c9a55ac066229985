"""The Health page."""

import asyncio

import pytest
import sqlalchemy as sa
from playwright.async_api import Browser, expect

from calls.database.engine import Database
from calls.jobs import JobQueue, enqueue
from calls.processes import present
from calls.tables import processes as living
from calls.version import VERSION
from calls.workers import seats
from tests.web import accessibility
from tests.web.conftest import Serve
from tests.web.console import opened

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_health_says_what_is_missing_how_busy_workers_are_and_what_was_given_up(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    database = Database(served.settings.database)
    async with opened(browser, served, "/health") as page:
        await expect(page.get_by_text("No worker lives")).to_be_visible()
        await expect(page.get_by_text("Nothing was given up")).to_be_visible()
        await accessibility.check(page)
        await page.clock.install()
        await page.reload()
        await expect(page.get_by_text("Nothing was given up")).to_be_visible()
        async with database.writing() as conn:
            await enqueue(conn, "summarize", {}, queue="dead", tenant_id=served.tenant_id, max_attempts=1)
        queue = JobQueue(database, "tests", 60)
        [job] = await queue.claim("dead", 1)
        await queue.retry(job, "the model does not answer")
        async with present(database, "worker"):
            async with database.writing() as conn:
                await seats.tell(conn, "AW_1", 8, 3, is_strained=True)
            await page.clock.fast_forward(11_000)
            processes = page.get_by_role("region", name="Processes")
            await expect(processes.get_by_role("rowheader", name="worker")).to_be_visible()
            await expect(page.get_by_text("No worker lives")).to_be_hidden()
            await expect(page.get_by_role("row", name="AW_1")).to_contain_text("does not keep up")
            await expect(page.get_by_text(f"Version {VERSION}", exact=True)).to_be_visible()
            async with database.writing() as conn:
                await conn.execute(sa.update(living).where(living.c.kind == "worker").values(version="0.0.9"))
            await page.clock.fast_forward(11_000)
            await expect(
                page.get_by_text(f"Version {VERSION}, and another one in 1 process", exact=True)
            ).to_be_visible()
            await expect(processes.get_by_role("row", name="worker")).to_contain_text("0.0.9")
            await expect(page.get_by_role("row", name="summarize")).to_contain_text("the model does not answer")
            await accessibility.check(page)
            await page.route("**/v1/health", lambda route: route.abort())
            await page.clock.fast_forward(11_000)
            await expect(page.get_by_role("alert")).to_contain_text("Callroom does not answer.")
            await expect(page.get_by_text("not known")).to_be_visible()
            await page.unroute("**/v1/health")
            await page.clock.fast_forward(11_000)
            await expect(page.get_by_text("not known")).to_be_hidden()
            asked = asyncio.Event()
            await page.route("**/v1/health", lambda _route: asked.set())  # and no answer comes
            await page.clock.fast_forward(11_000)
            await asked.wait()
            await expect(page.get_by_text("something is wrong")).to_be_visible()
            await page.clock.fast_forward(16_000)
            await expect(page.get_by_text("not known")).to_be_visible()
            await expect(page.get_by_text("something is wrong")).to_be_hidden()
    await database.close()

"""How much the browser loads before anything can be done."""

import gzip
from urllib.parse import urlsplit

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from api.page import CONSOLE
from tests.web.conftest import Serve, new_context
from tests.web.console import ask, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_BYTES = 300_000


async def test_every_page_is_light_and_loads_no_way_to_speak_before_a_call(browser: Browser, serve: Serve) -> None:
    served = await serve()
    agent = await ask(served, "POST", "/v1/agents", {"name": "Aria"})
    pages = [path.format(id=agent["id"]) for path in (*CONSOLE, "/agents/new", "/campaigns/new", "/join/{id}")]
    loaded: dict[str, set[str]] = {}
    async with await new_context(browser) as context:
        page = await context.new_page()
        await (await context.new_cdp_session(page)).send("Network.setCacheDisabled", {"cacheDisabled": True})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        for path in ("/?sign-in", f"/#key={served.key}", *pages):  # the first without a key
            asked.clear()
            await page.goto(served.url + path)
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            loaded[path.partition("#")[0]] = {one for one in asked if not one.startswith("/v1/")}
    sizes: dict[str, int] = {}
    async with aiohttp.ClientSession(served.url) as session:
        for file in set.union(*loaded.values()):
            async with session.get(file) as answer:
                sizes[file] = len(gzip.compress(await answer.read()))
    assert {path for path, files in loaded.items() if "/web/preact.js" not in files} == {f"/join/{agent['id']}"}
    assert {path: size for path, files in loaded.items() if (size := sum(sizes[f] for f in files)) > MOST_BYTES} == {}
    assert [file for file in sizes if "livekit-client" in file] == []


async def test_a_page_that_could_not_be_loaded_comes_by_itself_when_it_can(browser: Browser, serve: Serve) -> None:
    async with opened(browser, await serve(), "/agents") as page:
        await page.route("**/web/pages/keys/lists.js", lambda route: route.abort())
        await page.get_by_role("link", name="Keys").click()
        await expect(page.get_by_role("alert")).to_contain_text("could not be loaded. Is Callroom still running?")
        await page.unroute("**/web/pages/keys/lists.js")
        await expect(page.get_by_role("heading", name="Keys", exact=True)).to_be_visible()

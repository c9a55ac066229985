"""Pages of others: the example and the widget, on another origin than the api, and the link for who has no page.

A worker is there, whose providers are scripted: each call is a real one, with the agent's voice and the caller's.
"""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, Route, expect

from demo.client import Client, Json
from tests.conftest import Until
from tests.providers import Providers, in_thread
from tests.servers import free_port, process
from tests.web import accessibility
from tests.web.conftest import Serve, Served, chromium, new_context
from tests.web.media import SILENT, UNPLUGGABLE

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.restless]

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "tests" / "worker" / "speech.wav"
GREETED, SAID, ANSWERED = "Welcome.", "A table for four, please.", "With pleasure."
AGENT = {"name": "Reception", "system_prompt": "You take bookings.", "first_message": GREETED}
WIDGET = """<!doctype html><title>A shop</title><h1>Our shop</h1>
<callroom-agent key="{key}" agent="{agent}" variables='{variables}'>Questions? Talk to us.</callroom-agent>
<script type="module" src="{url}/web/widget.js"></script>"""
WRONG = (  # attributes with which a widget cannot call, and the reason
    ({"key": "sb_publishable_nobody"}, "This API key is not known"),
    ({"key": ""}, "An API key is needed"),
    ({"agent": "reception"}, "agent_id: expected a UUID"),
    ({"variables": "Anna"}, "variables is not JSON"),
)


@dataclass(frozen=True)
class Apps:
    """A Callroom with an agent, and a site of another origin with pages of its own."""

    served: Served
    agent: str
    publishable_key: str
    site: str
    pages: dict[str, str]

    @property
    def url(self) -> str:
        return self.served.url

    async def ask(self, path: str, body: Json | None = None) -> Json:
        """A request of our own to the api, with a secret key: GET, or POST with a body."""
        async with aiohttp.ClientSession() as session:
            client = Client(session, self.url, self.served.key)
            return await (client.get(path) if body is None else client.post(path, body))

    async def invite(self) -> tuple[str, str]:
        """A new call: its id, and the link to join it."""
        body = {"agent_id": self.agent, "participants": [{"transport": "webrtc", "identity": "ada"}]}
        call = await self.ask("/v1/calls", body)
        return call["id"], call["participants"][0]["join_url"]

    async def last_call(self) -> str:
        """The call that was begun last."""
        return str((await self.ask("/v1/calls?limit=1"))["calls"][0]["id"])

    async def ended_because(self, call_id: str, reason: str) -> bool:
        return bool((await self.ask(f"/v1/calls/{call_id}"))["end_reason"] == reason)


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with in_thread() as running:
        running.hear_with(lambda _utterance: SAID)
        running.answer_with(lambda _chat: ANSWERED)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def apps(serve: Serve, providers: Providers) -> AsyncIterator[Apps]:
    asked = {"stt_url": providers.url, "llm_url": providers.url, "tts_url": providers.url}
    served = await serve(**asked, stt_words_s=20, worker_port=free_port(), agent_name="apps")
    pages: dict[str, str] = {}

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=pages[request.path], content_type="text/html")

    site = web.Application()
    site.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        client = Client(session, served.url, served.key)
        agent = (await client.post("/v1/agents", AGENT))["id"]
        key = (await client.post("/v1/keys/publishable", {"agent_id": agent, "label": "a page"}))["key"]
    worker = process("worker", served.settings, served.settings.state_dir / "worker.log")
    await asyncio.to_thread(worker.__enter__)
    yield Apps(served, agent, key, f"http://127.0.0.1:{runner.addresses[0][1]}", pages)
    await asyncio.to_thread(worker.stop)
    await runner.cleanup()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who lets the agent greet, says something and listens; Chromium plays it again and again."""
    whole = tmp_path_factory.mktemp("spoken") / "spoken.wav"
    pauses = "adelay=5000:all=1,apad=pad_dur=6"
    subprocess.run(["ffmpeg", "-v", "error", "-i", SPEECH, "-af", pauses, "-ar", "48000", whole], check=True)
    return whole


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def talker(spoken: Path) -> AsyncIterator[Browser]:
    """A browser with this somebody at its microphone."""
    async with chromium(f"--use-file-for-fake-audio-capture={spoken}") as browser:
        yield browser


@asynccontextmanager
async def tab(browser: Browser, *, microphone: bool = True, script: str = "() => {}") -> AsyncIterator[Page]:
    """A tab that knows nothing of the others, in which the script runs before any page's."""
    async with await new_context(browser, permissions=["microphone"] if microphone else []) as context:
        await context.add_init_script(f"({script})()")
        yield await context.new_page()


@pytest.mark.timeout(180)
async def test_the_example_talks_shows_what_is_said_and_ends_its_call_with_a_publishable_key(
    apps: Apps, talker: Browser, until: Until
) -> None:
    text = (ROOT / "examples" / "talk.html").read_text()
    given = {"CALLROOM": apps.url, "KEY": apps.publishable_key, "AGENT": apps.agent}
    for name, value in given.items():
        text = re.sub(rf'(const {name} = )".*?"', rf'\1"{value}"', text)
    apps.pages["/talk.html"] = text
    async with tab(talker) as page:
        uncaught: list[str] = []
        page.on("pageerror", lambda error: uncaught.append(error.message))
        await page.goto(f"{apps.site}/talk.html")
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_text("You are talking to Reception")).to_be_visible()
        for line in (f"Agent: {GREETED}", f"You: {SAID}", f"Agent: {ANSWERED}"):
            await expect(page.get_by_role("listitem").filter(has_text=line).first).to_be_visible()
        await page.get_by_role("button", name="Mute").click()
        await expect(page.get_by_role("button", name="Unmute")).to_be_visible()
        end, over = page.get_by_role("button", name="End"), page.get_by_text("The call is over")
        await end.click()
        await expect(over).to_be_visible()
        await page.get_by_role("button", name="Start").click()
        await expect(end).to_be_enabled()
        await expect(page.get_by_role("button", name="Mute", exact=True)).to_be_visible()
        await expect(page.get_by_role("listitem").filter(has_text=f"Agent: {GREETED}")).to_be_visible()
        await page.route("**/end", gone)
        await end.click()
        await expect(over).to_be_visible()
        await page.unroute("**/end")
        left = await apps.last_call()
        await page.route_web_socket(re.compile("/rtc"), lambda socket: socket.close())
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("status")).to_contain_text("signal connection")
        assert uncaught == []
    unreached, _, before = (await apps.ask("/v1/calls?limit=3"))["calls"]
    assert [unreached["end_reason"], before["end_reason"]] == ["ended_by_api"] * 2
    assert await until(lambda: apps.ended_because(left, "caller_hung_up"))


@pytest.mark.timeout(180)
async def test_the_widget_is_a_call_in_a_page_of_another_origin_and_loads_livekit_when_it_begins(
    apps: Apps, talker: Browser, until: Until
) -> None:
    given = {"key": apps.publishable_key, "agent": apps.agent, "variables": '{"guest": "Anna"}'}
    apps.pages["/shop"] = WIDGET.format(url=apps.url, **given)
    async with tab(talker) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{apps.site}/shop")
        await expect(page.get_by_role("heading", name="Questions? Talk to us.")).to_be_visible()
        start = page.get_by_role("button", name="Start the call")
        await expect(start).to_be_visible()
        assert not any("livekit" in url for url in asked)
        await start.click()
        for line in (GREETED, SAID, ANSWERED):
            await expect(page.get_by_role("listitem").filter(has_text=line).first).to_be_visible()
        await page.get_by_role("button", name="Mute").click()
        await page.get_by_role("button", name="Unmute").click()
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_role("status")).to_have_text("You hung up")
        first = await apps.last_call()
        assert (await apps.ask(f"/v1/calls/{first}"))["variables"] == {"guest": "Anna"}
        assert await until(lambda: apps.ended_because(first, "caller_hung_up"))
        await page.get_by_role("button", name="Call again").click()
        await expect(page.get_by_role("listitem").filter(has_text=GREETED)).to_be_visible()
        await page.locator("callroom-agent").evaluate("element => element.remove()")
        second = await apps.last_call()
        assert second != first
        assert await until(lambda: apps.ended_because(second, "caller_hung_up"))


async def test_a_widget_that_cannot_call_tells_its_visitor_so_and_the_pages_author_why(
    apps: Apps, talker: Browser
) -> None:
    right = {"key": apps.publishable_key, "agent": apps.agent, "variables": "{}"}
    apps.pages["/wrong"] = "".join(WIDGET.format(url=apps.url, **right | wrong) for wrong, _ in WRONG)
    async with tab(talker) as page:
        logged: list[str] = []
        page.on("console", lambda message: logged.append(message.text))
        await page.goto(f"{apps.site}/wrong")
        for number, (_, reason) in enumerate(WRONG):
            widget = page.locator("callroom-agent").nth(number)
            logged.clear()
            await widget.get_by_role("button", name="Start the call").click()
            await expect(widget.get_by_role("alert")).to_have_text("This page cannot call just now.")
            await expect(widget.get_by_role("button", name="Start the call")).to_be_enabled()
            assert [text for text in logged if reason in text]


@pytest.mark.timeout(180)
async def test_a_link_lets_somebody_in_once_and_tells_them_when_the_call_was_ended(apps: Apps, talker: Browser) -> None:
    call_id, link = await apps.invite()
    async with tab(talker, script=SILENT) as page:
        await page.goto(link)
        await accessibility.check(page)
        await page.get_by_role("button", name="Join the call").click()
        await expect(page.get_by_role("heading", name="Reception")).to_be_visible()
        await page.get_by_role("button", name="Hear the agent").click()
        await page.wait_for_function("() => [...document.querySelectorAll('audio')].some((one) => !one.paused)")
        await expect(page.get_by_role("button", name="Hear the agent")).to_be_hidden()
        for line in (GREETED, SAID):
            await expect(page.get_by_role("listitem").filter(has_text=line).first).to_be_visible()
        async with tab(talker) as second:
            await second.goto(link)
            await second.get_by_role("button", name="Join the call").click()
            await expect(second.get_by_role("alert")).to_contain_text("This link was used before")
        await accessibility.check(page)
        await apps.ask(f"/v1/calls/{call_id}/end", {})
        await expect(page.get_by_role("status")).to_have_text("The call is over")
        await expect(page.get_by_role("button")).to_have_count(0)


async def test_a_link_says_what_goes_wrong_and_is_not_used_up_before_somebody_joins(
    apps: Apps, talker: Browser
) -> None:
    _, link = await apps.invite()
    async with tab(talker, microphone=False) as page:
        await page.goto(link)
        await page.get_by_role("button", name="Join the call").click()
        await expect(page.get_by_role("alert")).to_contain_text("The microphone is blocked")
    async with tab(talker, script=UNPLUGGABLE) as page:
        await page.route("**/v1/join", gone)
        await page.goto(link)
        await page.get_by_role("button", name="Join the call").click()
        await expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        await page.unroute("**/v1/join")
        await page.get_by_role("button", name="Join the call").click()
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        await page.evaluate("unplug()")
        await expect(page.get_by_role("alert")).to_contain_text("The microphone is gone")
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_role("status")).to_have_text("You hung up")
    call_id, late = await apps.invite()
    await apps.ask(f"/v1/calls/{call_id}/end", {})
    async with tab(talker) as page:
        for address, told in ((late, "This call is over"), (late[:-8], "This link leads nowhere")):
            await page.goto(address)
            await page.get_by_role("button", name="Join the call").click()
            await expect(page.get_by_role("alert")).to_contain_text(told)


async def gone(route: Route) -> None:
    """There is no server."""
    await route.abort()

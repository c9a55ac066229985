"""The Live page: calls as they begin, talk and end, listening in, and what goes wrong."""

import asyncio
import re
import signal

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from calls.database.engine import Database
from calls.placing.creation import NewCall, NewParticipant
from calls.states import EndReason
from calls.store import CallStore
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.pipeline.finished import hang_up, running_call
from tests.web import accessibility
from tests.web.conftest import Serve, Served, new_context
from tests.web.console import ask, opened
from tests.worker.caller import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAID = [("agent", "Hello, how can I help you?"), ("user", "A table, please.")]
HEARD = "() => [...document.querySelectorAll('audio')].some(({ srcObject, paused }) => srcObject?.active && !paused)"
STOPPED = {"recording_link_s": 901}  # an api of the two tests that stop theirs

SEEN = """(state) => {
    Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


async def talking(served: Served, database: Database) -> tuple[str, int]:
    """A call in progress in which something was said: its id and the token of its agent's lease."""
    return await running_call(database, {}, said=SAID, tenant_id=served.tenant_id)


async def say(database: Database, call_id: str, token: int, segment: Segment) -> None:
    async with database.writing() as conn:
        await write_segments(conn, call_id, token, [segment])


def cards(page: Page) -> Locator:
    return page.get_by_role("article")


async def test_calls_come_grow_and_go_by_themselves(browser: Browser, served: Served, database: Database) -> None:
    async with opened(browser, served, "/") as page:
        asked: list[str] = []
        await expect(page.get_by_text("Nobody is talking.")).to_be_visible()
        await accessibility.check(page)
        page.on("request", lambda request: asked.append(request.url))

        call_id, token = await talking(served, database)
        await expect(cards(page)).to_have_count(1)
        await expect(page.get_by_text("1 call now")).to_be_visible()
        await expect(cards(page)).to_contain_text(re.compile(r"Aria.*Thinking.*\d:\d\d.*ada browser", re.DOTALL))
        await expect(page.get_by_role("link", name="Aria with ada")).to_have_attribute("href", f"/calls/{call_id}")
        begun = Segment(2, "agent", "Of course", 5000, 5200, is_final=False)
        await say(database, call_id, token, begun)
        await expect(cards(page)).to_contain_text("Speaking")
        await say(database, call_id, token, Segment(2, "agent", "Of course, for when?", 5000, 6000, is_final=True))
        await expect(cards(page)).to_contain_text(re.compile("Listening.*Of course, for when\\?", re.DOTALL))
        await accessibility.check(page)

        said = page.get_by_role("log")
        await expect(said).to_have_text("A call has begun: Aria with ada.")  # its agent is newer than the page
        await page.get_by_role("button", name="Whole transcript").focus()
        await hang_up(database, call_id, token)
        await expect(cards(page)).to_contain_text("Over: caller hung up")
        await expect(cards(page).get_by_role("heading")).to_be_focused()
        await expect(said).to_contain_text("A call is over: Aria with ada, caller hung up.")
        await expect(page.get_by_role("button", name="End …")).to_be_hidden()
        await accessibility.check(page)
        await expect(cards(page)).to_have_count(0)
        await expect(page.get_by_role("main")).to_be_focused()
        await asyncio.gather(*(talking(served, database) for _ in range(3)))
        await expect(cards(page)).to_have_count(3)
        await expect(said).to_have_text(re.compile("(Aria with ada.*){5}", re.DOTALL))
        await expect(said).not_to_contain_text("deleted")
        assert not asked


async def test_what_was_said_before_the_page_was_opened_is_there_when_it_is_asked_for(
    browser: Browser, serve: Serve, database: Database
) -> None:
    served = await serve()
    call_id, token = await talking(served, database)
    for number in range(2, 9):
        await say(database, call_id, token, Segment(number, "user", f"Word {number}", 0, 900, is_final=True))
    async with opened(browser, served, "/") as page:
        lines = page.get_by_role("list", name="Transcript").get_by_role("listitem")
        await expect(lines).to_have_text([re.compile(f"Word {number}") for number in (6, 7, 8)])
        await page.get_by_role("button", name="Whole transcript").click()
        await expect(lines).to_have_count(9)
        await say(database, call_id, token, Segment(9, "user", "Word 9", 0, 900, is_final=True))
        await expect(lines.last).to_contain_text("Word 9")
        await accessibility.check(page)
        await page.get_by_role("button", name="Last words").click()
        await expect(lines).to_have_count(3)


async def test_a_call_is_ended_after_a_question(browser: Browser, serve: Serve, database: Database) -> None:
    served = await serve()
    call_id, _ = await talking(served, database)
    async with opened(browser, served, "/") as page:
        await page.get_by_role("button", name="End …").click()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.get_by_role("button", name="End …")).to_be_focused()
        assert (await ask(served, "GET", f"/v1/calls/{call_id}"))["status"] == "in_progress"
        await page.get_by_role("button", name="End …").click()
        await accessibility.check(page)
        question = page.get_by_role("dialog", name="End the call with ada?")
        await expect(question.locator("bdi")).to_have_text("ada")  # a name may run from the right to the left
        await question.get_by_role("button", name="End the call").click()
        await expect(page.get_by_text("The call with ada was ended.").locator("bdi")).to_have_text("ada")
        await expect(cards(page)).to_contain_text("Over: ended by api")
        await expect(cards(page).get_by_role("heading")).to_be_focused()
    assert (await ask(served, "GET", f"/v1/calls/{call_id}"))["end_reason"] == "ended_by_api"


async def test_somebody_listens_in_and_hears_until_the_call_is_over(
    browser: Browser, serve: Serve, database: Database
) -> None:
    served = await serve()
    agent = await ask(served, "POST", "/v1/agents", {"name": "Reception"})
    invited = {"agent_id": agent["id"], "participants": [{"transport": "webrtc", "identity": "ada"}]}
    created = await ask(served, "POST", "/v1/calls", invited)
    access = created["participants"][0]["access"]
    async with opened(browser, served, "/") as page, Caller(access["url"], access["token"]):
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        await expect(cards(page)).to_contain_text("connecting")
        await expect(page.get_by_role("button", name="Listen in")).to_be_hidden()
        async with database.writing() as conn:
            token = await leases.take(conn, created["id"], "worker", "agent-1")
            await CallStore(conn).participant_joined(created["id"], "ada")
            await CallStore(conn).start(created["id"])
        assert token is not None
        await expect(page.get_by_role("button", name="Listen in")).to_be_visible()
        assert not [url for url in loaded if "livekit-client" in url]

        await page.get_by_role("button", name="Listen in").click()
        await expect(page.get_by_role("button", name="Stop listening")).to_be_visible()
        await page.wait_for_function(HEARD)
        await accessibility.check(page)
        await page.get_by_role("button", name="Stop listening").click()
        await page.wait_for_function("() => !document.querySelector('audio')")
        await page.get_by_role("button", name="Listen in").click()
        await page.wait_for_function(HEARD)
        await ask(served, "POST", f"/v1/calls/{created['id']}/end", {})
        await expect(cards(page)).to_contain_text("Over")
        await page.wait_for_function("() => !document.querySelector('audio')")
    detail = await ask(served, "GET", f"/v1/calls/{created['id']}")
    assert [event["kind"] for event in detail["events"]].count("call.listened") == 2
    assert detail["participant_count"] == 1


async def test_calls_that_wait_for_their_turn_are_counted(browser: Browser, serve: Serve, database: Database) -> None:
    served = await serve()
    agent = await ask(served, "POST", "/v1/agents", {"name": "Reception"})
    placed = {"id": agent["id"], "name": "Reception"}
    async with database.writing() as conn:
        for number in ("+15551234567", "+15551234568"):
            call = NewCall(served.tenant_id, placed, [NewParticipant("pstn", number)])
            await CallStore(conn).create(call)
    await running_call(database, {}, said=(), tenant_id=served.tenant_id, features={"transcription_enabled": False})
    async with opened(browser, served, "/") as page:
        await expect(page.get_by_text("1 call now, 2 calls waiting")).to_be_visible()
        await expect(cards(page)).to_contain_text("What is said in this agent's calls is not written down.")
        await page.get_by_role("link", name="See who waits").click()
        await expect(page.get_by_text("+15551234568")).to_be_visible()


async def test_a_stopped_server_is_said_and_what_ended_meanwhile_is_gone_when_it_is_back(
    browser: Browser, serve: Serve
) -> None:
    served = await serve(**STOPPED)
    database = Database(served.settings.database)
    (ends, token), (stays, other) = [await talking(served, database) for _ in range(2)]
    await say(database, stays, other, Segment(2, "user", "At eight, pl", 5000, 5400, is_final=False))
    async with opened(browser, served, "/") as page:
        await expect(cards(page)).to_have_count(2)
        await cards(page).last.get_by_role("button", name="Whole transcript").click()
        lines = cards(page).last.get_by_role("list", name="Transcript").get_by_role("listitem")
        await expect(cards(page).last.get_by_role("button", name="Last words")).to_be_visible()
        await expect(lines).to_have_count(3)
        served.program.kill_group()
        await expect(page.get_by_text("What is shown may be old")).to_be_visible()
        await accessibility.check(page)
        async with database.writing() as conn:
            await CallStore(conn).finish(ends, EndReason.CALLER_HUNG_UP)
            await leases.release(conn, ends, token)
        await say(database, stays, other, Segment(2, "user", "At eight, please.", 5000, 6000, is_final=True))
        for number in range(3, 10):
            await say(database, stays, other, Segment(number, "user", f"Word {number}", 0, 900, is_final=True))
        served.program.start()
        await asyncio.to_thread(served.program.wait_ready)
        await expect(page.get_by_text("What is shown may be old")).to_be_hidden()
        await expect(cards(page)).to_have_count(1)
        await expect(cards(page).get_by_role("link")).to_have_attribute("href", f"/calls/{stays}")
        await expect(lines).to_have_count(10)
        await expect(lines.nth(2)).to_contain_text("At eight, please.")
        await expect(page.locator(".growing")).to_have_count(0)
    await database.close()


async def test_a_server_that_hangs_is_said(browser: Browser, serve: Serve) -> None:
    served = await serve(**STOPPED)
    async with await new_context(browser) as context:
        page = await context.new_page()
        await page.clock.install()
        await page.goto(f"{served.url}/#key={served.key}")
        await expect(page.get_by_text("Nobody is talking.")).to_be_visible()
        served.program.send(signal.SIGSTOP)
        await page.clock.fast_forward(41_000)
        await expect(page.get_by_text("What is shown may be old")).to_be_visible()
        served.program.send(signal.SIGCONT)
        await expect(page.get_by_text("What is shown may be old")).to_be_hidden()


async def test_a_stream_that_comes_too_often_is_asked_for_again_and_one_that_is_refused_is_not(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    async with await new_context(browser) as context:
        page = await context.new_page()
        await page.clock.install()
        full = {"status": 429, "headers": {"Retry-After": "5"}, "json": {"error": "Too many streams at once."}}
        await page.route("**/v1/calls/stream?*", lambda route: route.fulfill(**full), times=1)
        await page.goto(f"{served.url}/#key={served.key}")
        await expect(page.get_by_text("Too many streams at once. What is shown may be old")).to_be_visible()
        await page.clock.fast_forward(5_000)
        await expect(page.get_by_text("Nobody is talking.")).to_be_visible()
        await expect(page.get_by_text("Too many streams at once.")).to_be_hidden()

        refused = {"status": 403, "json": {"error": "This key may not do this."}}
        await page.route("**/v1/calls/stream?*", lambda route: route.fulfill(**refused))
        await page.goto(served.url)
        await expect(page.get_by_text("This key may not do this.")).to_be_visible()
        await page.clock.run_for(1_000)  # whatever is drawn later
        await expect(page.get_by_role("button", name="Try again")).to_be_visible()
        await expect(page.get_by_text("What is shown may be old")).to_be_hidden()
        await expect(page.get_by_text("Loading …")).to_be_hidden()


async def test_while_nobody_sees_the_page_it_has_no_connection(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with await new_context(browser) as context:
        page = await context.new_page()
        await page.clock.install()
        await page.goto(f"{served.url}/#key={served.key}")
        await expect(page.get_by_text("Nobody is talking.")).to_be_visible()
        async with page.expect_event("requestfailed", lambda request: "/v1/calls/stream" in request.url):
            await page.evaluate(SEEN, "hidden")
            await page.clock.fast_forward(10_000)
        await page.clock.fast_forward(5_000)
        async with page.expect_request(lambda request: "/v1/calls/stream" in request.url):
            await page.evaluate(SEEN, "visible")

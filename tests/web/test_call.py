"""The page of one call: heard, read, followed while it runs, looked back at part by part."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from calls.analysis.generations import begin_again
from calls.analysis.parts import end_part
from calls.jobs import JobQueue
from calls.states import EndReason
from calls.store import CallStore
from calls.transcript import Segment, write_segments
from pipeline.post_call import give_up, put_off
from tests.pipeline.finished import GOOD, finished_call, hang_up
from tests.web.accessibility import check
from tests.web.conftest import Served, new_context
from tests.web.recorded import ALL, SAID, Calls, calls_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_END = """([box, last]) => {
    return box.textContent.includes(last) && box.scrollHeight - box.scrollTop - box.clientHeight < 2;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def calls(served: Served, tmp_path: Path) -> AsyncIterator[Calls]:
    async with calls_of(served, tmp_path) as those:
        yield those


@asynccontextmanager
async def opened(browser: Browser, served: Served, call_id: str, query: str = "") -> AsyncIterator[Page]:
    """The page of that call in a tab of its own, in which nothing goes wrong unseen."""
    wrong: list[str] = []
    async with await new_context(browser) as context:
        page = await context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
        await page.goto(f"{served.url}/calls/{call_id}{query}#key={served.key}")
        await expect(page.get_by_role("main").get_by_role("heading", level=1)).to_be_visible()
        yield page
    assert wrong == []


async def clock(page: Page, at: str) -> None:
    await expect(page.get_by_role("timer")).to_have_text(re.compile(rf"^{at} / 0:12$"))


async def test_a_call_is_heard_and_its_words_follow_and_lead(browser: Browser, served: Served, calls: Calls):
    call_id, token = await calls.begin()
    await calls.wait_and_ask(call_id)
    await hang_up(calls.db, call_id, token)
    await calls.record(call_id)
    async with opened(browser, served, call_id, "?t=6.5") as page:
        await clock(page, "0:06")  # a moment can be sent
        await expect(page).to_have_title("Aria and ada · Callroom")
        current = page.locator("[aria-current=true]")
        await expect(current).to_contain_text("Make it five.")
        await expect(
            page.get_by_text("1.00 s to the answer: end of turn 0.40 s, model 0.30 s, voice 0.30 s")
        ).to_be_visible()
        await expect(page.locator("li", has_text="It is booked for")).to_contain_text("interrupted")
        await expect(page.get_by_text("book_table")).to_be_visible()
        await check(page)

        await page.get_by_text("I need a table for four.").click()
        await clock(page, "0:02")
        await expect(page).to_have_url(re.compile(r"\?t=2$"))
        await page.get_by_role("link", name="Go to 0:08").click()
        await expect(current).to_contain_text("Five it is.")

        await page.locator("h1").click()  # a place that takes no keys
        await page.keyboard.press("ArrowLeft")
        await clock(page, "0:03")
        await page.get_by_role("region", name="What was said and done").focus()
        await page.keyboard.press("ArrowRight")  # it scrolls a text that has the focus
        await clock(page, "0:03")
        await page.keyboard.press("Home")
        await expect(page.get_by_role("checkbox", name="Follow the sound")).not_to_be_checked()
        await page.locator("h1").click()
        await page.keyboard.press("Space")
        await expect(page.get_by_role("button", name="Pause")).to_be_visible()
        await expect(current).to_contain_text("It is booked for")  # it goes on by itself
        await page.keyboard.press("Space")
        await expect(page.get_by_role("button", name="Play")).to_be_visible()

        events = page.get_by_role("checkbox", name="Events")
        await events.focus()
        await page.keyboard.press("Space")
        await expect(page.get_by_text("Call started")).to_have_count(0)
        await expect(page.get_by_role("button", name="Play")).to_be_visible()  # a control keeps its keys

        await page.get_by_role("slider", name="Position in the recording").focus()
        await page.keyboard.press("Home")
        await clock(page, "0:00")


async def test_a_link_that_has_expired_is_renewed_where_the_sound_was(browser: Browser, served: Served, calls: Calls):
    call_id, token = await calls.begin()
    await hang_up(calls.db, call_id, token)
    await calls.record(call_id)
    refused: list[str] = []
    asked, is_pressed = asyncio.Event(), asyncio.Event()

    async def refuse_the_first(route: Route) -> None:
        if refused:
            await route.continue_()
        else:
            refused.append(route.request.url)
            await route.fulfill(status=403)

    async def renew(route: Route) -> None:
        asked.set()
        await is_pressed.wait()
        await route.continue_()

    async with opened(browser, served, "none") as page:
        await page.route("**/v1/recordings/**", refuse_the_first)
        await page.route(f"**/v1/calls/{call_id}/recording", renew)
        await page.goto(f"{served.url}/calls/{call_id}?t=4")
        await clock(page, "0:04")
        await page.get_by_label("Speed").select_option("1.25")
        await asked.wait()
        await page.get_by_role("button", name="Play").click()  # while there is no link that holds
        is_pressed.set()
        await clock(page, "0:0[5-9]")
        await expect(page.get_by_label("Speed")).to_have_value("1.25")

        async with page.expect_download() as taken:
            await page.get_by_role("button", name="Download").click()
        assert (await taken.value).suggested_filename == f"{call_id}.wav"


async def test_each_part_is_there_as_soon_as_it_is_made(browser: Browser, served: Served, calls: Calls):
    call_id, token = await calls.begin()
    await hang_up(calls.db, call_id, token)
    queue = JobQueue(calls.db, "pipeline", 600, {"post_call": give_up}, {"post_call": put_off})
    parts = {job.payload["stage"]: job for job in await queue.claim("post_call", 10) if job.call_id == call_id}
    async with opened(browser, served, call_id) as page:
        results = page.get_by_role("region", name="Results")
        await expect(page.get_by_text("The recording is on its way …")).to_be_visible()
        await expect(results).to_contain_text("Looking back at the call …")

        await calls.record(call_id)
        await expect(page.get_by_role("button", name="Play")).to_be_visible()
        await expect(results).to_contain_text("Looking back at the call …")  # that waits for nothing else

        await queue.retry(parts["summary"], "The language model does not answer.", 240)
        await expect(results).to_contain_text(
            re.compile(r"The language model does not answer\. It is tried again in \d+ (s|min), attempt 2 of 8\.")
        )
        await queue.give_up(parts["extraction"], "The answer was no JSON.")
        await expect(results).to_contain_text("It failed: The answer was no JSON.")
        await check(page)
        async with calls.db.writing() as conn:
            await end_part(conn, call_id, 1, "evaluation", value=GOOD["evaluation"])
        await expect(results).to_contain_text("The agent booked it.")
        async with calls.db.writing() as conn:
            await end_part(conn, call_id, 1, "summary", value=GOOD["summary"])
        await expect(results).to_contain_text("A table for four was booked.")
        await expect(results).not_to_contain_text("Looking back")

        await page.get_by_role("button", name="Analyse again").click()
        await expect(results).to_contain_text("Looking back at the call …")
        await expect(results).to_contain_text("A table for four was booked.")


async def test_every_analysis_can_be_read(browser: Browser, served: Served, calls: Calls):
    call_id = await finished_call(calls.db, {"summary": {"enabled": True}}, tenant_id=calls.tenant_id)
    async with calls.db.writing() as conn:
        await end_part(conn, call_id, 1, "summary", value={"summary": "The first.", "sentiment": "neutral"})
    async with opened(browser, served, call_id) as page:
        await page.get_by_role("button", name="Analyse again").click()
        await expect(page.get_by_text("Looking back at the call …")).to_be_visible()
        await begin_asked(calls)
        async with calls.db.writing() as conn:
            await end_part(conn, call_id, 2, "summary", value={"summary": "The second.", "sentiment": "neutral"})
        results = page.get_by_role("region", name="Results")
        await expect(results).to_contain_text("The second.")
        await results.get_by_label("Analysis").select_option("1")
        await expect(results).to_contain_text("The first.")


async def test_a_running_call_grows_as_it_is_spoken_and_is_ended_after_a_question(
    browser: Browser, served: Served, calls: Calls
):
    call_id, token = await calls.begin()
    async with opened(browser, served, call_id) as page:
        words = page.get_by_role("region", name="What was said and done")
        await expect(words).to_contain_text("Five it is.")
        await check(page)
        for text, is_final in (("And by the", False), ("And by the window.", True)):
            said = Segment(len(SAID), "user", text, 10_000, 11_000, is_final=is_final)
            async with calls.db.writing() as conn:
                assert await write_segments(conn, call_id, token, [said])
            await expect(words.get_by_text(text, exact=True)).to_be_visible()
        await expect(page.locator("[aria-live]", has_text="Caller: And by the window.")).to_be_attached()
        await calls.wait_and_ask(call_id)  # it is no event, and comes behind the words
        await expect(words).to_contain_text("1.00 s to the answer: end of turn 0.40 s, model 0.30 s, voice 0.30 s")
        await expect(page.get_by_role("region", name="Waiting for answers")).to_contain_text("1.00 s")

        await expect(page.get_by_role("button", name="Listen in")).to_be_visible()
        end = page.get_by_role("main").get_by_role("button", name="End")
        await end.click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_text("in progress")).to_be_visible()
        await end.click()
        await page.get_by_role("button", name="End the call").click()
        await expect(page.get_by_text("completed").first).to_be_visible()
        await expect(words).to_contain_text("Call completed: ended by api")
        await expect(page.get_by_role("button", name="Listen in")).to_have_count(0)
        await expect(page.get_by_role("button", name="Erase")).to_be_visible()


async def test_a_long_running_call_is_seen_at_its_end_until_its_reader_scrolls_back(
    browser: Browser, served: Served, calls: Calls
):
    said = [("agent" if i % 2 else "user", f"Sentence number {i}." + " And on." * (i % 40)) for i in range(700)]
    call_id, token = await calls.begin({}, said=said)

    async def say(number: int) -> None:
        new = Segment(number, "user", f"Sentence number {number}.", number * 2000, number * 2000 + 900, is_final=True)
        async with calls.db.writing() as conn:
            assert await write_segments(conn, call_id, token, [new])

    async with opened(browser, served, call_id) as page:
        words = page.get_by_role("region", name="What was said and done")
        box = await words.element_handle()
        for number in range(700, 704):
            await page.wait_for_function(AT_END, arg=[box, f"Sentence number {number - 1}."])
            await say(number)
        await page.wait_for_function(AT_END, arg=[box, "Sentence number 703."])
        await words.hover()
        await page.mouse.wheel(0, -500)
        await page.wait_for_function(f"(given) => !({AT_END})(given)", arg=[box, "Sentence number 703."])
        await say(704)
        await expect(words.get_by_text("Sentence number 704.", exact=True)).to_be_attached()
        await page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        assert not await page.evaluate(AT_END, [box, "Sentence number 704."])


async def test_a_call_is_erased_after_a_question_and_shows_that(browser: Browser, served: Served, calls: Calls):
    call_id, token = await calls.begin()
    await hang_up(calls.db, call_id, token)
    await calls.record(call_id)
    async with opened(browser, served, call_id) as page:
        await expect(page.get_by_text("I need a table for four.")).to_be_visible()
        await page.get_by_role("button", name="Erase").click()
        await page.get_by_role("dialog").get_by_role("button", name="Erase").click()
        await expect(page.get_by_text("This call was erased. What is left is its bill.")).to_be_visible()
        for gone in ("I need a table for four.", "ada"):
            await expect(page.get_by_text(gone, exact=True)).to_have_count(0)
        await expect(page.get_by_text("The recording was erased.")).to_be_visible()
        await expect(page.get_by_role("button", name="Play")).to_have_count(0)
        await check(page)


async def test_every_moment_of_a_long_call_is_found_and_every_event(browser: Browser, served: Served, calls: Calls):
    said = [("agent" if i % 2 else "user", f"Sentence number {i}.") for i in range(1100)]
    call_id, token = await calls.begin({}, said=said)
    await hang_up(calls.db, call_id, token)
    await calls.log(call_id, [f"Entry {i}" for i in range(1100)])
    async with opened(browser, served, call_id, "?t=2100") as page:
        current = page.locator("[aria-current=true]")
        await expect(current).to_have_text(re.compile(r"Sentence number 1050\.$"))
        await expect(current).to_be_in_viewport()
        await expect(page.get_by_text("Sentence number 1099.", exact=True)).to_be_attached()
        skip = page.get_by_role("link", name="Skip the conversation")
        await skip.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Results")).to_be_focused()
        await expect(page.get_by_text("Entry 1099", exact=True)).to_have_count(0)
        await page.get_by_role("button", name="Show later events").click()
        await expect(page.get_by_text("Entry 1099", exact=True)).to_be_attached()
        await expect(page.get_by_role("button", name="Show later events")).to_have_count(0)


async def test_the_agent_is_shown_as_it_was_and_the_call_as_programs_see_it(
    browser: Browser, served: Served, calls: Calls
):
    call_id = await finished_call(calls.db, {}, tenant_id=calls.tenant_id, features={"transfer_to": "+15551234567"})
    async with opened(browser, served, call_id) as page:
        await expect(page.get_by_text("This call was not recorded.")).to_be_visible()
        await page.get_by_text("The agent as it was then").click()
        await expect(page.get_by_text('"transfer_to": "+15551234567"')).to_be_visible()
        await page.get_by_text("JSON", exact=True).click()
        await expect(page.get_by_label("JSON", exact=True)).to_contain_text(f'"room_name": "call_{call_id}"')
        await check(page)


async def test_a_call_without_words_says_why_and_one_that_is_not_there_that_it_is_not(
    browser: Browser, served: Served, calls: Calls
):
    silent, _ = await calls.begin(said=())
    async with calls.db.writing() as conn:
        await CallStore(conn).finish(silent, EndReason.CALLER_HUNG_UP)
    private = await finished_call(
        calls.db, ALL, said=(), tenant_id=calls.tenant_id, features={"transcription_enabled": False}
    )
    async with opened(browser, served, silent, "?t=Infinity") as page:
        await expect(page.get_by_text("Nothing was said.")).to_be_visible()
        await page.goto(f"{served.url}/calls/{private}")
        await expect(page.get_by_text("What is said in this agent's calls is not written down.")).to_be_visible()
        await expect(page.get_by_text("Its words are not written down")).to_be_visible()
        await page.goto(f"{served.url}/calls/{await calls.fail()}")
        await expect(page.get_by_text("There was no conversation: no agent.")).to_be_visible()
        await expect(page.get_by_text("There is no recording: the call never started (failed)")).to_be_visible()
        await expect(page.get_by_role("button", name="Analyse again")).to_have_count(0)
        await check(page)
        await page.goto(f"{served.url}/calls/00000000-0000-4000-8000-000000000000")
        await expect(page.get_by_role("heading", name="No such call")).to_be_visible()
        await check(page)


async def begin_asked(calls: Calls) -> None:
    """Let what was asked for begin."""
    for job in await JobQueue(calls.db, "pipeline", 600).claim("reprocess", 10):
        async with calls.db.writing() as conn:
            await begin_again(conn, job)

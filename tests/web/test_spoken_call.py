"""A spoken call through the page, from the button to the page of the call, and one that Ctrl-C ends."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from bench.word_errors import word_error_rate
from demo.client import Client
from tests.conftest import Until
from tests.web.conftest import chromium, new_context
from tests.whole_stack import WholeStack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.restless]

SENTENCE = "I would like to book a table for four people, please."
MISHEARD = 0.5  # the share of words that may be wrong where one machine speaks, hears and thinks
SHUT_DOWN_WITHIN_S = 60  # it takes two or three; a busy machine takes its time
GREETING = "Hello, how can I help you?"
AGENT = {
    "name": "Reception",
    "system_prompt": "You take bookings for a restaurant. Answer in one short sentence.",
    "first_message": GREETING,
    "post_call": {
        "recording": {"enabled": True},
        "summary": {"enabled": True},
        "structured_extraction": {"json_schema": {"type": "object", "properties": {"name": {"type": "string"}}}},
        "evaluation": {"criteria": "Was the agent friendly?"},
    },
}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A caller who lets the agent greet, says a sentence and listens; Chromium plays it again and again."""
    folder = tmp_path_factory.mktemp("spoken")
    said, whole = folder / "said.wav", folder / "spoken.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", SENTENCE, said], check=True)
    pauses = "adelay=7000:all=1,apad=pad_dur=9"
    subprocess.run(["ffmpeg", "-v", "error", "-i", said, "-af", pauses, "-ar", "48000", "-ac", "1", whole], check=True)
    return whole


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def talker(spoken: Path) -> AsyncIterator[Browser]:
    """A browser with this caller at its microphone."""
    async with chromium(f"--use-file-for-fake-audio-capture={spoken}") as browser:
        yield browser


@asynccontextmanager
async def calling(browser: Browser, stack: WholeStack) -> AsyncIterator[Page]:
    """The page with a new agent's call, whose button was just pressed."""
    async with aiohttp.ClientSession() as session:
        agent = await Client(session, stack.url, stack.key).post("/v1/agents", AGENT)
    async with await new_context(browser, permissions=["microphone"]) as context:
        page = await context.new_page()
        await page.goto(f"{stack.url}/agents/{agent['id']}/talk#key={stack.key}")
        await page.get_by_role("button", name="Start the call").click()
        yield page


def lines(page: Page, speaker: str) -> Locator:
    """Those of the transcript that are said to be the speaker's."""
    all_lines = page.get_by_role("region", name="Transcript").get_by_role("listitem")
    return all_lines.filter(has=page.get_by_text(speaker, exact=True))


@pytest.mark.timeout(300)
async def test_a_call_is_spoken_shown_line_by_line_and_leads_to_its_page(
    whole_stack: WholeStack, talker: Browser, until: Until
) -> None:
    async with calling(talker, whole_stack) as page:
        agents, ours = lines(page, "Reception"), lines(page, "You")
        await expect(agents.filter(has_text="Hello").first).to_be_visible(timeout=60_000)
        await until(lambda: understood(ours), 120)  # it is said again and again
        await expect(agents.filter(has_text="pleasure").first).to_be_visible(timeout=60_000)
        assert await page.evaluate("[...document.querySelectorAll('audio')].some(({ srcObject: s }) => s?.active)")

        await page.get_by_role("button", name="Hang up").click()
        await page.wait_for_url("**/calls/*")
        await until(lambda: analysed(whole_stack, page.url.rpartition("/")[2]), 60)


@pytest.mark.timeout(300)
async def test_ctrl_c_ends_a_call_and_the_page_says_so_also_when_nobody_hears_any_more_what_came_of_it(
    whole_stack: WholeStack, talker: Browser
) -> None:
    async with calling(talker, whole_stack) as page:
        await expect(lines(page, "Reception").filter(has_text="Hello").first).to_be_visible(timeout=60_000)
        whole_stack.providers.hang("llm")
        ending = asyncio.create_task(asyncio.to_thread(whole_stack.end, signal.SIGINT))
        await expect(page.get_by_text("Callroom was shut down")).to_be_visible(timeout=SHUT_DOWN_WITHIN_S * 1000)
        assert await ending == 0
    whole_stack.providers.recover()
    assert "stopped: worker (exit status 0)" in whole_stack.log("supervisord")


async def understood(ours: Locator) -> bool:
    """Whether one of the lines is what was said, but for a few words."""
    heard = await ours.get_by_role("paragraph").all_inner_texts()
    return any(word_error_rate(SENTENCE, text) <= MISHEARD for text in heard)


async def analysed(stack: WholeStack, call_id: str) -> bool:
    """Whether all is there that the agent asks for, of a call that the caller ended."""
    async with aiohttp.ClientSession() as session:
        call = await Client(session, stack.url, stack.key).get(f"/v1/calls/{call_id}")
    if call["intelligence_status"] != "completed" or call["recording"]["status"] != "ready":
        return False
    intelligence = call["intelligence"]
    assert call["end_reason"] == "caller_hung_up"
    assert intelligence["summary"] == "Anna Miller wants a table for four people."
    assert intelligence["sentiment"] == "positive"
    assert intelligence["structured_data"] == {"name": "Anna Miller"}
    assert intelligence["evaluation"]["reasoning"] == "The agent was friendly."
    return True

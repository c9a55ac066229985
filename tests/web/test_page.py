"""The page in a real browser: the way to a call, and the call itself."""

import subprocess
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, Request, expect

from demo.client import Client
from tests.servers import ROOT
from tests.web.conftest import OpenPage
from tests.whole_stack import WholeStack

GREETING = "Hello, this is the restaurant. How can I help you?"
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


def _is_local(request: Request) -> bool:
    return request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))


def _strangers(page: Page) -> list[str]:
    """What the page asks of other machines, from now on."""
    asked: list[str] = []
    page.on("request", lambda request: None if _is_local(request) else asked.append(request.url))
    return asked


async def test_a_key_is_asked_for_and_a_first_agent_is_offered(open_page: OpenPage, served: tuple[str, str]) -> None:
    url, key = served
    async with open_page() as page:
        await page.goto(url)
        await page.get_by_label("Your API key").fill("sk_wrong")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("alert")).to_contain_text("This key is not accepted")
        await page.goto(f"{url}/docs")
        await page.goto(f"{url}/#key={key}")
        await page.get_by_role("button", name="Create a first agent").click()
        await expect(page.get_by_label("Agent")).to_have_text("Aria")
        assert key not in page.url
        await page.reload()
        await expect(page.get_by_label("Agent")).to_have_text("Aria")
        await page.get_by_role("button", name="Call").click()
        await expect(page.get_by_role("alert")).to_contain_text("The microphone is not allowed")
        await expect(page.get_by_role("button", name="Call")).to_be_enabled()


async def test_the_reference_of_the_api_is_drawn_without_the_internet(
    open_page: OpenPage, served: tuple[str, str]
) -> None:
    url, _ = served
    async with open_page() as page:
        asked = _strangers(page)
        await page.goto(f"{url}/docs")
        await expect(page.locator('[data-path="/v1/calls"]').first).to_be_visible()
        assert asked == []


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """A caller who lets the agent greet, then says two sentences, and is silent for as long as the call may last."""
    wav = tmp_path / "spoken.wav"
    folder = ROOT / "demo" / "caller"
    sentences = ["-i", str(folder / "1.ogg"), "-i", str(folder / "2.ogg")]
    joined = "[0]adelay=9000,apad=pad_dur=6[a];[1]apad=pad_dur=120[b];[a][b]concat=n=2:v=0:a=1"
    command = ["ffmpeg", "-v", "error", *sentences, "-filter_complex", joined, "-ar", "48000", "-ac", "1", str(wav)]
    subprocess.run(command, check=True)
    return wav


@pytest.mark.timeout(300)
async def test_a_call_is_spoken_transcribed_and_looked_back_at(
    open_page: OpenPage, whole_stack: WholeStack, spoken: Path, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session:
        agent = await Client(session, whole_stack.url, whole_stack.key).post("/v1/agents", AGENT)
    async with open_page(spoken) as page:
        asked = _strangers(page)
        await page.goto(f"{whole_stack.url}/#key={whole_stack.key}")
        await page.get_by_label("Agent").select_option(agent["id"])
        await page.get_by_role("button", name="Call").click()
        transcript = page.get_by_role("log")
        await expect(transcript).to_contain_text(GREETING, timeout=60_000)
        await expect(transcript).to_contain_text("table", timeout=60_000)
        await expect(transcript.locator("li.agent")).not_to_have_count(1, timeout=60_000)
        await page.get_by_role("button", name="Hang up").click()
        result = page.get_by_role("region", name="After the call")
        await expect(result).to_contain_text("Anna Miller wants a table for four people.", timeout=90_000)
        await expect(result).to_contain_text("The agent was friendly.")
        await expect(result.get_by_label("Recording of the call")).to_be_visible()
        assert asked == []
        await page.screenshot(path=tmp_path / "page.png", full_page=True)

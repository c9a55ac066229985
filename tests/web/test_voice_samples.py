"""The form of an agent lets each voice be heard before it is saved."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.providers import Providers, in_thread
from tests.web import accessibility
from tests.web.conftest import Serve
from tests.web.console import ask, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def providers() -> Iterator[Providers]:
    with in_thread() as running:
        yield running


async def wait_until_heard(page: Page) -> None:
    """Return when the voice plays: its time goes on."""
    await expect(page.locator("audio")).not_to_have_js_property("currentTime", 0)


async def test_a_voice_is_heard_and_why_not_is_said(browser: Browser, serve: Serve, providers: Providers) -> None:
    served = await serve(tts_url=providers.url)
    voices = [{"voice": "ash"}, {"voice": "coral"}]
    first = 'Hello {{customer.name}}. This is the {{ place | default: "Blue Door" }}. How can I help you?'
    agent = await ask(served, "POST", "/v1/agents", {"name": "A", "first_message": first, "tts": voices})
    said = "This is the Blue Door. How can I help you?"  # the first sentence is another one in each call
    async with opened(browser, served, f"/agents/{agent['id']}") as page:
        await page.get_by_role("heading", name="Voice and models", exact=True).click()
        second = page.get_by_role("group", name="Voice 2")
        await second.get_by_role("button", name="Hear it").click()
        await expect(second.get_by_text(f"“{said}”")).to_be_visible()
        await wait_until_heard(page)
        assert providers.spoken == [said]
        await accessibility.check(page)

        await second.get_by_label("Voice", exact=True).fill("sage")  # which was not heard yet
        await expect(page.locator("audio")).to_have_count(0)
        providers.fail("tts", 401, times=1)
        await second.get_by_role("button", name="Hear it").click()
        await expect(second.get_by_role("alert")).to_have_text("The voice (local) does not accept the key.")
        await second.get_by_label("Provider").fill("nobody")
        await expect(second.get_by_role("alert")).to_have_count(0)
        await second.get_by_role("button", name="Hear it").click()
        await expect(second.get_by_role("alert")).to_contain_text("provider: expected")


async def test_the_installations_own_voice_is_heard_in_the_agents_language(
    browser: Browser, serve: Serve, providers: Providers
) -> None:
    served = await serve(tts_url=providers.url)
    agent = await ask(served, "POST", "/v1/agents", {"name": "A", "language": "de-AT", "first_message": "Hallo {{x}}"})
    async with opened(browser, served, f"/agents/{agent['id']}") as page:
        await page.get_by_role("heading", name="Voice and models", exact=True).click()
        await page.get_by_role("button", name="Hear it").click()
        await wait_until_heard(page)
        assert providers.spoken[-1].startswith("Guten Tag")

"""Talking to an agent on its page, and what it says when something is in the way; without an agent worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from livekit import api, rtc
from playwright.async_api import Browser, Page, expect

from calls.database.engine import Database
from calls.events import EventKind
from calls.store import CallStore
from demo.client import Client, Json
from tests.conftest import Until
from tests.servers import LiveKitServer, free_port
from tests.web import accessibility
from tests.web.conftest import Serve, Served, new_context
from tests.web.media import SILENT, UNPLUGGABLE

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAITING = "Waiting for the agent"
LONG = 3000 * "x"
# A tab that is frozen runs no timer, and its clock has gone on when it does again.
STAND_STILL = "() => { const then = Date.now; Date.now = () => then() + 60_000; }"

# The card of the call around the button cuts off whatever does not fit into it.
IS_WITHIN = """(button) => {
    const [inner, outer] = [button, button.closest(".bar")].map((one) => one.getBoundingClientRect());
    const isBeside = inner.left >= outer.left && inner.right <= outer.right;
    return isBeside && inner.top >= outer.top && inner.bottom <= outer.bottom;
}"""


@asynccontextmanager
async def open_page(browser: Browser, *, microphone: bool = True, script: str = "() => {}") -> AsyncIterator[Page]:
    """A tab that knows nothing of the others, in which the script runs before any page's."""
    async with await new_context(browser, permissions=["microphone"] if microphone else []) as context:
        await context.add_init_script(f"({script})()")
        yield await context.new_page()


async def ask(served: Served, path: str, body: Json | None = None) -> Json:
    """A request of our own to the api: GET, or POST with a body."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, served.url, served.key)
        return await (client.get(path) if body is None else client.post(path, body))


async def call_of_page(served: Served) -> Json:
    """The one call that the page made."""
    (call,) = (await ask(served, "/v1/calls"))["calls"]
    return await ask(served, f"/v1/calls/{call['id']}")


async def open_talk(page: Page, served: Served, **agent: object) -> None:
    """The page of talking to a new agent."""
    made = await ask(served, "/v1/agents", {"name": "Reception", **agent})
    await page.goto(f"{served.url}/agents/{made['id']}#key={served.key}")
    await page.get_by_role("link", name="Talk", exact=True).click()
    await expect(page.get_by_role("heading", name="Talk to Reception")).to_be_visible()


async def press_start(page: Page, served: Served, **agent: object) -> None:
    """The same, and its button is pressed."""
    await open_talk(page, served, **agent)
    await page.get_by_role("button", name="Start the call").click()


async def test_the_variables_of_prompt_and_greeting_are_asked_for_and_the_call_gets_them(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    async with open_page(browser) as page:
        await open_talk(
            page,
            served,
            first_message="Good evening {{caller.name}}, how can I help you?",
            system_prompt='You are at the {{ place | default: "Blue Door" }}. {{"no": "place"}} '
            f'{{{{ toString | default: "{LONG}" }}}}',
        )
        assert await page.locator("form .field label").all_inner_texts() == [
            "caller.name",
            "place",
            "toString",
            "Microphone",
        ]
        await expect(page.get_by_label("toString")).to_have_value("")
        await page.set_viewport_size({"width": 390, "height": 844})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await expect(page.get_by_label("place")).to_have_attribute("placeholder", "Blue Door")
        await accessibility.check(page)
        await page.get_by_role("button", name="Start the call").click()  # nothing happens while there is a hole
        await page.get_by_label("caller.name").fill("Anna")
        await page.get_by_role("button", name="Start the call").click()
        await expect(page.get_by_text(WAITING)).to_be_visible()
        assert (await call_of_page(served))["variables"] == {"caller.name": "Anna"}


async def test_livekit_client_comes_when_a_call_begins_and_a_microphone_can_be_tried_before(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    async with open_page(browser) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await open_talk(page, served)
        await page.get_by_role("button", name="Try the microphone").click()
        level = page.get_by_role("meter", name="Input level")
        await expect(level).to_be_visible()
        await page.wait_for_function("() => document.querySelector('meter').value > 0.1")  # the fake device beeps
        assert not [url for url in asked if "livekit-client" in url]
        await page.get_by_role("button", name="Start the call").click()
        await expect(page.get_by_text(WAITING)).to_be_visible()
        assert [url for url in asked if "livekit-client" in url]


async def test_a_denied_microphone_is_explained_before_there_is_a_call(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with open_page(browser, microphone=False) as page:
        await press_start(page, served)
        await expect(page.get_by_role("alert")).to_contain_text("The microphone is blocked")
        await expect(page.get_by_role("button", name="Start the call")).to_be_enabled()
    assert (await ask(served, "/v1/calls"))["calls"] == []


async def test_a_room_out_of_reach_is_said_and_its_call_is_ended(browser: Browser, serve: Serve) -> None:
    nowhere = f"ws://127.0.0.1:{free_port()}"
    served = await serve(livekit_public_url=nowhere)
    async with open_page(browser) as page:
        await open_talk(page, served, first_message="Hello {{caller}}.")
        await page.get_by_label("caller").fill("Anna")
        await page.get_by_role("button", name="Start the call").click()
        await expect(page.get_by_role("alert")).to_contain_text(f"The LiveKit server at {nowhere} cannot be reached")
        await expect(page.get_by_label("caller")).to_have_value("Anna")
        await expect(page.get_by_role("button", name="Start the call")).to_be_enabled()
    assert (await call_of_page(served))["end_reason"] == "ended_by_api"


async def test_the_page_learns_that_its_call_ended_also_when_the_api_died_meanwhile(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    async with open_page(browser) as page:
        await press_start(page, served)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        call_id = (await call_of_page(served))["id"]
        served.program.kill_group()
        await expect(page.get_by_role("alert")).to_contain_text("Callroom does not answer")
        served.program.start()
        await asyncio.to_thread(served.program.wait_ready)
        await expect(page.get_by_role("alert")).not_to_contain_text("Callroom does not answer")
        await ask(served, f"/v1/calls/{call_id}/end", {})
        await page.wait_for_url(f"**/calls/{call_id}")


async def test_a_space_hangs_nobody_up_and_leaving_asks_first(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with open_page(browser) as page:
        await press_start(page, served)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        await accessibility.check(page)
        for key in ("Space", "Enter"):
            await page.keyboard.press(key)
        await page.get_by_role("link", name="Calls", exact=True).click()
        dialog = page.get_by_role("dialog", name="Leave the call?")
        await dialog.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_text(WAITING)).to_be_visible()
        for _ in range(2):  # steps back: the second one finds the question open
            await page.evaluate("() => new Promise((gone) => { addEventListener('popstate', gone); history.back(); })")
        await expect(dialog).to_have_count(1)
        await dialog.get_by_role("button", name="Cancel").click()
        await expect(dialog).to_have_count(0)

        await page.set_viewport_size({"width": 390, "height": 844})
        assert await page.get_by_role("button", name="Hang up").evaluate(IS_WITHIN)
        await page.get_by_role("button", name="Hang up").click()
        await page.wait_for_url(f"**/calls/{(await call_of_page(served))['id']}")


async def test_who_is_asked_and_stays_is_still_in_the_call_and_who_goes_leaves_it(
    browser: Browser, serve: Serve, livekit: LiveKitServer
) -> None:
    served = await serve()
    async with open_page(browser) as page:
        await press_start(page, served)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        async with page.expect_event("dialog") as asked:
            await page.evaluate("() => setTimeout(() => location.reload())")
        await (await asked.value).dismiss()
        await page.evaluate("() => window.dispatchEvent(new Event('freeze'))")
        async with speaking(livekit, (await call_of_page(served))["room_name"]) as room:
            await page.wait_for_function("() => [...document.querySelectorAll('audio')].some((one) => !one.paused)")
            left: asyncio.Future[rtc.RemoteParticipant] = asyncio.get_running_loop().create_future()
            room.on("participant_disconnected", left.set_result)
            page.once("dialog", lambda question: question.accept())
            await page.goto("about:blank")
            assert (await left).disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED


async def test_a_call_goes_on_when_the_session_of_the_browser_is_over(
    browser: Browser, serve: Serve, database: Database
) -> None:
    served = await serve()
    async with open_page(browser) as page:
        await press_start(page, served)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        await page.context.request.delete(f"{served.url}/v1/session", headers={"X-Callroom-Session": "test"})
        call = await call_of_page(served)
        async with database.writing() as conn:  # with whatever happens next its stream is over
            await CallStore(conn).add_event(call["id"], EventKind.AGENT_RETURNED, "lifecycle", "The agent is back")
        again = page.get_by_role("dialog", name="Sign in again")
        await again.get_by_label("Secret key").fill(served.key)
        await again.get_by_role("button", name="Sign in").click()
        await expect(again).to_have_count(0)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        call = await call_of_page(served)
        assert call["ended_at"] is None
        await ask(served, f"/v1/calls/{call['id']}/end", {})  # which it is told by its stream
        await page.wait_for_url(f"**/calls/{call['id']}")


async def test_who_leaves_the_page_is_out_of_the_room(
    browser: Browser, serve: Serve, livekit: LiveKitServer, until: Until
) -> None:
    served = await serve()
    async with open_page(browser) as page, aiohttp.ClientSession() as session:
        await press_start(page, served)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        room = (await call_of_page(served))["room_name"]
        rooms = api.LiveKitAPI(livekit.url, livekit.key, livekit.secret, session=session).room

        async def is_empty() -> bool:
            return not (await rooms.list_participants(api.ListParticipantsRequest(room=room))).participants

        assert not await is_empty()
        await page.get_by_role("link", name="Calls", exact=True).click()
        await page.get_by_role("button", name="Hang up and leave").click()
        await page.wait_for_url("**/calls")
        await until(is_empty)


async def test_a_lost_microphone_is_said_and_another_one_is_heard_instead(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with open_page(browser, script=UNPLUGGABLE) as page:
        await press_start(page, served)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        await page.evaluate("unplug()")
        await expect(page.get_by_role("alert")).to_contain_text("The microphone is gone")
        await page.evaluate("unplugged = false")
        choice = page.get_by_label("Microphone", exact=True)
        await choice.select_option(index=1)
        await expect(page.get_by_role("alert")).not_to_contain_text("The microphone is gone")


async def test_a_page_that_stood_still_says_that_it_was_not_heard(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with open_page(browser) as page:
        await press_start(page, served)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        await page.evaluate(STAND_STILL)
        await expect(page.get_by_role("alert")).to_contain_text("This page stood still for")


async def test_an_agent_that_died_is_away_until_the_next_one_is_there(
    browser: Browser, serve: Serve, livekit: LiveKitServer, database: Database
) -> None:
    served = await serve()
    async with open_page(browser) as page:
        await press_start(page, served)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        call = await call_of_page(served)

        async def note(kind: EventKind) -> None:
            async with database.writing() as conn:
                await CallStore(conn).add_event(call["id"], kind, "livekit", "As told by its agents")

        async with speaking(livekit, call["room_name"], {"lk.agent.state": "speaking"}):
            await expect(page.get_by_role("status")).to_have_text("Speaking")
            await note(EventKind.AGENT_LOST)  # LiveKit itself takes a while to believe it
            await expect(page.get_by_role("status")).to_contain_text("The agent is away")
            await note(EventKind.AGENT_JOINED)
            await expect(page.get_by_role("status")).to_have_text("Speaking")


async def test_a_browser_that_plays_nothing_offers_a_button_that_does(
    browser: Browser, serve: Serve, livekit: LiveKitServer
) -> None:
    served = await serve()
    async with open_page(browser, script=SILENT) as page:
        await press_start(page, served)
        await expect(page.get_by_text(WAITING)).to_be_visible()
        async with speaking(livekit, (await call_of_page(served))["room_name"]):
            await page.get_by_role("button", name="Hear the agent").click()
            await page.wait_for_function("() => [...document.querySelectorAll('audio')].some((one) => !one.paused)")
            await expect(page.get_by_role("button", name="Hear the agent")).to_be_hidden()


@asynccontextmanager
async def speaking(
    livekit: LiveKitServer, room_name: str, attributes: dict[str, str] | None = None
) -> AsyncIterator[rtc.Room]:
    """Somebody in the room who has a voice."""
    grants = api.VideoGrants(room_join=True, room=room_name)
    token = api.AccessToken(livekit.key, livekit.secret).with_identity("voice").with_grants(grants)
    room = rtc.Room()
    await room.connect(livekit.url, token.with_attributes(attributes or {}).to_jwt())
    voice = rtc.AudioSource(48000, 1)
    await room.local_participant.publish_track(rtc.LocalAudioTrack.create_audio_track("voice", voice))
    yield room
    await room.disconnect()

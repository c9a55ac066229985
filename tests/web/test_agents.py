"""The pages of agents: the list, the form and what the API says of it."""

import asyncio
import re
from typing import Any

import orjson
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.web import accessibility
from tests.web.conftest import Serve, Served
from tests.web.console import ask, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMA = {"type": "object", "properties": {"people": {"type": "integer", "description": "How many come"}}}
DEEP = {"type": "object", "properties": {"guests": {"type": "array", "items": {"type": "string"}}}}
AGENT: dict[str, Any] = {
    "name": "Reception",
    "system_prompt": 'You are at the {{ place | default: "Blue Door" }}.',
    "first_message": "Hello {{caller}}.",
    "tts": [{"provider": None, "model": None, "voice": None, "options": {}}],
    "features": {"redact": ["card"]},
    "post_call": {"summary": {"enabled": True, "prompt": "What was booked"}, "recording": {"enabled": False}},
}
FOLLOW = "(address) => Object.assign(document.body.appendChild(document.createElement('a')), { href: address }).click()"


async def made(served: Served, **changes: Any) -> str:
    """A new agent's id."""
    return str((await ask(served, "POST", "/v1/agents", AGENT | changes))["id"])


async def unfold(page: Page, *titles: str) -> None:
    """Open these sections of the form."""
    for title in titles:
        await page.get_by_role("heading", name=title, exact=True).click()


async def save(page: Page) -> None:
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Saved.", exact=True)).to_be_visible()


async def test_where_there_is_no_agent_a_first_one_is_offered_and_talked_to(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with opened(browser, served, "/agents") as page:
        await expect(page.get_by_text("There is no agent yet")).to_be_visible()
        await accessibility.check(page)
        await page.get_by_role("button", name="Create a first agent").click()
        await expect(page.get_by_role("heading", name="Talk to Blue Door restaurant")).to_be_visible()
        await page.get_by_role("link", name="Agents").click()
        await expect(page.get_by_role("link", name="Blue Door restaurant", exact=True)).to_be_visible()
        await accessibility.check(page)


async def test_a_new_agent_is_made_by_the_form(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with opened(browser, served, "/agents/new") as page:
        await page.get_by_role("button", name="Create the agent").click()
        await expect(page.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
        await page.get_by_label("Name", exact=True).fill("Reception")
        await page.get_by_label("Prompt").fill('Greet {{caller}} at the {{ place | default: "Blue Door" }}.')
        await expect(page.get_by_text("without a default: calls must give it")).to_be_visible()
        await unfold(page, "Tools", "After the call")
        await page.get_by_role("button", name="Add an HTTP tool").click()
        tool = page.get_by_role("group", name="HTTP tool 1")
        await tool.get_by_label("Name", exact=True).fill("look_up")
        await tool.get_by_label("URL").fill("https://example.com/{{arguments.number}}")
        await tool.get_by_label("Headers").fill("X-Shop: blue\nX-Door: 7")
        await page.get_by_label("Make it: Structured data").check()
        await page.get_by_role("button", name="Add a field").click()
        field = page.get_by_role("group", name="Field 1")
        await field.get_by_label("Name", exact=True).fill("people")
        await field.get_by_label("Type").select_option("integer")
        await field.get_by_label("Description").fill("How many come")
        await page.get_by_role("button", name="Add a field").click()
        second = page.get_by_role("group", name="Field 2").get_by_label("Name", exact=True)
        await second.fill("people")
        await page.get_by_role("button", name="Create the agent").click()
        await expect(field.get_by_label("Name", exact=True)).to_be_focused()  # two of one name are no schema
        await second.fill("")
        await expect(second).to_have_accessible_description("It needs a name.")
        await page.get_by_role("button", name="Remove field 2").click()
        await accessibility.check(page)
        await page.get_by_role("button", name="Create the agent").click()
        await expect(page.get_by_role("heading", name="Reception", exact=True)).to_be_visible()
    (agent,) = (await ask(served, "GET", "/v1/agents"))["agents"]
    assert agent["post_call"]["structured_extraction"] == {"enabled": True, "json_schema": SCHEMA}
    assert [(one["name"], one["headers"]) for one in agent["tools"]] == [("look_up", {"X-Shop": "blue", "X-Door": "7"})]


async def test_only_what_was_changed_is_changed(browser: Browser, serve: Serve) -> None:
    served = await serve()
    post_call = AGENT["post_call"] | {"structured_extraction": {"json_schema": DEEP}}  # more than the form's fields can
    path = f"/v1/agents/{await made(served, post_call=post_call)}"
    before = await ask(served, "GET", path)
    async with opened(browser, served, path.removeprefix("/v1")) as page:
        await unfold(page, "After the call", "Privacy and features")
        schema = page.get_by_label("JSON Schema")
        await expect(schema).to_have_value(orjson.dumps(DEEP, option=orjson.OPT_INDENT_2).decode())
        await schema.fill(orjson.dumps(SCHEMA).decode())
        await expect(page.get_by_role("button", name="Edit as fields")).to_be_visible()  # and nothing else happens
        await schema.fill(orjson.dumps(DEEP).decode())
        await page.get_by_label("Make it: Recording").check()
        await page.get_by_label("Email addresses").check()
        await ask(served, "PUT", path, {"name": "Meanwhile"})  # of another tab
        await save(page)
    after = await ask(served, "GET", path)
    assert after["name"] == "Meanwhile"
    assert after["features"]["redact"] == ["card", "email"]
    assert after["post_call"] == {**post_call, "recording": {"enabled": True}}
    left = {"name", "features", "post_call", "updated_at"}
    assert {k: v for k, v in after.items() if k not in left} == {k: v for k, v in before.items() if k not in left}


async def test_a_text_stays_at_its_field_as_it_is_typed_until_it_is_discarded(browser: Browser, serve: Serve) -> None:
    served = await serve()
    tools = [
        {"name": name, "url": "https://example.com", "method": "GET", "headers": {"X-Door": name}}
        for name in ("a", "b")
    ]
    async with opened(browser, served, f"/agents/{await made(served, tools=tools)}") as page:
        await unfold(page, "Tools", "Turns and limits")
        eagerness = page.get_by_label("Eagerness")
        await eagerness.fill("")
        await eagerness.press_sequentially("0.25")
        await expect(eagerness).to_have_value("0.25")
        headers = page.get_by_label("Headers")
        await page.get_by_role("button", name="Remove HTTP tool 1").click()
        await expect(headers).to_have_value("X-Door: b")
        await page.get_by_role("button", name="Discard").click()
        await expect(eagerness).to_have_value("0.1")
        await expect(headers.nth(0)).to_have_value("X-Door: a")
        await expect(headers.nth(1)).to_have_value("X-Door: b")

        await headers.nth(0).fill("no header")  # nothing of it can be saved, but it can be lost
        await page.get_by_role("link", name="Calls", exact=True).click()
        await page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Cancel").click()
        await page.get_by_role("button", name="JSON", exact=True).click()
        await expect(headers.nth(0)).to_be_focused()
        await page.get_by_role("button", name="Discard").click()
        await expect(headers.nth(0)).to_have_value("X-Door: a")
        await page.get_by_role("link", name="Calls", exact=True).click()
        await expect(page.get_by_role("heading", name="Calls")).to_be_visible()


async def test_what_is_typed_while_it_is_saved_is_still_to_be_saved(browser: Browser, serve: Serve) -> None:
    served = await serve()
    path = f"/v1/agents/{await made(served)}"
    async with opened(browser, served, path.removeprefix("/v1")) as page:
        typed = asyncio.Event()

        async def slow(route: Route) -> None:
            await typed.wait()
            await route.continue_()

        await page.get_by_label("First message").fill("Good evening!")
        await page.route(f"**{path}", slow)  # the agent is there by now: only what saves it is held back
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_label("Prompt").fill("Another one.")
        typed.set()
        await expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
        await expect(page.get_by_role("region", name="Changes").get_by_role("listitem")).to_have_count(1)
        await expect(page.get_by_label("Prompt")).to_have_value("Another one.")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("button", name="Save", exact=True)).to_be_hidden()
    after = await ask(served, "GET", path)
    assert (after["first_message"], after["system_prompt"]) == ("Good evening!", "Another one.")


async def test_two_who_edit_one_agent_lose_nothing_of_each_other(browser: Browser, serve: Serve) -> None:
    served = await serve()
    path = f"/v1/agents/{await made(served)}"
    async with opened(browser, served, path.removeprefix("/v1")) as page:
        await unfold(page, "After the call")
        post_call = AGENT["post_call"] | {"recording": {"enabled": True}}
        await ask(served, "PUT", path, {"post_call": post_call, "system_prompt": "Theirs."})
        await page.get_by_label("What to look at").fill("What was eaten")
        await save(page)
        await expect(page.get_by_text("Changed by somebody else meanwhile, and kept")).to_contain_text(
            ": system_prompt, post_call.recording.enabled."
        )
        after = await ask(served, "GET", path)
        assert after["post_call"] == post_call | {"summary": {"enabled": True, "prompt": "What was eaten"}}
        assert after["system_prompt"] == "Theirs."

        prompt = page.get_by_label("Prompt", exact=True)
        await prompt.fill("Ours.")
        await ask(served, "PUT", path, {"system_prompt": "Theirs again.", "name": "Meanwhile"})
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(prompt).to_have_accessible_description(re.compile("somebody else has changed it meanwhile"))
        await expect(prompt).to_have_value("Ours.")
        await expect(page.get_by_label("Name", exact=True)).to_have_value("Meanwhile")
        await expect(page.get_by_role("region", name="Changes")).to_contain_text("Theirs again.")
        assert (await ask(served, "GET", path))["system_prompt"] == "Theirs again."
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("button", name="Save", exact=True)).to_be_hidden()
    after = await ask(served, "GET", path)
    assert (after["system_prompt"], after["name"]) == ("Ours.", "Meanwhile")


async def test_what_the_api_refuses_is_said_at_its_field(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with opened(browser, served, f"/agents/{await made(served)}") as page:
        await page.get_by_label("Language").fill("English")
        await unfold(page, "Turns and limits")
        await page.get_by_label("Eagerness").fill("7")
        await unfold(page, "Turns and limits")  # what is wrong in it opens it again
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_label("Language")).to_have_attribute("aria-invalid", "true")
        await expect(page.get_by_label("Language")).to_be_focused()
        await expect(page.get_by_label("Language")).to_have_accessible_description(re.compile("expected a BCP 47 tag"))
        await expect(page.get_by_label("Eagerness")).to_be_visible()
        await expect(page.get_by_role("alert")).to_contain_text("eager: ")
        await page.get_by_role("button", name="Discard").click()
        await expect(page.get_by_role("alert")).to_be_hidden()


async def test_unsaved_changes_are_not_left_without_a_word(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with opened(browser, served, f"/agents/{await made(served)}") as page:
        await page.get_by_label("Prompt").fill("Another one.")
        await page.get_by_role("link", name="Calls", exact=True).click()
        await page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Cancel").click()
        await expect(page.get_by_label("Prompt")).to_have_value("Another one.")
        await page.evaluate(FOLLOW, "?since=2026-03-01T10:00:00Z")
        since = page.get_by_role("heading", name=re.compile("^Changed since"))
        await expect(since).to_be_visible()
        await page.go_back()
        await expect(since).to_be_hidden()
        await page.get_by_role("link", name="Agents", exact=True).click()
        await page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Cancel").click()
        await expect(page.get_by_label("Prompt")).to_have_value("Another one.")
        await page.get_by_role("button", name="Discard").click()
        await expect(page.get_by_label("Prompt")).to_have_value(AGENT["system_prompt"])
        await page.get_by_role("link", name="Calls", exact=True).click()
        await expect(page.get_by_role("heading", name="Calls")).to_be_visible()


async def test_the_whole_agent_can_be_edited_as_json_and_what_is_none_is_not_saved(
    browser: Browser, serve: Serve
) -> None:
    served = await serve()
    path = f"/v1/agents/{await made(served)}"
    async with opened(browser, served, path.removeprefix("/v1")) as page:
        await page.get_by_role("button", name="JSON", exact=True).click()
        field = page.get_by_label("The agent as JSON")
        shown = orjson.loads(await field.input_value())
        assert "id" not in shown
        assert shown["first_message"] == "Hello {{caller}}."
        await field.fill(orjson.dumps(shown | {"eager": 0.4}).decode())
        await field.fill("{")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("This is not JSON")).to_be_visible()
        await expect(field).to_be_focused()
        assert (await ask(served, "GET", path))["eager"] == 0.1
        await expect(page.get_by_text("There are unsaved changes.")).to_be_visible()
        shown.pop("features")  # what is taken out is as in a new agent
        await field.fill(orjson.dumps(shown | {"eager": 0.5}).decode())
        await accessibility.check(page)
        await save(page)
    after = await ask(served, "GET", path)
    assert (after["eager"], after["features"]["redact"]) == (0.5, [])


async def test_an_agent_is_cloned_and_deleted_after_a_question(browser: Browser, serve: Serve) -> None:
    served = await serve()
    async with opened(browser, served, f"/agents/{await made(served)}") as page:
        await page.get_by_role("button", name="Clone").click()
        await expect(page.get_by_role("heading", name="Reception (Copy)")).to_be_visible()
        await page.get_by_label("Prompt").fill("Another one.")
        await page.get_by_role("button", name="Clone").click()
        await page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Cancel").click()
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    assert [one["name"] for one in (await ask(served, "GET", "/v1/agents"))["agents"]] == ["Reception"]


async def test_a_change_is_listed_with_who_made_it_and_undone(browser: Browser, serve: Serve) -> None:
    served = await serve()
    agent_id = await made(served)
    async with opened(browser, served, f"/agents/{agent_id}") as page:
        changes = page.get_by_role("region", name="Changes")
        await expect(changes).to_contain_text("Nothing was changed since it was made")
        await page.get_by_label("First message").fill("Good evening!")
        await save(page)
        await expect(page.get_by_role("heading", name="Reception", exact=True)).to_be_focused()  # the bar is gone
        change = changes.get_by_role("listitem")
        await expect(change).to_contain_text("first_message")
        await expect(change).to_contain_text("Hello {{caller}}.")
        await expect(change).to_contain_text("by tests (sb_secret_")
        await accessibility.check(page)
        await page.get_by_label("First message").fill("Not saved")
        await expect(change.get_by_role("button", name="Undo")).to_be_disabled()
        await page.get_by_role("button", name="Discard").click()
        await change.get_by_role("button", name="Undo").click()
        await expect(page.get_by_label("First message")).to_have_value("Hello {{caller}}.")
        await expect(change).to_have_count(2)
        await expect(changes.get_by_role("heading", name="Changes")).to_be_focused()


async def test_what_was_changed_since_a_call_is_seen_from_it(browser: Browser, serve: Serve) -> None:
    served = await serve()
    agent_id = await made(served)
    path = f"/v1/agents/{agent_id}"
    await ask(served, "PUT", path, {"first_message": "Before"})
    person = {"transport": "webrtc", "identity": "anna"}
    await ask(served, "POST", "/v1/calls", {"agent_id": agent_id, "participants": [person]})
    await ask(served, "PUT", path, {"first_message": "After"})
    async with opened(browser, served, f"/agents/{agent_id}") as page:
        await expect(page.get_by_role("region", name="Changes").get_by_role("listitem")).to_have_count(2)
        await page.get_by_role("region", name="Its last calls").get_by_role("link", name="What was changed").click()
        since = page.get_by_role("region", name=re.compile("^Changed since"))
        await expect(since.get_by_role("listitem")).to_have_count(1)
        await expect(since.get_by_role("listitem")).to_contain_text("After")
        await accessibility.check(page)
        await page.goto(f"{served.url}/agents/{agent_id}?since=2026-13-45")  # which is no moment
        await expect(page.get_by_role("region", name="Changes").get_by_role("listitem")).to_have_count(2)
        await page.goto(f"{served.url}/agents/..%2Fkeys%2Fpublishable")  # which is no agent
        await expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()

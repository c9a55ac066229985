"""What axe-core finds wrong with a page as it is now, and with its colours in the dark too."""

from pathlib import Path

from playwright.async_api import Page

_AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
_RUN = """(options) => axe.run(document, options).then(
    (found) => found.violations.flatMap(({ id, nodes }) => nodes.map((n) => [id, ...n.target]))
)"""
_BROKEN = {"resultTypes": ["violations"]}  # what is as it should be is not described part by part
_COLOURS = {**_BROKEN, "runOnly": ["color-contrast", "link-in-text-block"]}  # all else is the same in the dark


async def check(page: Page) -> None:
    """Raise AssertionError with the rules that are broken and where; the page keeps the colours that it had."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(_AXE.read_text())  # through the debugger: the page's own policy lets no other script in
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found = {"dark": await page.evaluate(_RUN, _COLOURS)}
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found["light"] = await page.evaluate(_RUN, _BROKEN)
    await page.emulate_media(color_scheme=None, reduced_motion=None)
    assert found == {"dark": [], "light": []}

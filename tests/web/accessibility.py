"""What axe-core finds wrong with a page as it is now, light and dark."""

from pathlib import Path

from playwright.async_api import Page

_AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
_RUN = (
    "() => axe.run().then((found) => found.violations.flatMap(({ id, nodes }) => nodes.map((n) => [id, ...n.target])))"
)


async def check(page: Page) -> None:
    """Raise AssertionError with the rules that are broken and where; the page keeps the colours that it had."""
    await page.evaluate(_AXE.read_text())  # through the debugger: the page's own policy lets no other script in
    found = {}
    for scheme in ("dark", "light"):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found[scheme] = await page.evaluate(_RUN)
    await page.emulate_media(color_scheme=None, reduced_motion=None)
    assert found == {"dark": [], "light": []}

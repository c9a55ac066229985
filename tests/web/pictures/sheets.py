"""One sheet per page: as it is on a desk and on a phone, light and dark, side by side."""

import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.web.conftest import Served

# Window, and how wide the picture is.
DESK, PHONE = ((1280, 920), 900), ((390, 844), 300)
LOOKS = tuple((*size, scheme) for size in (DESK, PHONE) for scheme in ("light", "dark"))
GAP = 16
ALONE = "call"  # of which the README shows one picture
MOST_BYTES = 150_000
PATIENCE_MS = 120_000  # the machine may be busy
DRAWN_MS = 700  # until what has come is drawn, and scrolled to
# Draws the pictures (data URLs) side by side; a WebP of so much quality, as a data URL.
_DRAW = """async ({ pictures, gap, quality }) => {
  const images = await Promise.all(pictures.map(async (url) => createImageBitmap(await (await fetch(url)).blob())));
  const width = images.reduce((sum, image) => sum + image.width + gap, gap);
  const canvas = new OffscreenCanvas(width, Math.max(...images.map((image) => image.height)) + 2 * gap);
  const context = canvas.getContext("2d");
  context.fillStyle = "#9a9daa";
  context.fillRect(0, 0, canvas.width, canvas.height);
  let left = gap;
  for (const image of images) {
    context.drawImage(image, left, gap);
    left += image.width + gap;
  }
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality })).arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}"""

Prepare = Callable[[Page], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Sheet:
    """A page: its file's name, its address, what is to be seen before the picture, and what is so meanwhile."""

    name: str
    path: str
    shows: str
    prepare: Prepare | None = None
    signed_in: bool = True


async def write_sheets(browser: Browser, served: Served, sheets: list[Sheet], folder: Path) -> None:
    """Take the pictures of all pages and write their sheets.

    Raises:
        ValueError: a sheet is larger than `MOST_BYTES`.
    """
    pictures: dict[str, list[bytes]] = {sheet.name: [] for sheet in sheets}
    for (width, height), shown, scheme in LOOKS:
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=shown / width,
            color_scheme="light" if scheme == "light" else "dark",
            reduced_motion="reduce",
            permissions=["microphone"],
            locale="en-GB",
        )
        context.set_default_timeout(PATIENCE_MS)
        for sheet in sorted(sheets, key=lambda one: one.signed_in):  # signed in once, it stays
            pictures[sheet.name].append(await _picture(context, served, sheet))
        await context.close()
    async with await browser.new_context() as context:
        page = await context.new_page()
        for name, parts in pictures.items():
            (folder / f"{name}.webp").write_bytes(await side_by_side(page, name, parts))
        if alone := pictures.get(ALONE):
            (folder / f"{ALONE}-alone.webp").write_bytes(await side_by_side(page, ALONE, alone[:1]))


async def _picture(context: BrowserContext, served: Served, sheet: Sheet) -> bytes:
    page = await context.new_page()
    await page.goto(f"{served.url}{sheet.path}" + (f"#key={served.key}" if sheet.signed_in else ""))
    async with nullcontext() if sheet.prepare is None else sheet.prepare(page):
        await page.get_by_text(sheet.shows).locator("visible=true").first.wait_for()
        await expect(page.locator(".waiting")).to_have_count(0)
        await page.wait_for_timeout(DRAWN_MS)
        picture = await page.screenshot(animations="disabled")
        await page.close()
    return picture


async def side_by_side(page: Page, name: str, parts: list[bytes]) -> bytes:
    """The sheet as a WebP, drawn by a page that is empty."""
    urls = [f"data:image/png;base64,{base64.b64encode(part).decode()}" for part in parts]
    for quality in (0.8, 0.65, 0.5):
        given = {"pictures": urls, "gap": GAP if len(parts) > 1 else 0, "quality": quality}
        sheet = base64.b64decode(await page.evaluate(_DRAW, given))
        if len(sheet) <= MOST_BYTES:
            return sheet
    raise ValueError(f"{name}: {len(sheet)} bytes are too many")

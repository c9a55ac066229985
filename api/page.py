"""The pages: `/` to talk to an agent, `/docs` to read the API. Files as they are; a key is never among them."""

from pathlib import Path

from aiohttp import web

WEB = Path(__file__).resolve().parent.parent / "web"
_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def add_pages(app: web.Application) -> None:
    """Serve the pages and, under `/web/`, what they are made of."""
    app.router.add_get("/", index)
    app.router.add_get("/docs", docs)
    app.router.add_static("/web/", WEB)


async def index(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(WEB / "index.html", headers=_HEADERS)


async def docs(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(WEB / "docs.html", headers=_HEADERS)

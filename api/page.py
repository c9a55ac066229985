"""The pages: `/` to talk to an agent, `/docs` to read the API. Files as they are; a key is never among them."""

import asyncio
from pathlib import Path

from aiohttp import web

from calls.errors import NotFound

WEB = Path(__file__).resolve().parent.parent / "web"
# Looked at again each time (it costs a 304): after an update no old script runs against the new API.
_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def add_pages(app: web.Application) -> None:
    """Serve the pages and, under `/web/`, what they are made of."""
    app.router.add_get("/", index)
    app.router.add_get("/docs", docs)
    app.router.add_get("/web/{path:.+}", file)


async def index(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(WEB / "index.html", headers=_HEADERS)


async def docs(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(WEB / "docs.html", headers=_HEADERS)


async def file(request: web.Request) -> web.FileResponse:
    found = await asyncio.to_thread(_find, request.match_info["path"])
    if found is None:
        raise NotFound("File not found.")
    return web.FileResponse(found, headers=_HEADERS)


def _find(name: str) -> Path | None:
    try:
        path = (WEB / name).resolve()
        return path if path.is_relative_to(WEB) and path.is_file() else None
    except (ValueError, OSError):  # a NUL, or a name longer than any
        return None

"""The pages: the console, `/join` for whoever was sent a link, `/docs`. Files as they are, without a key in them."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from api.middleware import Handler
from api.routing import SETTINGS
from calls.errors import NotFound

WEB = Path(__file__).resolve().parent.parent / "web"
# Looked at again each time (it costs a 304): after an update no old script runs against the new API.
_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
# The widget is made of these files, and stands in pages of other origins.
_SHARED = _HEADERS | {"Access-Control-Allow-Origin": "*"}

# Swagger UI styles what it draws as it goes.
_DOCS_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_PROGRAMS = ("/v1/", "/web/", "/livekit/")  # what only programs ask for, also in a browser

# The addresses of the console's pages, as `web/pages.js` has them: each is the same file, which looks at its address.
CONSOLE = (
    "/",
    "/calls",
    "/calls/{id}",
    "/agents",
    "/agents/{id}",
    "/agents/{id}/talk",
    "/campaigns",
    "/campaigns/{id}",
    "/numbers",
    "/webhooks",
    "/webhooks/{id}",
    "/keys",
    "/usage",
    "/health",
)


def add_pages(app: web.Application) -> None:
    """Serve the pages and, under `/web/`, what they are made of."""
    for path in CONSOLE:
        app.router.add_get(path, console)
    app.router.add_get("/join/{code}", join)
    app.router.add_get("/docs", docs)
    app.router.add_get("/talk/{code}", share)
    for path in ("/join/{code}/", "/talk/{code}/"):
        app.router.add_get(path, without_slash)
    app.router.add_get("/web/{path:.+}", file)


@web.middleware
async def answer_mistyped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """At an address that nothing has, show who opens it in a browser the console, which says so with a way on."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        opened = request.method == hdrs.METH_GET and "text/html" in request.headers.get(hdrs.ACCEPT, "")
        if opened and not request.path.startswith(_PROGRAMS):
            return _console(request, 404)
        raise


async def console(request: web.Request) -> web.FileResponse:
    return _console(request, 200)


def _console(request: web.Request, status: int) -> web.FileResponse:
    headers = _HEADERS | {"Content-Security-Policy": _policy(request)}
    return web.FileResponse(WEB / "index.html", status=status, headers=headers)


async def join(request: web.Request) -> web.FileResponse:
    return web.FileResponse(WEB / "join.html", headers=_HEADERS | {"Content-Security-Policy": _policy(request)})


async def share(request: web.Request) -> web.FileResponse:
    headers = {"Content-Security-Policy": _policy(request), "X-Robots-Tag": "noindex"}
    return web.FileResponse(WEB / "share" / "index.html", headers=_HEADERS | headers)


async def without_slash(request: web.Request) -> web.Response:
    """To the same address without the slash that something has put behind a link that was sent."""
    code = request.rel_url.raw_parts[-2]
    return web.Response(status=302, headers=_HEADERS | {"Location": f"../{code}"})


async def docs(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(WEB / "docs.html", headers=_HEADERS | {"Content-Security-Policy": _DOCS_POLICY})


async def file(request: web.Request) -> web.FileResponse:
    found = await asyncio.to_thread(_find, request.match_info["path"])
    if found is None:
        raise NotFound("File not found.")
    # Whoever takes that gets the `.gz` that `npm run compress` has put beside a large one.
    return web.FileResponse(found, headers=_SHARED)


def _policy(request: web.Request) -> str:
    """What our pages may load: their own files, what LiveKit sends, and recordings from wherever they are kept."""
    host = urlsplit(request.app[SETTINGS].livekit_for_browsers).netloc
    hosts = [host, "*.livekit.cloud"] if host.endswith(".livekit.cloud") else [host]  # there, each region has its own
    rooms = " ".join(f"{scheme}://{one}" for one in hosts for scheme in ("ws", "wss", "http", "https"))
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {rooms}; "
        "media-src 'self' blob: https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _is_part(path: Path) -> bool:
    """Whether a page may be made of it: pages themselves have their addresses, and headers that belong to them."""
    hidden = any(part.startswith(".") for part in path.relative_to(WEB).parts)
    return not hidden and path.suffix not in {".html", ".htm"}


def _find(name: str) -> Path | None:
    try:
        path = (WEB / name).resolve()
        return path if path.is_relative_to(WEB) and _is_part(path) and path.is_file() else None
    except (ValueError, OSError):  # a NUL, or a name longer than any
        return None

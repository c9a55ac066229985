"""Downloads of recordings that are kept in a folder; those in a bucket are fetched from there."""

from aiohttp import web

from api.routing import STORAGE
from api.schema.calls import RecordingQuery
from calls.errors import Forbidden, NotFound

_TYPES = {".ogg": "audio/ogg", ".wav": "audio/wav"}


async def download(request: web.Request, query: RecordingQuery) -> web.FileResponse:
    """The file of a signed link, whole or in the ranges that were asked for."""
    storage, key = request.app[STORAGE], request.match_info["key"]
    if not storage.verify(key, query.expires, query.signature):
        raise Forbidden("This link is not genuine, or no longer valid.", code="bad_link")
    path = storage.file(key)
    if path is None:
        raise NotFound("This recording is no longer there.")
    kind = _TYPES.get(path.suffix, "application/octet-stream")
    return web.FileResponse(path, headers={"Cache-Control": "private", "Content-Type": kind})

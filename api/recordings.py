"""Downloads of recordings by signed links: a folder's files from here, those of a bucket from the bucket itself."""

import time

from aiohttp import hdrs, web

from api.routing import DATABASE, STORAGE
from api.schema.recordings import RecordingQuery
from calls.errors import Forbidden, NotFound
from calls.privacy.erasure import is_recording_erased
from calls.recordings.pieces import call_of
from calls.recordings.storage import TYPES


async def download(request: web.Request, query: RecordingQuery) -> web.StreamResponse:
    """The file of a signed link, whole or in the ranges that were asked for, or where the bucket has it."""
    storage, key = request.app[STORAGE], request.match_info["key"]
    if not storage.verify(key, query.expires, query.signature):
        raise Forbidden("This link is not genuine, or no longer valid.", code="bad_link")
    async with request.app[DATABASE].reading() as conn:
        if await is_recording_erased(conn, call_of(key)):
            raise NotFound("The recording of this call was erased.", code="erased")
    left_s = max(int(query.expires) - int(time.time()), 1)
    address = await storage.bucket_url("HEAD" if request.method == hdrs.METH_HEAD else "GET", key, left_s)
    if address is not None:
        return web.Response(status=307, headers={"Location": address, "Cache-Control": "no-store"})
    path = storage.file(key)
    if path is None:
        raise NotFound("Recording not found.")
    kind = TYPES.get(path.suffix, "application/octet-stream")
    return web.FileResponse(path, headers={"Cache-Control": "private", "Content-Type": kind})

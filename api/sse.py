"""Server-sent events: how they are written, and to whom no longer."""

import asyncio
from collections.abc import Iterable

from aiohttp import web
from pydantic import BaseModel

WRITE_TIMEOUT_S = 60  # a client that takes nothing for so long is let go; it comes again
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
RETRY = b"retry: 1000\n\n"
STILL_HERE = b": still here\n\n"


def message(kind: str, data: BaseModel, mark: object = None) -> bytes:
    """One message; with a `mark`, by which a client can go on behind it."""
    identified = "" if mark is None else f"id: {mark}\n"
    return f"{identified}event: {kind}\ndata: {data.model_dump_json()}\n\n".encode()


async def write(response: web.StreamResponse, messages: Iterable[bytes]) -> None:
    """Send messages one by one; TimeoutError if the client does not take one."""
    for one in messages:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await response.write(one)

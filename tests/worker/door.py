"""A way to LiveKit through which a worker always hears of calls, and that may be shut when it wants into a room."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlparse

ROOMS = b"GET /rtc"  # where a room is entered; workers register at /agent


class Door:
    """One worker's way to LiveKit.

    Args:
        url: LiveKit's.
        is_shut: asked whenever somebody wants into a room.
    """

    def __init__(self, url: str, is_shut: Callable[["Door"], bool]) -> None:
        self.url = ""
        self._is_shut = is_shut
        self._livekit = urlparse(url)

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        if first.startswith(ROOMS) and self._is_shut(self):
            writer.close()
            return
        behind_reader, behind_writer = await asyncio.open_connection(self._livekit.hostname, self._livekit.port)
        behind_writer.write(first)
        await asyncio.gather(_pour(reader, behind_writer), _pour(behind_reader, writer), return_exceptions=True)


async def _pour(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            into.write(data)
            await into.drain()
    finally:
        into.close()


@contextmanager
def door_to(url: str, is_shut: Callable[[Door], bool]) -> Iterator[Door]:
    """A door that is served from a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    door = Door(url, is_shut)
    server = asyncio.run_coroutine_threadsafe(door.open(), loop).result()
    yield door
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

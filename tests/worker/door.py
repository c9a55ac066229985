"""A way to LiveKit that may be shut when a worker wants into a room, or silent, or gone: else it hears of calls.

Or one to another server, that a test cuts.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlparse

ROOMS = b"GET /rtc"  # where a room is entered; workers register at /agent


class Door:
    """One worker's way to a server.

    Args:
        url: the server's.
        is_shut: asked whenever somebody wants into a room.
    """

    def __init__(self, url: str, is_shut: Callable[["Door"], bool]) -> None:
        self.url = ""
        self._is_shut = is_shut
        self._server = urlparse(url)
        self._lines: set[asyncio.StreamWriter] = set()
        self._passes = asyncio.Event()
        self._passes.set()
        self._is_there = True
        self._loop: asyncio.AbstractEventLoop | None = None

    def fall_silent(self) -> None:
        """Let nothing pass, and tell nobody so."""
        self._do(self._passes.clear)

    def go_away(self) -> None:
        """Break every line, and refuse whoever comes."""
        self._is_there = False
        self._do(self._break_lines)

    def come_back(self) -> None:
        """Be as before; what was to pass meanwhile does."""
        self._is_there = True
        self._do(self._passes.set)

    def _break_lines(self) -> None:
        for line in self._lines:
            line.transport.abort()

    def _do(self, what: Callable[[], object]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(what)

    async def open(self) -> asyncio.Server:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        user, at, _ = self._server.netloc.rpartition("@")
        self.url = self._server._replace(netloc=f"{user}{at}127.0.0.1:{server.sockets[0].getsockname()[1]}").geturl()
        return server

    async def close(self) -> None:
        """Break every line; returns when nobody is served any more."""
        self._break_lines()
        if serving := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(serving)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        if not self._is_there or (first.startswith(ROOMS) and self._is_shut(self)):
            writer.close()
            return
        behind_reader, behind_writer = await asyncio.open_connection(self._server.hostname, self._server.port)
        lines = {writer, behind_writer}
        self._lines |= lines
        await self._passes.wait()
        behind_writer.write(first)
        ways = (self._pour(reader, behind_writer), self._pour(behind_reader, writer))
        await asyncio.gather(*ways, return_exceptions=True)
        self._lines -= lines

    async def _pour(self, source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._passes.wait()
                into.write(data)
                await into.drain()
        finally:
            into.close()


@contextmanager
def door_to(url: str, is_shut: Callable[[Door], bool] = lambda _door: False) -> Iterator[Door]:
    """A door that is served from a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    door = Door(url, is_shut)
    server = asyncio.run_coroutine_threadsafe(door.open(), loop).result()
    yield door
    loop.call_soon_threadsafe(server.close)
    asyncio.run_coroutine_threadsafe(door.close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

"""A way to a server on this machine that can break as a cable does: nobody at its ends is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Wire:
    """Whoever connects to `port` is connected to the server; `connections` is how many have been so far."""

    def __init__(self, server_port: int) -> None:
        self.connections = 0
        self.port = 0
        self._server_port = server_port
        self._ends: list[asyncio.StreamWriter] = []
        self._carriers: list[asyncio.Task[None]] = []

    def break_connections(self) -> None:
        """Those that there are carry nothing any more, and are not closed; who connects anew is served."""
        for carrier in self._carriers:
            carrier.cancel()
        self._carriers.clear()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.break_connections()
            for end in self._ends:
                end.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answers, asking = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._ends += [writer, asking]
        self._carriers += [asyncio.create_task(_carry(*way)) for way in ((reader, asking), (answers, writer))]


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()

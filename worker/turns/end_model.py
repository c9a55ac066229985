"""LiveKit's end-of-turn model, one for all calls of a worker: it fills 20 MB as it predicts, in each process that does.

The main process of a worker does it, for it lives as long as its calls, on an abstract socket: a request is samples,
linear16 mono at 16 kHz, to their end; the answer a double. One prediction waits for the other: each at a time fills its
own 20 MB, and none of them would be there sooner.
"""

import asyncio
import os
import socket
import struct
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from livekit.agents import AgentServer
from livekit.local_inference import EOT, EOT_MAX_SAMPLES
from numpy.typing import NDArray

ANSWER_S = 2.0  # by then the turn is over; to predict for itself takes a process no less on a machine that is so busy
_LONGEST = EOT_MAX_SAMPLES * 2  # bytes
_ANSWER = struct.Struct("<d")
_PEER = struct.Struct("3i")
_one_by_one = ThreadPoolExecutor(1, "end-of-turn")

Predict = Callable[[NDArray[np.int16]], Awaitable[float]]


@cache
def _model() -> EOT:
    return EOT()


async def predict(samples: NDArray[np.int16]) -> float:
    """How likely a voice has finished, from 0 to 1, by its last `EOT_MAX_SAMPLES`; in this process."""
    return await asyncio.get_running_loop().run_in_executor(_one_by_one, lambda: _model().predict(samples))


class EndModelServer:
    """Predicts for other processes of the same user, at `address`."""

    def __init__(self) -> None:
        self.address = f"\0callroom-{uuid.uuid4()}"
        self._starting: asyncio.Task[None] | None = None

    def serve(self, server: AgentServer) -> None:
        """From the start of the server on."""
        server.on("worker_started", self._start)

    async def open(self) -> asyncio.Server:
        """Predict until that is closed."""
        return await asyncio.start_unix_server(_answer, self.address)

    def _start(self) -> None:
        self._starting = asyncio.get_running_loop().create_task(self._warm_up(), name="end-of-turn model")

    async def _warm_up(self) -> None:
        async with await self.open():
            await predict(np.zeros(EOT_MAX_SAMPLES, np.int16))  # the first time takes four times as long
            await asyncio.Event().wait()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        _check_user(writer.get_extra_info("socket"))
        async with asyncio.timeout(ANSWER_S):
            pcm = await reader.read(_LONGEST + 1)
            while more := await reader.read(_LONGEST + 1 - len(pcm)):
                pcm += more
        writer.write(_ANSWER.pack(await predict(np.frombuffer(pcm, np.int16))))
        await writer.drain()
    except (OSError, TimeoutError, ValueError):
        pass  # whoever asked predicts for itself
    finally:
        writer.close()


def _check_user(connected: socket.socket) -> None:
    """Raise PermissionError if another user's process is at the other end."""
    _, user, _ = _PEER.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    if user != os.getuid():
        raise PermissionError


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connecting = socket.socket(socket.AF_UNIX)
    connecting.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(connecting, address)  # uvloop itself connects to no abstract one
        _check_user(connecting)  # an address whose server is gone is anybody's
        return await asyncio.open_unix_connection(sock=connecting)
    except BaseException:
        connecting.close()
        raise


async def predict_at(address: str, samples: NDArray[np.int16]) -> float:
    """The same as `predict`, by who serves an address, or in this process if nobody does; TimeoutError if late."""
    async with asyncio.timeout(ANSWER_S):
        try:
            return await _asked(address, samples)
        except (OSError, asyncio.IncompleteReadError):
            return await predict(samples)


async def _asked(address: str, samples: NDArray[np.int16]) -> float:
    reader, writer = await _connect(address)
    try:
        writer.write(samples.tobytes())
        writer.write_eof()
        [likely] = _ANSWER.unpack(await reader.readexactly(_ANSWER.size))
        return float(likely)
    finally:
        writer.close()

"""What agents on this machine recorded, brought to where recordings are kept; what a killed one left too.

A file belongs to whoever has the lock on it: its recorder while the call runs, then one of the workers that share the
folder. The kernel takes a lock from a process that dies. Nothing but the worker is needed on its machine.
"""

import asyncio
import fcntl
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from livekit.agents import AgentServer

from calls.database.engine import Database
from calls.errors import NotFound, Unavailable
from calls.recordings import pieces
from calls.recordings.pieces import BEGINNING, Piece, PieceState
from calls.recordings.storage import Storage
from calls.settings import Settings

logger = logging.getLogger(__name__)

LOOK_S = 0.5
BEGUN_S = 60.0  # a file is open for a moment before its recorder has the lock on it
LONGEST_S = 5.0  # between two looks while the storage or the database is away


class Uploads:
    """Looks into the folder of this worker's recordings, from the worker's start until its last call has ended."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.recordings_dir
        self._database = Database(settings.database, pool_size=1)
        self._storage = Storage(settings)
        self._told: set[Piece] = set()
        self._strange: set[Piece] = set()
        self._failed: set[Piece] = set()
        self._stopping = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def serve(self, server: AgentServer) -> None:
        """Look from the start of the server on."""
        server.on("worker_started", self.start)

    def start(self) -> None:
        """Look again and again, until `stop`."""
        self._looking = asyncio.get_running_loop().create_task(self._look_until_stopped(), name="uploads")

    async def stop(self) -> None:
        """Look once more; what cannot be brought now waits for the next worker on this machine."""
        self._stopping.set()
        if self._looking is not None:
            await self._looking

    async def _look_until_stopped(self) -> None:
        pause_s, failure = LOOK_S, ""
        try:
            stopping = False
            while not stopping:
                stopping = self._stopping.is_set()
                try:
                    await self._look()
                except Exception as error:  # noqa: BLE001 - whatever it is, the next look comes
                    pause_s = min(pause_s * 2, LONGEST_S)
                    told = str(error) if isinstance(error, Unavailable) else type(error).__name__
                    if told != failure:
                        logger.warning("recordings stay on this machine for now", extra={"error": told})
                    failure = told
                else:
                    pause_s, failure = LOOK_S, ""
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._stopping.wait()
        finally:
            await self._database.close()

    async def _look(self) -> None:
        """Tell of every file that is there, and bring every one that nobody writes any more.

        What is wrong with one of them keeps no other here: it is raised when all have had their turn.

        Raises:
            Unavailable: the database or the storage is away, and not all was done.
        """
        files = await asyncio.to_thread(self._files)
        self._told &= files.keys()
        self._failed &= files.keys()
        failures = [*await self._tell_of_all(files), *await self._bring_all(files)]
        if failures:
            raise failures[0]

    async def _tell_of_all(self, files: dict[Piece, Path]) -> list[Exception]:
        failures: list[Exception] = []
        for piece in files.keys() - self._told - self._strange:
            try:
                await self._tell_of(piece)
            except NotFound:  # the folder may have been another installation's
                self._strange.add(piece)
                logger.warning("a recording is of no call that is known here", extra={"file": piece.name})
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - of one file
                failures.append(error)
        return failures

    async def _bring_all(self, files: dict[Piece, Path]) -> list[Exception]:
        failures: list[Exception] = []
        # Those that failed come last: one look asks a storage that is away only once, and what it will never take
        # stands in nobody's way.
        for piece in sorted(files.keys() - self._strange, key=self._failed.__contains__):
            self._failed.add(piece)
            try:
                file = await asyncio.to_thread(_take, files[piece])
                if file is not None:
                    with file:
                        await self._bring(piece, files[piece], file)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - of one file
                failures.append(error)
            else:
                self._failed.discard(piece)
        return failures

    def _files(self) -> dict[Piece, Path]:
        for begun in self._folder.glob(f"*{BEGINNING}"):
            _clear(begun)
        named = {path: Piece.named(path.name) for path in self._folder.glob("*.ogg*")}
        return {piece: path for path, piece in named.items() if piece is not None}

    async def _tell_of(self, piece: Piece) -> PieceState | None:
        async with self._database.writing() as conn:
            state = await pieces.tell_of(conn, piece)
        self._told.add(piece)
        return state

    async def _bring(self, piece: Piece, path: Path, file: BinaryIO) -> None:
        """Bring a file that is ours to the storage, unless it is there; then nobody needs it here any more."""
        state = await self._tell_of(piece)
        if state is PieceState.LOCAL:
            await self._storage.put_file(piece.key, file)
            async with self._database.writing() as conn:
                state = await pieces.arrive(conn, piece)
        if state is None:  # the recording was erased meanwhile
            await self._storage.delete(piece.key)
        await asyncio.to_thread(path.unlink)


def _take(path: Path) -> BinaryIO | None:
    """The open file, ours until it is closed; None if somebody else has it, or has just brought it."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    file.close()
    return None


def _clear(begun: Path) -> None:
    """Remove what a recorder began that was killed before anything was in it."""
    with suppress(FileNotFoundError):
        is_old = time.time() - begun.stat().st_mtime > BEGUN_S
        if is_old and (file := _take(begun)) is not None:
            with file:
                begun.unlink()

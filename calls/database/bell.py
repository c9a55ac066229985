"""A bell for the processes of one machine: whoever listens hears at once that it was rung, and nobody has to look."""

import asyncio
import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MANY = 4096


class Bell:
    """Each listener has a pipe of its own in the folder; the pipe of one that was killed goes with the next ring."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ring(self) -> None:
        """Wake all who listen. On a disk that has no pipes nobody does."""
        with suppress(OSError):
            for pipe in self._folder.glob("[!.]*"):
                with suppress(OSError):  # a listener that dies just now is in no other's way
                    _ring(pipe)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set by each ring, for the length of the block. OSError where no pipe can be made."""
        self._folder.mkdir(parents=True, exist_ok=True)
        pipe, rung = self._folder / uuid.uuid4().hex, asyncio.Event()
        # It is there for others only once somebody has its end.
        hidden = pipe.with_name(f".{pipe.name}")
        os.mkfifo(hidden)
        end = os.open(hidden, os.O_RDWR | os.O_NONBLOCK)
        loop = asyncio.get_running_loop()

        def hear() -> None:
            os.read(end, _MANY)
            rung.set()

        loop.add_reader(end, hear)
        hidden.rename(pipe)
        try:
            yield rung
        finally:
            loop.remove_reader(end)
            os.close(end)
            pipe.unlink(missing_ok=True)


def _ring(pipe: Path) -> None:
    try:
        end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nobody has the other end
            pipe.unlink(missing_ok=True)
        return
    try:
        with suppress(BlockingIOError):  # it is full, so whoever is to hear it will
            os.write(end, b"!")
    finally:
        os.close(end)

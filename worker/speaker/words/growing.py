"""A text that is still being written."""

import asyncio
import math
from collections.abc import AsyncIterator


class Growing:
    """Several may read it, each from a place of its own on."""

    def __init__(self) -> None:
        self.text = ""
        self.is_whole = False
        self._began_at = math.inf  # by the loop's time
        self._more = asyncio.Event()

    @property
    def characters_per_s(self) -> float:
        """How quickly it has been written so far."""
        elapsed_s = asyncio.get_running_loop().time() - self._began_at
        return len(self.text) / elapsed_s if elapsed_s > 0 else math.inf

    def add(self, piece: str) -> None:
        """It goes on."""
        self._began_at = min(self._began_at, asyncio.get_running_loop().time())
        self.text += piece
        self._tell()

    def end(self) -> None:
        """Nothing more comes."""
        self.is_whole = True
        self._tell()

    async def grown(self) -> None:
        """Return when it has changed."""
        await self._more.wait()

    async def read(self, start: int) -> AsyncIterator[str]:
        """What there is from that character on, as it comes."""
        while True:
            if more := self.text[start:]:
                start += len(more)
                yield more
            elif self.is_whole:
                return
            else:
                await self.grown()

    def _tell(self) -> None:
        told, self._more = self._more, asyncio.Event()
        told.set()

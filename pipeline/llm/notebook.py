"""The notes that a question about a long call has cost so far: none is asked for again."""

import math
from collections.abc import Awaitable, Callable, Collection

from calls.analysis.notes import Note

Keep = Callable[[Note], Awaitable[None]]


class Notebook:
    """Notes of one conversation for one question; each new one is handed to `keep` before the next is asked for."""

    def __init__(self, notes: Collection[Note] = (), keep: Keep | None = None) -> None:
        self._texts = {note.asked: note.text for note in notes}
        self._keep = keep
        self.room = min((note.room for note in notes), default=math.inf)
        """Bytes that a request might have when the last of the notes that were there was made; without one no end."""

    def find(self, asked: str) -> str | None:
        """What the answer to this request was."""
        return self._texts.get(asked)

    async def add(self, note: Note) -> None:
        """Keep the answer to a request."""
        self._texts[note.asked] = note.text
        if self._keep is not None:
            await self._keep(note)

"""The transcript of a running call: segments as they grow, written in batches in the order in which they began."""

import asyncio
import logging
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database import Database
from calls.tables import participants, segments
from calls.transcript import Segment, write_segments

logger = logging.getLogger(__name__)

BATCH_S = 0.25
RETRY_S = (0.2, 0.5, 1.0, 2.0)
CLOSE_TIMEOUT_S = 60.0


@dataclass
class _Line:
    """One segment so far, and the state of it that is in the database."""

    speaker: str
    identity: str | None
    text: str = ""
    started_at_ms: int = 0
    ended_at_ms: int = 0
    final: bool = False
    written: Segment | None = None


class TranscriptWriter:
    """Takes every change of a segment at once and writes it within 250 ms, a final one without delay.

    Segments are numbered by their beginnings: one that turns out to have begun earlier than others moves those behind
    it. While the database is busy or away, changes wait here and are written when it is back.

    Args:
        call_id: the call.
        token: the lease's fencing token; once another worker holds the lease, nothing more is written.
    """

    def __init__(self, database: Database, call_id: str, token: int) -> None:
        self._database = database
        self._call_id = call_id
        self._token = token
        self._lines: list[_Line] = []
        self._first: int | None = None  # how many segments an earlier worker of this call wrote
        self._participants: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._task: asyncio.Task[None] | None = None
        self.lost = False

    def begin(self, speaker: str, identity: str | None) -> int:
        """A new segment of `speaker` ("user" or "agent"); the handle for its updates."""
        self._lines.append(_Line(speaker, identity))
        return len(self._lines) - 1

    def update(self, segment: int, text: str, started_at: float, ended_at: float, *, final: bool) -> None:
        """The segment as it is now, times in seconds of the call; without text it keeps what it had."""
        if self.lost:
            return
        line = self._lines[segment]
        line.text = text.replace("\x00", "").encode(errors="replace").decode() or line.text
        line.started_at_ms = round(started_at * 1000)
        line.ended_at_ms = round(ended_at * 1000)
        line.final = final
        self._settled.clear()
        self._changed.set()
        if final:
            self._urgent.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="transcript")

    async def flush(self) -> bool:
        """Return once every update so far is in the database; False if the lease is another's and the rest is lost."""
        self._urgent.set()
        await self._settled.wait()
        return not self.lost

    async def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Write what is left and stop; False if it could not be written: the lease was lost, or the time ran out."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.flush()
        except TimeoutError:
            logger.exception("the last segments of a transcript could not be written")
            return False
        finally:
            if self._task is not None:
                self._task.cancel()

    async def _run(self) -> None:
        while not self.lost:
            await self._changed.wait()
            try:
                async with asyncio.timeout(BATCH_S):
                    await self._urgent.wait()
            except TimeoutError:
                pass  # a batch is full
            self._changed.clear()
            self._urgent.clear()
            await self._write()
            if self.lost or not self._changed.is_set():
                self._settled.set()

    async def _write(self) -> None:
        """One batch, however long it takes."""
        failures = 0
        while True:
            try:
                await self._write_once()
            except (sa.exc.SQLAlchemyError, OSError) as error:  # a TimeoutError is an OSError
                logger.warning("the transcript waits for the database", extra={"error": type(error).__name__})
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
            else:
                return

    async def _write_once(self) -> None:
        async with self._database.writing() as connection:
            await self._look_up(connection)
            batch = self._unwritten()
            if batch:
                written = await write_segments(connection, self._call_id, self._token, [new for _, new in batch])
                self.lost = not written
        if self.lost:
            logger.error("the transcript ends here: another worker holds the call")
            return
        for line, new in batch:
            line.written = new

    async def _look_up(self, connection: AsyncConnection) -> None:
        """Which segments are there already, and the ids of those who speak."""
        if self._first is None:
            last = sa.select(sa.func.max(segments.c.sequence)).where(segments.c.call_id == self._call_id)
            found = (await connection.execute(last)).scalar()
            self._first = 0 if found is None else int(found) + 1
        if any(line.identity and line.identity not in self._participants for line in self._lines):
            query = sa.select(participants.c.identity, participants.c.id).where(participants.c.call_id == self._call_id)
            self._participants |= {row.identity: row.id for row in await connection.execute(query)}

    def _unwritten(self) -> list[tuple[_Line, Segment]]:
        """The lines that are not in the database as they are now."""
        spoken = sorted((line for line in self._lines if line.text), key=lambda line: line.started_at_ms)
        states = [(line, self._state(line, number)) for number, line in enumerate(spoken, self._first or 0)]
        return [(line, state) for line, state in states if state != line.written]

    def _state(self, line: _Line, sequence: int) -> Segment:
        return Segment(
            sequence=sequence,
            speaker=line.speaker,
            text=line.text,
            started_at_ms=line.started_at_ms,
            ended_at_ms=line.ended_at_ms,
            is_final=line.final,
            participant_id=self._participants.get(line.identity or ""),
            participant_identity=line.identity,
        )

"""The transcript of a running call: segments as they grow, written in batches in the order in which they began."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.engine import Database
from calls.latency import Turn, write_turns
from calls.privacy.redaction import Redaction, affected, redact
from calls.tables import PRESSED, participants
from calls.transcript import SPOKEN, Segment, write_segments
from worker.room.persistence import Persistence

logger = logging.getLogger(__name__)

BATCH_S = 0.25


@dataclass(frozen=True)
class Said:
    """One utterance, or the digits that were `pressed`.

    `identity` says who of the people, by the name in the room, and `name` by the one that the model reads, if that is
    another; `whole` whether it was said to its end, `at_s` when it began and `until_s` when it ended, in seconds of the
    call.
    """

    speaker: str
    text: str
    identity: str | None
    whole: bool
    pressed: bool = False
    at_s: float = 0.0
    until_s: float = 0.0
    name: str | None = None


@dataclass(frozen=True)
class Caption:
    """One segment so far, for those in the room; `identity` says who of the people, None: the agent."""

    segment: int
    identity: str | None
    text: str
    is_final: bool


@dataclass
class _Line:
    """One segment so far, and the state of it that is in the database.

    `heard` is what was said, and known to nobody else; `text` is what may be written of it.
    """

    number: int
    speaker: str
    identity: str | None
    source: str = SPOKEN
    name: str | None = None
    heard: str = ""
    text: str = ""
    started_at_ms: int = 0
    ended_at_ms: int = 0
    final: bool = False
    cut: bool = False
    written: Segment | None = None


_Who = tuple[str, str | None, str]  # speaker, name in the room, source


class TranscriptWriter:
    """Takes every change of a segment at once and writes it within 250 ms, a final one without delay.

    Segments are numbered by their beginnings: one that turns out to have begun earlier than others moves those behind
    it. While the database is busy or away, changes wait here and are written when it is back.

    Args:
        call_id: the call.
        token: the lease's fencing token; once another worker holds the lease, nothing more is written.
        persistence: how it is written.
        first: the number of the first segment, behind those of earlier agents of this call.
        earlier: what those have written, of which a part of a number may go on here.
        redact: what is taken out before anything is written or shown.
        on_caption: told every change of a segment at once.
    """

    def __init__(
        self,
        database: Database,
        call_id: str,
        token: int,
        persistence: Persistence,
        first: int = 0,
        earlier: Iterable[Said] = (),
        redact: Collection[Redaction] = (),
        on_caption: Callable[[Caption], None] | None = None,
    ) -> None:
        self._database = database
        self._call_id = call_id
        self._token = token
        self._persistence = persistence
        self._first = first
        self._redact = redact
        self._on_caption = on_caption
        self._lines: list[_Line] = []
        # Each speaker's lines, and before them what is written of earlier ones.
        self._turns: defaultdict[_Who, list[_Line]] = defaultdict(list)
        self._earlier: defaultdict[_Who, list[str]] = defaultdict(list)
        for said in earlier:
            self._earlier[said.speaker, said.identity, PRESSED if said.pressed else SPOKEN].append(said.text)
        self._answered: list[Turn] = []  # not written yet
        self._complete = False
        self._participants: dict[str, sa.Row[Any]] = {}
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self.lost = False

    def begin(self, speaker: str, identity: str | None, source: str = SPOKEN, *, name: str | None = None) -> int:
        """A new segment of `speaker` (CALLER or AGENT), whose name in the room is `identity`; its handle.

        `name` is what the model calls whoever it is, if that is another.
        """
        line = _Line(len(self._lines), speaker, identity, source, name)
        self._lines.append(line)
        self._turns[speaker, identity, source].append(line)
        return line.number

    def update(self, segment: int, text: str, started_at: float, ended_at: float, *, final: bool) -> None:
        """The segment as it is now, times in seconds of the call; without text it keeps what it had."""
        if self.lost:
            return
        line = self._lines[segment]
        line.heard = text.replace("\x00", "").encode(errors="replace").decode() or line.heard
        line.started_at_ms = max(round(started_at * 1000), 0)  # the call's zero, whatever a recogniser says
        line.ended_at_ms = max(round(ended_at * 1000), line.started_at_ms)
        line.final = final
        changed = self._rewrite(self._turns[line.speaker, line.identity, line.source], line)
        for one in {other.number: other for other in (*changed, line)}.values():
            self._show(one)
        self._settled.clear()
        self._changed.set()
        if final:
            self._urgent.set()

    def cut(self, segment: int) -> None:
        """The segment, of which a last update follows, is not all that was to be said."""
        self._lines[segment].cut = True

    def answered(self, turn: Turn) -> None:
        """The agent has begun to answer: how long that took is written with its words."""
        if not self.lost:
            self._answered.append(turn)
            self._settled.clear()
            self._changed.set()

    def said(self) -> list[Said]:
        """What was said so far, in order."""
        return [
            Said(
                line.speaker,
                line.text,
                line.identity,
                whole=line.final and not line.cut,
                pressed=line.source == PRESSED,
                at_s=line.started_at_ms / 1000,
                until_s=line.ended_at_ms / 1000,
                name=line.name,
            )
            for line in self._spoken()
        ]

    async def complete(self) -> bool:
        """Nothing more will be said: write the rest, and what was still to be decided; False as `flush`."""
        self._complete = True
        for turns in self._turns.values():
            self._rewrite(turns, turns[-1])
        if not self.lost:
            self._settled.clear()
            self._changed.set()
        return await self.flush()

    async def flush(self) -> bool:
        """Return once every update so far is in the database; False if the lease is another's and the rest is lost."""
        self._urgent.set()
        await self._settled.wait()
        return not self.lost

    def give_up(self) -> None:
        """Nothing more can be written, and nobody is to wait for it."""
        self.lost = True
        self._settled.set()

    async def run(self) -> None:
        """Write until cancelled, or until the lease is lost; goes on where it was, should it be run again."""
        while not self.lost:
            await self._changed.wait()
            try:
                async with asyncio.timeout(BATCH_S):
                    await self._urgent.wait()
            except TimeoutError:
                pass  # a batch is full
            self._changed.clear()
            self._urgent.clear()
            try:
                await self._persistence.persist(self._write_once)
            except BaseException:
                self._changed.set()
                raise
            if self.lost or not self._changed.is_set():
                self._settled.set()

    def _rewrite(self, turns: list[_Line], line: _Line) -> list[_Line]:
        """Say anew what may be written of this line and of those beside it; the lines of which it is something else."""
        if not self._redact:
            line.text = line.heard
            return []
        earlier = self._earlier[line.speaker, line.identity, line.source]
        heard = [*earlier, *(one.heard for one in turns)]
        first = affected(heard, len(earlier) + turns.index(line))
        rewritten = redact(heard[first:], self._redact, more=not self._complete)
        changed = []
        for one, text in zip(
            turns[max(first - len(earlier), 0) :], rewritten[max(len(earlier) - first, 0) :], strict=True
        ):
            if one.text != text:
                one.text = text
                changed.append(one)
        return changed

    def _show(self, line: _Line) -> None:
        if self._on_caption is not None and line.text and line.source == SPOKEN:
            self._on_caption(Caption(line.number, line.identity, line.text, line.final))

    async def _write_once(self) -> None:
        async with self._database.writing() as connection:
            await self._look_up(connection)
            batch, answered = self._unwritten(), self._answered[:]
            if batch or answered:
                written = await write_segments(connection, self._call_id, self._token, [new for _, new in batch])
                self.lost = not written
            if not self.lost:
                await write_turns(connection, self._call_id, answered)
        if self.lost:
            logger.error("the transcript ends here: another worker holds the call")
            return
        del self._answered[: len(answered)]
        for line, new in batch:
            line.written = new

    async def _look_up(self, connection: AsyncConnection) -> None:
        """Who those are that speak."""
        if any(line.identity and line.identity not in self._participants for line in self._lines):
            named = (participants.c.room_identity, participants.c.identity, participants.c.id)
            query = sa.select(*named).where(participants.c.call_id == self._call_id)
            self._participants |= {row.room_identity: row for row in await connection.execute(query)}

    def _unwritten(self) -> list[tuple[_Line, Segment]]:
        """The lines that are not in the database as they are now."""
        states = [(line, self._state(line, number)) for number, line in enumerate(self._spoken(), self._first)]
        return [(line, state) for line, state in states if state != line.written]

    def _spoken(self) -> list[_Line]:
        return sorted((line for line in self._lines if line.text), key=lambda line: line.started_at_ms)

    def _identity(self, line: _Line) -> str | None:
        participant = self._participants.get(line.identity or "")
        return line.identity if participant is None else participant.identity

    def _state(self, line: _Line, sequence: int) -> Segment:
        participant = self._participants.get(line.identity or "")
        return Segment(
            sequence=sequence,
            speaker=line.speaker,
            text=line.text,
            started_at_ms=line.started_at_ms,
            ended_at_ms=line.ended_at_ms,
            is_final=line.final,
            participant_id=None if participant is None else participant.id,
            participant_identity=self._identity(line),
            source=line.source,
            is_cut=line.cut,
        )

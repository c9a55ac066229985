"""How long callers wait for the agent's answers: the moments of its turns, kept with the call.

A turn is what the agent says to what somebody has said. What nobody asked for by voice is none: greetings, reminders,
answers to keys, and what was held back until the agent had finished. Nor is an answer of which nobody heard a sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.changes import CALLS, mark
from calls.database.engine import upsert
from calls.jobs import enqueue
from calls.tables import turns

JOB, QUEUE = "measure_latency", "latency"

MeasuredBy = Literal["worker", "recording"]


@dataclass(frozen=True)
class Turn:
    """Its moments, in milliseconds from the call's `started_at`.

    Args:
        decided_at_ms: when the agent took the turn to be over: no two have the same.
        user_stopped_at_ms: when the last sound of the person ended.
        first_word_at_ms: when the answer's first word went to the voice.
        first_sound_at_ms: when the first sound of the answer left for the caller.
        phrase_at_ms: when something else was heard meanwhile, as "one moment".
        measured_by: who says when there was sound.
    """

    decided_at_ms: int
    user_stopped_at_ms: int
    first_word_at_ms: int
    first_sound_at_ms: int
    phrase_at_ms: int | None = None
    measured_by: MeasuredBy = "worker"

    @classmethod
    def stored(cls, row: sa.Row[Any]) -> Self:
        """The turn of a row."""
        return cls(**{name: getattr(row, name) for name in cls.__dataclass_fields__})

    @property
    def response_ms(self) -> int:
        """How long there was nothing of the answer to be heard; the three parts are all of it, one after the other."""
        return self.first_sound_at_ms - self.user_stopped_at_ms

    @property
    def end_of_turn_ms(self) -> int:
        """Until the agent took the turn to be over."""
        return self._decided_at_ms - self.user_stopped_at_ms

    @property
    def llm_ms(self) -> int:
        """From then on until the answer's first word; 0 if it was there already."""
        return self._first_word_at_ms - self._decided_at_ms

    @property
    def tts_ms(self) -> int:
        """From then on until its first sound."""
        return self.first_sound_at_ms - self._first_word_at_ms

    @property
    def _decided_at_ms(self) -> int:
        return min(max(self.decided_at_ms, self.user_stopped_at_ms), self.first_sound_at_ms)

    @property
    def _first_word_at_ms(self) -> int:
        return min(max(self.first_word_at_ms, self._decided_at_ms), self.first_sound_at_ms)


_READ = sa.select(turns).where(turns.c.call_id == sa.bindparam("of_call")).order_by(turns.c.decided_at_ms)


async def write_turns(conn: AsyncConnection, call_id: str, new: Sequence[Turn]) -> None:
    """Write down what is not there yet, under the lease that the transaction holds."""
    if new:
        mark(conn, CALLS)
        await conn.execute(_add(conn.dialect.name), [{"call_id": call_id, **vars(turn)} for turn in new])


async def read_turns(conn: AsyncConnection, call_id: str) -> list[Turn]:
    """Give the turns of a call in order."""
    return [Turn.stored(row) for row in await conn.execute(_READ, {"of_call": call_id})]


async def correct_turn(conn: AsyncConnection, call_id: str, turn: Turn) -> None:
    """Let a turn that is there have these moments."""
    this = (turns.c.call_id == call_id, turns.c.decided_at_ms == turn.decided_at_ms)
    await conn.execute(sa.update(turns).where(*this).values(**vars(turn)))


async def queue_measuring(conn: AsyncConnection, tenant_id: str, call_id: str) -> None:
    """Have the turns of a call that is over measured and counted, if it has some, in the caller's transaction."""
    if await conn.scalar(sa.select(sa.exists().where(turns.c.call_id == call_id))):
        await enqueue(
            conn, JOB, {}, queue=QUEUE, tenant_id=tenant_id, call_id=call_id, dedup=f"{JOB}:{call_id}", max_attempts=10
        )


@cache
def _add(dialect: str) -> sa.Insert:
    return upsert(dialect, turns).on_conflict_do_nothing(index_elements=["call_id", "decided_at_ms"])

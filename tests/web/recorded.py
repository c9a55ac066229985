"""Calls as their page finds them: with words, what each answer took, a tool, and sound."""

import uuid
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from calls.database.engine import Database
from calls.events import EventKind
from calls.latency import Turn, write_turns
from calls.placing.creation import NewCall, NewParticipant
from calls.recordings.storage import Storage
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents, call_events, calls, recordings, segments, tool_calls
from pipeline.waveform import waveform
from tests.pipeline.finished import EVERYTHING, running_call
from tests.web.conftest import Served

RATE = 16_000
LENGTH_S = 12
HOUR = timedelta(hours=1)
SAID = (
    ("agent", "Hello, this is Aria."),
    ("user", "I need a table for four."),
    ("agent", "It is booked for"),
    ("user", "Make it five."),
    ("agent", "Five it is."),
)
ALL = {**EVERYTHING, "recording": {"enabled": True}}


@dataclass(frozen=True)
class Calls:
    """The calls of the tenant whose key was served, written as worker and pipeline do."""

    db: Database
    storage: Storage
    tenant_id: str
    folder: Path

    async def begin(self, post_call: dict[str, Any] | None = None, **options: Any) -> tuple[str, int]:
        """A running call in which somebody speaks every two seconds; its id and the token of its agent's lease."""
        options = {"said": SAID, **options}
        call_id, token = await running_call(
            self.db, ALL if post_call is None else post_call, tenant_id=self.tenant_id, **options
        )
        async with self.db.writing() as conn:
            mine = segments.c.call_id == call_id
            times = {"started_at_ms": segments.c.sequence * 2000, "ended_at_ms": segments.c.sequence * 2000 + 1000}
            await conn.execute(sa.update(segments).where(mine).values(times))
            cut = sa.update(segments).where(mine, segments.c.text == "It is booked for").values(is_cut=True)
            await conn.execute(cut)
        return call_id, token

    async def fail(self) -> str:
        """A call for which no agent was there; its id."""
        agent = {"id": str(uuid.uuid4()), "name": "Aria", "post_call": ALL}
        call = NewCall(self.tenant_id, agent, [NewParticipant("webrtc", "ada")], post_call=ALL)
        async with self.db.writing() as conn:
            row = {"id": agent["id"], "tenant_id": self.tenant_id, "name": "Aria", "config": agent}
            await conn.execute(sa.insert(agents).values(row))
            await CallStore(conn).create(call)
            await CallStore(conn).finish(call.id, EndReason.NO_AGENT)
        return call.id

    async def log(self, call_id: str, messages: Sequence[str]) -> None:
        """Let so much more have happened in a call that has been over for an hour."""
        event = {"call_id": call_id, "kind": EventKind.DTMF_RECEIVED, "source": "telephony", "level": "info"}
        async with self.db.writing() as conn:
            row = await CallStore(conn).get(None, call_id)
            ago = {"started_at": row.started_at - HOUR, "ended_at": row.ended_at - HOUR}
            await conn.execute(sa.update(calls).where(calls.c.id == call_id).values(ago))
            at = {"created_at": ago["ended_at"]}
            await conn.execute(sa.insert(call_events), [event | at | {"message": message} for message in messages])

    async def wait_and_ask(self, call_id: str) -> None:
        """Let the second answer have been waited for, and a tool been called before it."""
        asked = {"id": str(uuid.uuid4()), "call_id": call_id, "name": "book_table", "arguments": {"guests": 4}}
        async with self.db.writing() as conn:
            await write_turns(conn, call_id, [Turn(3400, 3000, 3700, 4000)])
            done = {"status": "completed", "answer": "booked", "started_at_ms": 3500, "duration_ms": 120}
            await conn.execute(sa.insert(tool_calls).values(asked | done))

    async def record(self, call_id: str) -> None:
        """Store a recording: a tone of whoever speaks, as long as they do."""
        pcm = np.zeros((LENGTH_S * RATE, 2), np.int16)
        for sequence, (speaker, _) in enumerate(SAID):
            times = np.arange(RATE) / RATE
            side = 1 if speaker == "agent" else 0
            pcm[sequence * 2 * RATE :][:RATE, side] = np.sin(2 * np.pi * 440 * times) * 8000
        file, key = self.folder / f"{call_id}.wav", f"recordings/{self.tenant_id}/{call_id}.wav"
        with wave.open(str(file), "wb") as target:
            target.setnchannels(2)
            target.setsampwidth(2)
            target.setframerate(RATE)
            target.writeframes(pcm.tobytes())
        with file.open("rb") as sound:
            seen = waveform(sound, "wav")
        await self.storage.put_file(key, file)
        made = {"status": "ready", "key": key, "duration_ms": LENGTH_S * 1000, "size_bytes": file.stat().st_size}
        async with self.db.writing() as conn:
            mine = sa.update(recordings).where(recordings.c.call_id == call_id)
            await conn.execute(mine.values(**made, peaks=seen.peaks, peaks_ms=seen.step_ms))
            await CallStore(conn).add_event(call_id, EventKind.RECORDING_STORED, "post_call", "Recording stored")


@asynccontextmanager
async def calls_of(served: Served, folder: Path) -> AsyncIterator[Calls]:
    """The calls of a tenant of a running api."""
    database = Database(served.settings.database)
    yield Calls(database, Storage(served.settings), served.tenant_id, folder)
    await database.close()

"""Job `measure_latency`: measures the turns of a call a second time, in its recording, and counts them.

Where a worker has measured something else by more than a little, the sound is right.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import sqlalchemy as sa

from calls import jobs
from calls.analysis.post_call import RecordingFormat
from calls.database.clock import moment
from calls.errors import StorageAway
from calls.events import EventKind
from calls.jobs import Job
from calls.latency import Turn, correct_turn, read_turns
from calls.reading import read_recording
from calls.store import CallStore
from calls.usage import Place, count_answers, steps
from pipeline.deps import Deps
from pipeline.fate import Done, Fate, Wait
from pipeline.joining import Damaged
from pipeline.loudness import AFTER_MS, measured, peaks
from pipeline.recording import FULL, NO_SPACE

log = logging.getLogger(__name__)

SHORTEST_S, LONGEST_S = 0.5, 60.0  # between two looks for the recording
LATER_S = 60.0  # where there is a recording, and it cannot be had
TOLERANCE_MS = 100


async def run(job: Job, deps: Deps) -> Fate:
    """One attempt: what it corrects, it corrects once, however often it is repeated after a crash."""
    call_id = str(job.call_id)
    async with deps.db.reading() as conn:
        call = await CallStore(conn).get(None, call_id)
        turns = await read_turns(conn, call_id)
        recording = await read_recording(conn, call_id)
        again = Wait.by_age(job, moment(conn), SHORTEST_S, LONGEST_S)
    if recording is not None and call.recording_erased_at is None and turns:
        if recording.status == "pending":
            return again
        if recording.status == "ready":
            try:
                turns = await _measure(deps, job, turns, recording)
            except StorageAway as error:
                return _later(str(error))
            except OSError as error:
                if error.errno not in FULL:
                    raise
                return _later(NO_SPACE)
    deps.metrics.count(turns)
    return Done()


def _later(why: str) -> Wait:
    log.warning("a recording cannot be measured yet", extra={"error": why})
    return Wait(LATER_S)


async def _measure(deps: Deps, job: Job, turns: Sequence[Turn], recording: sa.Row[Any]) -> list[Turn]:
    """The turns as they are known now."""
    deps.settings.state_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=deps.settings.state_dir) as file:
        try:
            await deps.storage.fetch(recording.key, file)
            found = await asyncio.to_thread(_heard, file, recording.format, turns)
        except (FileNotFoundError, Damaged) as error:
            log.warning("a recording cannot be measured", extra={"error": type(error).__name__})
            return list(turns)
    heard = [_corrected(turn, moments) for turn, moments in zip(turns, found, strict=True)]
    changes = [(turn, now) for turn, now in zip(turns, heard, strict=True) if now != turn]
    if changes:
        await _write(deps, job, changes)
    return heard


def _heard(file: BinaryIO, file_format: RecordingFormat, turns: Sequence[Turn]) -> list[tuple[int, int] | None]:
    found = peaks(file, file_format, turns[-1].first_sound_at_ms + AFTER_MS)
    return [measured(found, turn) for turn in turns]


def _corrected(turn: Turn, moments: tuple[int, int] | None) -> Turn:
    if moments is None:
        return turn
    stopped_at_ms, sounded_at_ms = moments
    if abs(sounded_at_ms - stopped_at_ms - turn.response_ms) <= TOLERANCE_MS:
        return turn
    if sounded_at_ms <= max(turn.decided_at_ms, turn.first_word_at_ms):
        return turn  # an answer is not heard before its first word
    return replace(turn, user_stopped_at_ms=stopped_at_ms, first_sound_at_ms=sounded_at_ms, measured_by="recording")


async def _write(deps: Deps, job: Job, changes: Sequence[tuple[Turn, Turn]]) -> None:
    """Correct these turns and say so, unless the call was erased meanwhile, or another process does that."""
    call_id = str(job.call_id)
    told = [
        {
            "user_stopped_at_ms": now.user_stopped_at_ms,
            "worker_ms": turn.response_ms,
            "recording_ms": now.response_ms,
        }
        for turn, now in changes
    ]
    message = f"The recording says of {len(changes)} turn(s) that they took another time than the worker had measured"
    async with deps.db.writing() as conn:
        if not await jobs.hold(conn, job):
            return
        store = CallStore(conn)
        call = await store.hold(call_id)
        if call.transcript_erased_at is not None:
            return
        for _, now in changes:
            await correct_turn(conn, call_id, now)
        more = steps(now.response_ms for _, now in changes)
        more.subtract(steps(turn.response_ms for turn, _ in changes))
        await count_answers(conn, Place.of(call), more)
        await store.add_event(call_id, EventKind.LATENCY_CORRECTED, "post_call", message, data={"turns": told})

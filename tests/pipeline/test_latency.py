"""The turns of a call that is over, measured a second time in its recording."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT
from calls.jobs import JobQueue
from calls.latency import Turn, queue_measuring, read_turns, write_turns
from calls.privacy.erasure import erase_call
from calls.tables import answer_times, call_events, jobs
from calls.usage import steps
from pipeline import latency, recording
from pipeline.deps import Deps
from pipeline.fate import Done
from tests.pipeline.finished import bring, hang_up, queued, running_call, working
from tests.pipeline.patient import open_patient
from tests.pipeline.sound import LOUDNESS, RATE, Pcm, write_ogg

pytestmark = pytest.mark.restless

RECORDED = {"recording": {"enabled": True, "format": "ogg"}}
RIGHT = Turn(decided_at_ms=1400, user_stopped_at_ms=1000, first_word_at_ms=1600, first_sound_at_ms=1960)
WRONG = Turn(decided_at_ms=5300, user_stopped_at_ms=5200, first_word_at_ms=5350, first_sound_at_ms=5900)
UNFIT = Turn(decided_at_ms=5900, user_stopped_at_ms=5200, first_word_at_ms=6100, first_sound_at_ms=6400)
HEARD = ((0, 0.2, 1.0), (1, 2.0, 3.0), (0, 4.0, 5.0), (1, 6.0, 7.0))  # side, from, to


def sound() -> Pcm:
    pcm = np.zeros((8 * RATE, 2), np.int16)
    for side, begin, end in HEARD:
        times = np.arange(int(begin * RATE), int(end * RATE))
        pcm[times, side] = np.sin(2 * np.pi * 440 * times / RATE) * LOUDNESS
    return pcm


@pytest.fixture
async def deps(settings) -> AsyncIterator[Deps]:
    async with open_patient(settings(lease_s=2)) as opened:
        yield opened


async def talked(deps: Deps, turns: Sequence[Turn], *, recorded: bool = True) -> tuple[str, int]:
    """A call that goes on, in which the agent has answered so."""
    call_id, token = await running_call(deps.db, RECORDED if recorded else {})
    async with deps.db.writing() as conn:
        await write_turns(conn, call_id, turns)
    if recorded:
        write_ogg(Path(deps.settings.recordings_dir) / f"{call_id}.{token}.0.ogg", sound())
        await bring(deps.settings)
    return call_id, token


async def done(deps: Deps, call_id: str, kind: str = "measure_latency") -> bool:
    ended = (jobs.c.call_id == call_id, jobs.c.kind == kind, jobs.c.state == "completed")
    async with deps.db.reading() as conn:
        return bool(await conn.scalar(sa.select(sa.exists().where(*ended))))


async def turns_of(deps: Deps, call_id: str) -> list[Turn]:
    async with deps.db.reading() as conn:
        return await read_turns(conn, call_id)


async def corrections(deps: Deps, call_id: str) -> list[dict[str, object] | None]:
    mine = (call_events.c.call_id == call_id, call_events.c.kind == "latency.corrected")
    async with deps.db.reading() as conn:
        return list(await conn.scalars(sa.select(call_events.c.data).where(*mine)))


async def again(deps: Deps, call_id: str) -> None:
    """Have the job run once more, as after a crash between what it has written and its end."""
    async with deps.db.writing() as conn:
        await conn.execute(sa.delete(jobs).where(jobs.c.call_id == call_id, jobs.c.kind == "measure_latency"))
        await queue_measuring(conn, DEFAULT_TENANT, call_id)


async def test_where_the_worker_was_wrong_the_recording_is_right_and_an_event_says_so_once(deps, until):
    call_id, token = await talked(deps, [RIGHT, WRONG, UNFIT])
    await hang_up(deps.db, call_id, token)
    async with working(deps):
        await until(lambda: done(deps, call_id))
        [first, second, third] = await turns_of(deps, call_id)
        assert (first, third) == (RIGHT, UNFIT), "no sound before its first word is an answer's"
        assert (second.decided_at_ms, second.first_word_at_ms) == (WRONG.decided_at_ms, WRONG.first_word_at_ms)
        assert second.measured_by == "recording"
        assert second.user_stopped_at_ms == pytest.approx(5000, abs=20)
        assert second.first_sound_at_ms == pytest.approx(6000, abs=20)
        assert second.end_of_turn_ms + second.llm_ms + second.tts_ms == second.response_ms
        [told] = await corrections(deps, call_id)
        about = {"user_stopped_at_ms": second.user_stopped_at_ms, "worker_ms": 700, "recording_ms": second.response_ms}
        assert told == {"turns": [about]}
        await again(deps, call_id)
        await until(lambda: done(deps, call_id))
        assert await turns_of(deps, call_id) == [first, second, third]
        assert await corrections(deps, call_id) == [told]
    async with deps.db.reading() as conn:
        counted = await conn.execute(sa.select(answer_times.c.step, answer_times.c.answers))
        answers = Counter(dict(counted.all()))
    assert +answers == steps([first.response_ms, second.response_ms, third.response_ms])
    counted = deps.metrics.exposition().decode()
    assert 'callroom_turn_seconds_bucket{le="1.0",part="response"} 4.0' in counted, "two of the turns, counted twice"


async def test_without_a_recording_the_workers_figures_stand_and_are_counted(deps, until):
    call_id, token = await talked(deps, [RIGHT, WRONG], recorded=False)
    silent_id, silent_token = await talked(deps, [], recorded=False)
    await hang_up(deps.db, call_id, token)
    await hang_up(deps.db, silent_id, silent_token)
    async with deps.db.reading() as conn:
        assert await queued(conn, silent_id) == []
    async with working(deps):
        await until(lambda: done(deps, call_id))
    assert await turns_of(deps, call_id) == [RIGHT, WRONG]
    assert await corrections(deps, call_id) == []
    assert 'callroom_turn_seconds_count{part="llm"} 2.0' in deps.metrics.exposition().decode()


async def test_while_the_pipelines_disk_is_full_measuring_waits_and_uses_up_no_attempt(deps, until, monkeypatch):
    call_id, token = await talked(deps, [WRONG])
    await hang_up(deps.db, call_id, token)
    monkeypatch.setattr(latency, "LATER_S", 0.1)
    tried = []

    def on_a_full_disk(**_where: Path) -> BinaryIO:
        tried.append(1)
        return Path("/dev/full").open("w+b", buffering=0)

    async with working(deps):
        with monkeypatch.context() as full:
            full.setattr(latency, "TemporaryFile", on_a_full_disk)
            await until(lambda: len(tried) > 1)
        await until(lambda: done(deps, call_id))
    [turn] = await turns_of(deps, call_id)
    assert turn.measured_by == "recording"
    async with deps.db.reading() as conn:
        mine = (jobs.c.call_id == call_id, jobs.c.kind == "measure_latency")
        assert await conn.scalar(sa.select(jobs.c.attempt).where(*mine)) == 1


async def test_of_a_call_that_is_erased_nothing_is_measured(deps, until):
    call_id, token = await talked(deps, [WRONG])
    await hang_up(deps.db, call_id, token)
    async with deps.db.writing() as conn:
        await erase_call(conn, DEFAULT_TENANT, call_id)
    async with working(deps):
        await until(lambda: done(deps, call_id, "erase"))
    assert await turns_of(deps, call_id) == []
    async with deps.db.reading() as conn:
        assert "measure_latency" not in await queued(conn, call_id)


async def test_who_stood_still_while_measuring_leaves_it_to_who_has_the_job_now(deps):
    call_id, token = await talked(deps, [WRONG])
    await hang_up(deps.db, call_id, token)
    asleep, awake = (JobQueue(deps.db, name, lease_s=0) for name in ("asleep", "awake"))
    [storing] = await awake.claim("recording", 1)
    assert isinstance(await recording.run(storing, deps), Done)
    assert await awake.complete(storing)
    [first] = await asleep.claim("latency", 1)
    assert await awake.rescue() == 1
    [second] = await awake.claim("latency", 1)
    for job, corrected in ((first, 0), (second, 1)):
        assert isinstance(await latency.run(job, deps), Done)
        assert len(await corrections(deps, call_id)) == corrected

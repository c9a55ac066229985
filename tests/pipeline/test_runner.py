"""The runner: what becomes of jobs, at the end of a process, and when it is killed at any of its commits."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientSession

from calls.analysis.generations import reprocess
from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import DatabaseAway
from calls.jobs import Job, JobQueue, enqueue
from calls.recordings.storage import Storage
from calls.settings import Settings
from calls.store import CallStore
from calls.tables import agents, jobs, recordings, results
from pipeline.fate import Done, Fail, Fate, Retry, Wait
from pipeline.runner import Runner
from tests.conftest import PATIENCE_S
from tests.full_disk import full_disk
from tests.pipeline.finished import (
    EVERYTHING,
    GOOD,
    analysed,
    announced,
    bring,
    call_row,
    events,
    finished_call,
    hang_up,
    listen,
    made,
    running_call,
)
from tests.pipeline.mortal import mortal
from tests.pipeline.sound import tone, write_ogg
from tests.providers import Chat, Providers
from tests.servers import PostgresCluster

pytestmark = pytest.mark.restless

Run = Callable[[Job], Awaitable[Fate]]

QUEUES = ("post_call", "reprocess", "recording")
MARK = "marzipan"  # in what the second analysis asks
AGAIN = {"summary": {"enabled": True, "prompt": f"Mind the {MARK}."}}
ANALYSED_AND_RECORDED = {
    "summary": {"enabled": True},
    "evaluation": {"rubric": "Was it kind?"},
    "recording": {"enabled": True},
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, patience_s=PATIENCE_S)
    yield opened
    await opened.close()


@asynccontextmanager
async def running(database: Database, run: Run, limit: int = 10, lease_s: float = 5) -> AsyncIterator[asyncio.Event]:
    """A runner of the queue `work`; yields its stop event, and waits for its end."""
    stop = asyncio.Event()
    runner = Runner(database, JobQueue(database, "me", lease_s), {"task": run}, {"work": limit}, lease_s)
    task = asyncio.create_task(runner.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


async def add(database: Database, **options: Any) -> int:
    async with database.writing() as connection:
        return await enqueue(connection, "task", {}, queue="work", tenant_id="t", **options)


async def state(database: Database, job_id: int) -> str:
    async with database.reading() as connection:
        return str(await connection.scalar(sa.select(jobs.c.state).where(jobs.c.id == job_id)))


@pytest.mark.parametrize(
    ("fates", "end"),
    [
        ([Done()], "completed"),
        ([Fail("no")], "failed"),
        ([Wait(0), Wait(0), Wait(0), Done()], "completed"),
        ([Retry("once", after_s=0), Done()], "completed"),
        ([Retry("once", after_s=0), Retry("twice", after_s=0)], "dead"),
    ],
)
async def test_a_job_ends_as_its_handler_says(database, until, fates, end):
    left: Iterator[Fate] = iter(fates)

    async def run(job: Job) -> Fate:
        return next(left)

    job_id = await add(database, max_attempts=2)
    async with running(database, run):
        await until(lambda: ended(database, job_id))
    assert await state(database, job_id) == end
    assert list(left) == []


async def ended(database: Database, job_id: int) -> bool:
    return await state(database, job_id) not in {"waiting", "active"}


async def test_an_error_of_a_handler_costs_an_attempt_and_nothing_else(database, until):
    async def run(job: Job) -> Fate:
        raise ZeroDivisionError

    broken, sound = await add(database, max_attempts=1), await add(database, max_attempts=1)
    async with running(database, run):
        await until(lambda: ended(database, broken))
        await until(lambda: ended(database, sound))
    assert await state(database, broken) == "dead"


async def test_no_more_jobs_run_at_a_time_than_the_limit_and_a_free_place_is_filled_at_once(database, until):
    at_once: list[int] = []
    now_running = 0

    async def run(job: Job) -> Fate:
        nonlocal now_running
        now_running += 1
        at_once.append(now_running)
        await asyncio.sleep(0.01)
        now_running -= 1
        return Done()

    ids = [await add(database) for _ in range(12)]
    async with running(database, run, limit=3):
        await until(lambda: all_ended(database, ids))
    assert len(at_once) == 12
    assert max(at_once) <= 3


async def all_ended(database: Database, ids: list[int]) -> bool:
    unfinished = sa.exists().where(jobs.c.id.in_(ids), jobs.c.finished_at.is_(None))
    async with database.reading() as connection:
        return not await connection.scalar(sa.select(unfinished))


async def test_a_job_that_takes_longer_than_its_lease_is_not_taken_away(database, until):
    runs: list[int] = []

    async def run(job: Job) -> Fate:
        runs.append(job.attempt)
        await asyncio.sleep(2)
        return Done()

    job_id = await add(database)
    async with running(database, run, lease_s=1):
        await until(lambda: ended(database, job_id))
    assert (runs, await state(database, job_id)) == ([1], "completed")


async def test_a_job_that_was_taken_away_is_stopped(database, until):
    stopped = asyncio.Event()

    async def run(job: Job) -> Fate:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return Done()

    job_id = await add(database)
    async with running(database, run, lease_s=0.5):
        await until(lambda: is_active(database, job_id))
        async with database.writing() as connection:
            await connection.execute(sa.update(jobs).values(token="another's"))
        await asyncio.wait_for(stopped.wait(), PATIENCE_S)


async def is_active(database: Database, job_id: int) -> bool:
    return await state(database, job_id) == "active"


async def test_stopping_lets_running_jobs_finish_and_starts_no_others(database, until):
    go_on = asyncio.Event()

    async def run(job: Job) -> Fate:
        await go_on.wait()
        return Done()

    first = await add(database)
    async with running(database, run, limit=1) as stop:
        await until(lambda: is_active(database, first))
        second = await add(database)
        stop.set()
        asyncio.get_running_loop().call_later(0.2, go_on.set)
    assert await state(database, first) == "completed"
    assert await state(database, second) == "waiting"


@pytest.fixture
async def two_processes(
    breakable_postgres: PostgresCluster, breakable_url: str
) -> AsyncIterator[tuple[Database, Database]]:
    """The databases of two processes, on a Postgres that may be broken."""
    first, second = Database(breakable_url), Database(breakable_url)
    yield first, second
    breakable_postgres.thaw()
    await asyncio.gather(first.close(), second.close())


async def test_a_job_that_ends_while_the_database_is_away_is_settled_when_it_is_back(
    two_processes, breakable_postgres, until
):
    database, _ = two_processes
    asking = Database(database.url, patience_s=PATIENCE_S)
    runs: list[int] = []
    began, go_on = asyncio.Event(), asyncio.Event()

    async def run(job: Job) -> Fate:
        runs.append(job.attempt)
        began.set()
        await go_on.wait()
        return Done()

    job_id = await add(database)
    async with running(database, run, lease_s=60):
        await asyncio.wait_for(began.wait(), PATIENCE_S)
        await asyncio.to_thread(breakable_postgres.kill)
        go_on.set()
        await asyncio.sleep(5)  # the outage; many attempts to settle fit in
        breakable_postgres.start()
        await until(lambda: ended(asking, job_id))
    assert (runs, await state(asking, job_id)) == ([1], "completed")
    await asking.close()


async def test_after_an_outage_everybody_has_the_time_of_a_lease_to_renew(two_processes, breakable_postgres, until):
    async def run(job: Job) -> Fate:
        return Done()

    first, second = two_processes
    lease_s = 6.0
    holder = JobQueue(first, "slow to come back", lease_s)
    async with running(second, run, limit=0, lease_s=lease_s):
        await asyncio.sleep(lease_s)  # from now on it judges
        await add(first)
        [job] = await holder.claim("work", 1)
        breakable_postgres.freeze()
        await asyncio.sleep(lease_s + 2)
        breakable_postgres.thaw()
        await asyncio.sleep(lease_s / 2)  # the other has looked by now, and saw a lease that had run out
        assert await holder.renew([job]) == []
        assert await holder.complete(job)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_after_a_full_disk_too(database):
    async def run(job: Job) -> Fate:
        return Done()

    lease_s = 4.0
    holder = JobQueue(database, "is late", lease_s)
    async with running(database, run, limit=0, lease_s=lease_s):
        await asyncio.sleep(lease_s * 1.15)  # from now on it judges, and not at the moment when a lease runs out
        await add(database)
        [job] = await holder.claim("work", 1)
        with full_disk():
            await asyncio.sleep(lease_s * 1.05)
        await asyncio.sleep(lease_s / 2)  # the other has looked by now, and saw a lease that had run out
        assert await holder.renew([job]) == []
        assert await holder.complete(job)


async def test_the_job_of_a_process_that_died_is_rescued(database, until):
    runs: list[int] = []

    async def run(job: Job) -> Fate:
        runs.append(job.attempt)
        return Done()

    job_id = await add(database)
    await JobQueue(database, "dies", lease_s=1).claim("work", 1)
    async with running(database, run, lease_s=1):
        await until(lambda: ended(database, job_id))
    assert runs == [2]


async def test_an_outage_in_the_middle_of_a_job_costs_no_attempt(database, until):
    runs: list[int] = []

    async def run(job: Job) -> Fate:
        runs.append(job.attempt)
        if len(runs) < 3:
            raise DatabaseAway
        return Done()

    job_id = await add(database, max_attempts=1)
    async with running(database, run):
        await until(lambda: ended(database, job_id))
    assert (runs, await state(database, job_id)) == ([1, 1, 1], "completed")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_runner_killed_before_any_of_its_commits_loses_nothing_and_repeats_nothing_harmful(
    database, settings, keyring
):
    """What is killed after a commit finds the same database as what is killed before the next one.

    Somebody asks for a second analysis while the first one waits.
    """
    async with Providers() as model:
        model.answer_with(well)
        chosen = settings(llm_url=model.url, lease_s=0.2)  # so soon the job of one that was killed is missed
        first = await finished_call(database, {"summary": {"enabled": True}})
        await listen(database, keyring)
        async with mortal("mortal_runner", chosen, first, *QUEUES) as live:
            for fatal in count(1):
                call_id = await recorded_call(database, chosen)
                ended = await live(call_id, fatal)
                if ended == "killed":
                    done, asked_before = await finished_parts(database, call_id), len(model.chats)
                    assert await live(call_id, 0) == "finished"
                    assert not done & {question(chat) for chat in model.chats[asked_before:]}
                await assert_all_is_there_once(database, Storage(chosen), call_id)
                if ended != "killed":
                    break
    assert ended == "finished"
    assert fatal > 12, "there are more commits than that"


def well(chat: Chat) -> dict[str, Any]:
    return GOOD[chat.body["response_format"]["json_schema"]["name"]]


def question(chat: Chat) -> tuple[int, str]:
    """Which part of which generation it is about."""
    return 1 + (MARK in chat.system), chat.body["response_format"]["json_schema"]["name"]


async def finished_parts(database: Database, call_id: str) -> set[tuple[int, str]]:
    mine = (results.c.call_id == call_id, results.c.status == "completed")
    async with database.reading() as connection:
        rows = await connection.execute(sa.select(results.c.generation, results.c.stage).where(*mine))
        return {(row.generation, row.stage) for row in rows}


async def recorded_call(database: Database, settings: Settings) -> str:
    call_id, token = await running_call(database, ANALYSED_AND_RECORDED)
    for name in (f"{call_id}.1.0.ogg", f"{call_id}.2.1500.ogg.part"):  # to be joined
        write_ogg(settings.recordings_dir / name, tone(400, 0.5))
    await bring(settings)
    await hang_up(database, call_id, token)
    async with database.writing() as connection:
        agent_id = (await CallStore(connection).get(None, call_id)).agent_id
        await connection.execute(sa.update(agents).where(agents.c.id == agent_id).values(config={"post_call": AGAIN}))
        await reprocess(connection, DEFAULT_TENANT, call_id)
    return call_id


async def assert_all_is_there_once(database: Database, storage: Storage, call_id: str) -> None:
    assert await made(database, call_id) == {"summary": GOOD["summary"]}
    assert await finished_parts(database, call_id) == {(1, "summary"), (1, "evaluation"), (2, "summary")}
    told = [*["Post-call analysis completed."] * 2, "Post-call analysis pending.", "Recording stored"]
    parts = [f"Post-call analysis: {part} completed." for part in ("evaluation", "summary", "summary")]
    assert sorted(await events(database, call_id)) == sorted([*told, *parts])
    told = [event for event in await announced(database, call_id) if event.endswith(".ready")]
    assert told == [*["call.intelligence.ready"] * 2, "call.recording.ready", "call.transcript.ready"]
    assert (await call_row(database, call_id)).intelligence_status == "completed"
    async with database.reading() as connection:
        row = (await connection.execute(sa.select(recordings).where(recordings.c.call_id == call_id))).one()
        mine = (jobs.c.call_id == call_id, jobs.c.queue.in_(QUEUES))
        states = list(await connection.scalars(sa.select(jobs.c.state).where(*mine)))
    assert row.status == "ready"
    assert storage.file(row.key) is not None
    assert states == ["completed"] * 5


async def test_the_pipeline_that_is_killed_while_a_model_thinks_goes_on_where_it_was(settings, start, until):
    async with Providers() as model:
        chosen = settings(llm_url=model.url, lease_s=1)
        database = Database(chosen.database, patience_s=PATIENCE_S)
        model.hang("llm")
        call_id = await finished_call(database, EVERYTHING)
        first = await start("pipeline", chosen)
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{chosen.pipeline_port}/healthz") as alive:
            assert alive.status == 200
        assert await answer(chosen, "metrics", 200)
        await until(lambda: transcript_closed(database, call_id))
        first.kill_group()
        model.recover()
        model.answer_with(well)
        second = await start("pipeline", chosen)
        await until(lambda: analysed(database, call_id))
        assert await made(database, call_id) == GOOD
        second.send(signal.SIGTERM)
        await until(lambda: second.returncode is not None)
        assert second.returncode == 0
        assert "pipeline stopped" in second.output
        await database.close()


async def test_a_pipeline_outlives_its_database(settings, breakable_postgres, breakable_url, start, until):
    chosen = settings(database_url=breakable_url, lease_s=2)
    pipeline = await start("pipeline", chosen)
    database = Database(chosen.database, patience_s=PATIENCE_S)
    for stop, go_on in (
        (breakable_postgres.kill, breakable_postgres.start),
        (breakable_postgres.freeze, breakable_postgres.thaw),
    ):
        stop()
        await until(lambda: answer(chosen, "readyz", 503))
        await until(lambda: answer(chosen, "healthz", 200))
        go_on()
        await until(lambda: answer(chosen, "readyz", 200))
        call_id = await finished_call(database, {"summary": {"enabled": True}})
        await until(lambda call_id=call_id: transcript_closed(database, call_id))
    assert pipeline.returncode is None
    await database.close()


async def answer(settings: Settings, path: str, status: int) -> bool:
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{settings.pipeline_port}/{path}") as response:
        return response.status == status


async def transcript_closed(database: Database, call_id: str) -> bool:
    return (await call_row(database, call_id)).transcript_closed_at is not None

"""The durable queue, on both databases."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from calls.database.clock import moment
from calls.database.engine import Database
from calls.jobs import LANE_WIDTH, NEVER, SHARED_LANE_WIDTHS, Job, JobQueue, JobState, count_jobs, enqueue, hurry
from calls.recordings.pieces import queue_joining
from calls.tables import jobs
from tests.conftest import PATIENCE_S, now

pytestmark = pytest.mark.restless

LONG = 60.0
EXPIRED = -1.0  # seconds: a lease that has run out before anybody can look


async def add(database: Database, number: int = 0, **options: Any) -> int:
    async with database.writing() as connection:
        options = {"queue": "work", "tenant_id": "t", **options}
        return await enqueue(connection, "task", {"number": number}, **options)


async def one(database: Database, job_id: int) -> sa.Row[Any]:
    async with database.reading() as connection:
        return (await connection.execute(sa.select(jobs).where(jobs.c.id == job_id))).one()


def numbers(claimed: list[Job]) -> list[int]:
    return [job.payload["number"] for job in claimed]


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database, "me", LONG)


async def test_a_job_exists_only_if_the_transaction_that_caused_it_is_committed(database, queue):
    async def fail() -> None:
        async with database.writing() as connection:
            await enqueue(connection, "task", {}, queue="work", tenant_id="t")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await queue.claim("work", 10) == []


async def test_of_many_processes_that_claim_at_once_each_job_goes_to_one(database, database_url):
    async with database.writing() as connection:
        for number in range(60):
            await enqueue(connection, "task", {"number": number}, queue="work", tenant_id="t")
    others = [Database(database_url, pool_size=2, patience_s=PATIENCE_S) for _ in range(4)]

    async def take_all(process: Database) -> list[int]:
        mine: list[int] = []
        while claimed := await JobQueue(process, "it", LONG).claim("work", 3):
            mine += numbers(claimed)
        return mine

    taken = await asyncio.gather(*(take_all(process) for process in others))
    while rest := await JobQueue(database, "it", LONG).claim("work", 3):  # what was locked when another looked
        taken.append(numbers(rest))
    await asyncio.gather(*(process.close() for process in others))
    assert Counter(number for mine in taken for number in mine) == Counter(range(60))


async def test_jobs_are_claimed_in_the_order_in_which_they_are_due_and_up_to_the_limit(database, queue):
    for number in range(3):
        await add(database, number)
    await add(database, 9, run_at=now() - timedelta(minutes=1))
    await add(database, 7, queue="other")
    assert sorted(numbers(await queue.claim("work", 2))) == [0, 9]
    assert numbers(await queue.claim("work", 10)) == [1, 2]


async def test_a_job_for_later_is_not_claimed_and_its_time_is_told(database, queue):
    await add(database, run_at=now() + timedelta(seconds=30))
    ready, next_s = await queue.ready(["work", "other"])
    assert ready == []
    assert next_s is not None
    assert 20 < next_s <= 30
    assert await queue.claim("work", 10) == []


async def test_a_job_that_waits_for_a_time_is_hurried_and_one_that_waits_for_its_start_is_not(database, queue):
    later = now() + timedelta(hours=1)
    for number, (call_id, run_at) in enumerate([("mine", later), ("mine", NEVER), ("another", later)]):
        await add(database, number, call_id=call_id, run_at=run_at)
    async with database.writing() as connection:
        await hurry(connection, "mine", ("task",))
        await hurry(connection, "another", ("another task",))
    assert numbers(await queue.claim("work", 10)) == [0]


async def test_what_is_deduplicated_is_added_once_while_it_is_unfinished(database, queue):
    ids = await asyncio.gather(*(add(database, number, dedup="only") for number in range(8)))
    assert len(set(ids)) == 1
    [job] = await queue.claim("work", 10)
    assert await add(database, dedup="only") == job.id
    assert await queue.complete(job)
    assert await add(database, dedup="only") != job.id


async def test_jobs_of_one_key_run_one_after_the_other_also_while_the_first_waits_for_a_retry(database, queue):
    for number in range(2):
        await add(database, number, ordering_key="call")
    [first] = await queue.claim("work", 10)
    assert await queue.claim("work", 10) == []
    assert await queue.retry(first, "not now", after_s=LONG)
    assert (await queue.ready(["work"]))[0] == []
    async with database.writing() as connection:
        await connection.execute(sa.update(jobs).where(jobs.c.id == first.id).values(run_at=jobs.c.created_at))
    [again] = await queue.claim("work", 10)
    assert (again.id, again.attempt) == (first.id, 2)
    await queue.complete(again)
    assert numbers(await queue.claim("work", 10)) == [1]


async def test_a_lane_takes_only_a_few_places_and_the_others_go_on(database, queue):
    for number in range(LANE_WIDTH + 3):
        await add(database, number, lane="slow")
    await add(database, 100, lane="quick")
    first = await queue.claim("work", LANE_WIDTH + 3)
    assert numbers(first) == list(range(LANE_WIDTH))
    assert numbers(await queue.claim("work", 10)) == [100]
    assert (await queue.ready(["work"]))[0] == []
    await queue.complete(first[0])
    assert numbers(await queue.claim("work", 10)) == [LANE_WIDTH]


async def test_where_lanes_share_the_places_the_one_with_the_fewest_at_work_is_served_first(database, queue):
    width = SHARED_LANE_WIDTHS["post_call"]
    for number in range(width + 3):
        await add(database, number, queue="post_call", lane="many")
    await add(database, 100, queue="post_call", lane="few")
    await add(database, 101, queue="post_call", lane="few")
    assert numbers(await queue.claim("post_call", 2)) == [0, 1]
    assert numbers(await queue.claim("post_call", 1)) == [100]
    assert numbers(await queue.claim("post_call", 3)) == [2, 3, 101]
    assert len(await queue.claim("post_call", width * 2)) == width - 4
    assert await queue.claim("post_call", 10) == []


async def test_the_recordings_of_one_tenant_leave_a_place_for_those_of_another(database, queue):
    async with database.writing() as connection:
        for number in range(10):
            await queue_joining(connection, "many", f"call {number}")
        await queue_joining(connection, "few", "the one")
    width = SHARED_LANE_WIDTHS["recording"]
    first = await queue.claim("recording", width + 1)
    assert [job.tenant_id for job in first] == ["many"] * width
    assert [job.tenant_id for job in await queue.claim("recording", 1)] == ["few"]


async def test_the_job_of_a_lost_process_runs_again_and_the_lost_process_can_no_longer_settle_it(database, queue):
    await add(database)
    lost = JobQueue(database, "lost", EXPIRED)
    [old] = await lost.claim("work", 1)
    assert await queue.rescue() == 1
    [new] = await queue.claim("work", 1)
    assert (new.id, new.attempt) == (old.id, 2)
    assert await lost.renew([old]) == [old]
    assert not await lost.complete(old)
    assert not await lost.retry(old, "late")
    assert (await one(database, new.id)).state == JobState.ACTIVE
    assert await queue.complete(new)


async def test_a_job_whose_process_is_lost_in_its_last_attempt_is_dead(database):
    given_up: list[str] = []

    async def give_up(connection: Any, job: Job, reason: str) -> None:
        given_up.append(reason)

    job_id = await add(database, max_attempts=1)
    await JobQueue(database, "lost", EXPIRED).claim("work", 1)
    queue = JobQueue(database, "me", LONG, {"task": give_up})
    await queue.rescue()
    await queue.rescue()
    assert (await one(database, job_id)).state == JobState.DEAD
    assert given_up == ["The process that ran the job died."]


async def test_a_lease_that_is_renewed_is_not_rescued(database, queue):
    await add(database)
    [job] = await JobQueue(database, "slow", EXPIRED).claim("work", 1)
    assert await queue.renew([job]) == []
    assert await queue.rescue() == 0


async def test_a_job_is_dead_after_its_last_attempt_and_what_follows_is_of_the_same_transaction(database):
    async def give_up(connection: Any, job: Job, reason: str) -> None:
        await enqueue(connection, "mourn", {"reason": reason}, queue="mourning", tenant_id="t")

    queue = JobQueue(database, "me", LONG, {"task": give_up})
    job_id = await add(database, max_attempts=2)
    for _ in range(2):
        [job] = await queue.claim("work", 1)
        await queue.retry(job, "no luck", after_s=0)
    assert await queue.claim("work", 1) == []
    row = await one(database, job_id)
    assert (row.state, row.error, row.attempt) == (JobState.DEAD, "no luck", 2)
    assert [job.payload for job in await queue.claim("mourning", 9)] == [{"reason": "no luck"}]


async def test_one_lost_job_that_cannot_be_given_up_does_not_keep_the_others_lost(database):
    async def give_up(connection: Any, job: Job, reason: str) -> None:
        if job.payload["number"] == 0:
            raise ZeroDivisionError

    ids = [await add(database, number, max_attempts=1) for number in range(2)]
    await JobQueue(database, "lost", EXPIRED).claim("work", 2)
    await JobQueue(database, "me", LONG, {"task": give_up}).rescue()
    assert [(await one(database, job_id)).state for job_id in ids] == [JobState.ACTIVE, JobState.DEAD]


async def time_of(database: Database) -> datetime:
    async with database.reading() as connection:
        return moment(connection)


async def test_waiting_uses_up_no_attempt_and_failing_backs_off(database, queue):
    job_id = await add(database)
    [job] = await queue.claim("work", 1)
    await queue.postpone(job, 0)
    [job] = await queue.claim("work", 1)
    assert job.attempt == 1
    before = await time_of(database)
    await queue.retry(job, "no luck")
    run_at = (await one(database, job_id)).run_at
    assert run_at - before > timedelta(seconds=0.5)
    assert run_at - await time_of(database) <= timedelta(seconds=3)


async def test_counts_are_of_one_tenant_and_queue(database, queue):
    for tenant, name in [("t", "work"), ("t", "work"), ("t", "work"), ("t", "other"), ("u", "work")]:
        await add(database, queue=name, tenant_id=tenant)
    first, second = await queue.claim("work", 2)
    await queue.complete(first)
    await queue.give_up(second, "no")
    async with database.reading() as connection:
        counts = await count_jobs(connection, "t", "work")
    assert counts == {"waiting": 1, "active": 0, "completed": 1, "failed": 1}

"""Calls that wait for an agent: which worker takes which, on both databases."""

import asyncio
import os
from itertools import count

import psutil
import pytest

from calls.database.bell import Bell
from calls.database.changes import WAITING
from calls.database.engine import Database
from calls.states import EndReason
from calls.store import CallStore
from calls.workers import leases, waiting
from calls.workers.waiting import Claimed
from tests.calls.test_changes import listens, quiet

pytestmark = pytest.mark.restless


async def tell(database: Database, *call_ids: str, elsewhere: bool = False) -> None:
    async with database.writing() as connection:
        await waiting.tell(connection, call_ids, elsewhere=elsewhere)


async def claim(database: Database, worker: str, most: int) -> list[Claimed]:
    numbers = count(1)
    async with database.writing() as connection:
        return await waiting.claim(connection, worker, most, lambda: f"{worker}-{next(numbers)}")


async def test_each_call_is_one_workers_which_takes_no_more_than_it_may(database, place):
    placed = [(await place()).id for _ in range(5)]
    await tell(database, *placed)
    async with database.reading() as connection:
        assert [await waiting.count(connection, "worker-1", most) for most in (9, 2)] == [5, 2]
    claims = await asyncio.gather(*(claim(database, f"worker-{number}", 2) for number in range(3)))
    assert sorted(one.id for claimed in claims for one in claimed) == sorted(placed)
    assert all(len(claimed) <= 2 for claimed in claims)
    async with database.reading() as connection:
        held = {lease.call_id: (lease.worker, lease.identity) for lease in await leases.held_leases(connection)}
        assert await waiting.count(connection, "worker-1", 9) == 0
    assert held == {
        one.id: (f"worker-{number}", one.identity) for number, claimed in enumerate(claims) for one in claimed
    }


async def test_a_call_that_is_over_was_not_told_or_had_an_agent_is_not_to_be_claimed(database, place):
    over, untold, withdrawn, had = [(await place()).id for _ in range(4)]
    await tell(database, over, withdrawn, had)
    async with database.writing() as connection:
        await waiting.withdraw(connection, withdrawn)
        await CallStore(connection).finish(over, EndReason.ENDED_BY_API)
        token = await leases.take(connection, had, "worker", "agent-1")
        assert token == 1
        await leases.release(connection, had, token)
    async with database.reading() as connection:
        assert await waiting.count(connection, "another", 9) == 0
    assert await claim(database, "another", 10) == []
    async with database.writing() as connection:
        assert await leases.take(connection, untold, "worker", "agent-2") == 1


async def test_a_call_whose_agent_is_gone_is_the_next_ones_and_first_of_another_worker_if_it_could_not_enter(
    database, place
):
    call = await place()
    await tell(database, call.id)
    for token, (worker, elsewhere) in enumerate([("one", False), ("two", True), ("two", False)], 1):
        if elsewhere:
            assert await claim(database, "one", 9) == []
        [claimed] = await claim(database, worker, 9)
        assert (claimed.id, claimed.token) == (call.id, token)
        await tell(database, call.id)
        assert await claim(database, "three", 9) == [], "it has an agent"
        async with database.writing() as connection:
            await leases.release(connection, call.id, token)
        assert await claim(database, "three", 9) == [], "nobody has asked for another"
        await tell(database, call.id, elsewhere=token == 1)


async def test_workers_are_woken_by_what_is_told_to_them_and_beside_sqlite_by_nothing_else(
    database, database_url, place, until
):
    other = Database(database_url)
    call = await place()
    async with other.changes.watch(WAITING) as watch:
        await until(lambda: listens(database))
        await quiet(watch)
        await place()
        assert not await watch.wait(0.2)
        await tell(database, call.id)
        assert await watch.wait(60)
    await other.close()


async def test_a_listener_that_cannot_be_rung_is_in_no_others_way(tmp_path, until):
    opened = count_open_files()
    for number in range(20):  # whichever is first of them
        (tmp_path / f"{number}").symlink_to("/dev/full")
    bell = Bell(tmp_path)
    with bell.listening() as rung:
        bell.ring()
        await until(rung.is_set)
    assert count_open_files() == opened


def count_open_files() -> int:
    return psutil.Process().num_fds()


async def test_what_a_listener_that_was_killed_leaves_goes_with_the_next_ring(tmp_path, until):
    os.mkfifo(tmp_path / "of one who was killed")
    bell = Bell(tmp_path)
    with bell.listening() as rung:
        bell.ring()
        await until(rung.is_set)
    assert list(tmp_path.iterdir()) == []

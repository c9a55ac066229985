"""The do-not-call list of a tenant."""

import asyncio

import pytest

from calls.database.engine import DEFAULT_TENANT
from calls.errors import NotFound
from calls.phones import dnc

NUMBER = "+15551234567"


async def test_adding_a_number_twice_changes_nothing(database):
    async with database.writing() as connection:
        first, first_new = await dnc.add(connection, DEFAULT_TENANT, NUMBER, "asked")
        second, second_new = await dnc.add(connection, DEFAULT_TENANT, NUMBER, "asked again")
    assert (first_new, second_new) == (True, False)
    assert first == second
    assert first.reason == "asked"


async def test_a_batch_adds_the_new_numbers_once_and_names_what_is_no_number(database):
    async with database.writing() as connection:
        await dnc.add(connection, DEFAULT_TENANT, NUMBER)
        many = [f"+1555{n:07d}" for n in range(2, 990)]
        texts = ["+1 555 123-4567", "nobody", "+442079460958", "+44 20 7946 0958", "", *many]
        assert await dnc.add_batch(connection, DEFAULT_TENANT, texts, "list") == (989, ["nobody", ""])
        page, total = await dnc.list_entries(connection, DEFAULT_TENANT, 10, 985)
    assert (len(page), total) == (5, 990)
    assert page[-1].phone_number == NUMBER


async def test_the_same_batch_from_two_clients_at_once_adds_each_number_once(database):
    async def add() -> int:
        async with database.writing() as connection:
            return (await dnc.add_batch(connection, DEFAULT_TENANT, [NUMBER, "+442079460958"]))[0]

    assert sum(await asyncio.gather(*(add() for _ in range(4)))) == 2


async def test_only_the_listed_numbers_are_blocked_until_they_are_deleted(database):
    async with database.writing() as connection:
        await dnc.add(connection, DEFAULT_TENANT, NUMBER)
        assert await dnc.blocked(connection, DEFAULT_TENANT, [NUMBER, "+442079460958"]) == {NUMBER}
        assert await dnc.blocked(connection, "another", [NUMBER]) == set()
        assert await dnc.blocked(connection, DEFAULT_TENANT, []) == set()
        with pytest.raises(NotFound):
            await dnc.delete(connection, "another", NUMBER)
        await dnc.delete(connection, DEFAULT_TENANT, NUMBER)
        assert await dnc.blocked(connection, DEFAULT_TENANT, [NUMBER]) == set()
        with pytest.raises(NotFound):
            await dnc.delete(connection, DEFAULT_TENANT, NUMBER)

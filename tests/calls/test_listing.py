"""Walking the list of calls."""

import asyncio

import pytest

from calls.database.engine import DEFAULT_TENANT
from calls.errors import Invalid
from calls.listing import Wanted, list_calls
from calls.placing.creation import NewCall, NewParticipant, create_calls
from calls.states import EndReason


async def test_a_cursor_walk_meets_every_call_once_while_others_are_created(database, place):
    before = {(await place()).id for _ in range(23)}
    walked: list[str] = []
    cursor = None
    while True:
        async with database.reading() as connection:
            page = await list_calls(connection, DEFAULT_TENANT, Wanted(), limit=5, cursor=cursor)
        walked += [row.id for row in page.rows]
        await asyncio.gather(place(), place())
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(walked) == len(set(walked)) == 23
    assert set(walked) == before


async def test_a_walk_along_who_was_in_them_meets_every_call_that_was_created_with_others(database, agent):
    new = [NewCall(DEFAULT_TENANT, agent, [NewParticipant("webrtc", "ada")]) for _ in range(7)]
    async with database.writing() as connection:
        await create_calls(connection, new)
    walked: list[str] = []
    cursor = None
    while True:
        async with database.reading() as connection:
            page = await list_calls(connection, DEFAULT_TENANT, Wanted(participants=("ada",)), limit=2, cursor=cursor)
        walked += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert walked == [call.id for call in new[::-1]]


async def test_a_filtered_page_has_an_exact_total(database, place, finish):
    ended = [(await place()).id for _ in range(3)]
    await place()
    for call_id in ended:
        await finish(call_id, EndReason.NOBODY_JOINED)
    async with database.reading() as connection:
        page = await list_calls(connection, DEFAULT_TENANT, Wanted(status="failed"), limit=2)
    assert page.total == 3
    assert [row.id for row in page.rows] == ended[:0:-1]
    assert page.next_cursor == ended[1]


async def test_a_cursor_of_nobody_is_refused(database):
    async with database.reading() as connection:
        with pytest.raises(Invalid, match="cursor"):
            await list_calls(connection, DEFAULT_TENANT, Wanted(), limit=2, cursor="no such call")

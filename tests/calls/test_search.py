"""Finding calls by the words of their transcripts: the same ones on both kinds of database."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from calls.database.engine import DEFAULT_TENANT, Database
from calls.listing import Wanted, list_calls
from calls.migrations import alembic_config, upgrade_schema
from calls.placing.creation import NewCall
from calls.privacy.erasure import erase_call
from calls.search import backlog
from calls.search.index import call_words
from calls.search.words import MAX_BYTES, phrases_of, words_of
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import PRESSED, calls, tenants, unindexed
from calls.transcript import Segment, write_segments
from calls.workers import leases

Running = Callable[..., Awaitable[tuple[NewCall, int]]]
Said = Callable[..., Awaitable[str]]

# What is said: words that find it, and words that do not.
LANGUAGES = {
    "Die Straße nach Köln, don't you?": (["strasse", "KOLN", "don't", "köln"], ["koeln", "dont"]),
    "東京都に黒猫がいます": (["東京", "黒猫", "東京都に", "ます"], ["京東", "黒犬", "東都"]),
    "会議は3月です": (["3月", "3月です", "会議は3"], ["3日", "4月"]),
    "สวัสดีครับ ผมชื่อสมชาย": (["สวัสดี", "ครับ", "สมชาย"], ["ลาก่อน"]),
    "मेरा नाम अनिल है": (["अनिल", "नाम"], ["अनि"]),
    "Меня зовут Анна": (["анна"], ["ан"]),
    "안녕하세요 감사합니다": (["안녕하세요"], ["안녕"]),
}


@pytest.fixture
def said(database: Database, running: Running) -> Said:
    """`await said("Hello?", "Hi.")`: the id of a call that is over, in which this was said."""

    async def talk(*texts: str, source: str = "runtime", **fields: object) -> str:
        call, token = await running(**fields)
        spoken = [
            Segment(number, "user", text, number, number + 1, is_final=True, source=source)
            for number, text in enumerate(texts)
        ]
        async with database.writing() as connection:
            await write_segments(connection, call.id, token, spoken)
            await CallStore(connection).finish(call.id, EndReason.CALLER_HUNG_UP)
            await leases.release(connection, call.id, token)
        return call.id

    return talk


async def found(database: Database, words: str, tenant_id: str = DEFAULT_TENANT, **more: Any) -> list[str]:
    wanted = Wanted(phrases=tuple(phrases_of(words)), **more)
    ids: list[str] = []
    cursor = None
    while True:
        async with database.reading() as connection:
            page = await list_calls(connection, tenant_id, wanted, limit=2, cursor=cursor)
        ids += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            assert page.total == len(ids)
            return ids


async def test_a_call_is_found_by_all_of_its_words_wherever_they_were_said(database, said):
    first = await said("I want my money back.", "Which order is it?")
    second = await said("A refund, please! Order one two three.")
    assert await found(database, "ORDER") == [second, first]
    assert await found(database, "order money") == [first]
    assert await found(database, "order nothing") == []
    assert await found(database, "ord") == []


async def test_a_phrase_stands_together_and_does_not_go_on_in_what_another_says(database, said):
    first = await said("It is about the order number.", "Five.")
    second = await said("The number of my order.", "Number five.")
    assert await found(database, '"order number"') == [first]
    assert await found(database, '"number five"') == [second]
    assert await found(database, "order number five") == [second, first]


async def test_words_are_found_in_many_languages(database, said):
    for spoken, (finds, misses) in LANGUAGES.items():
        call_id = await said(spoken)
        assert {words: await found(database, words) for words in finds} == {words: [call_id] for words in finds}
        assert {words: await found(database, words) for words in misses} == {words: [] for words in misses}


async def test_what_was_pressed_and_what_is_still_being_said_is_not_found(database, running, said):
    await said("4711", source=PRESSED)
    call, token = await running()
    async with database.writing() as connection:
        spoken = [Segment(0, "user", "4711", 0, 1, is_final=True)]
        await write_segments(connection, call.id, token, spoken)
    assert await found(database, "4711") == []


async def test_only_a_tenants_own_calls_are_found(database, said):
    call_id = await said("default another")
    async with database.writing() as connection:
        await connection.execute(sa.insert(tenants).values(id="another", name="Another"))
    assert await found(database, "another") == [call_id]
    assert await found(database, "default") == [call_id]
    assert await found(database, "another", tenant_id="another") == []


async def test_words_go_together_with_every_other_filter(database, said):
    ids = [await said("hello there") for _ in range(5)]
    async with database.reading() as connection:
        times = dict((await connection.execute(sa.select(calls.c.id, calls.c.created_at))).all())
    assert await found(database, "hello") == ids[::-1]
    assert await found(database, "hello", created_from=times[ids[1]], created_to=times[ids[3]]) == [ids[2], ids[1]]
    assert await found(database, "hello", participants=("ada",)) == ids[::-1]
    assert await found(database, "hello", participants=("bob",)) == []
    assert await found(database, "hello", end_reason="caller_hung_up", transport="webrtc") == ids[::-1]
    assert await found(database, "hello", status="failed") == []


async def test_what_is_said_late_and_often_in_a_long_call_is_found_as_a_phrase(database, said):
    often = " ".join(["order number one"] * 300)
    long = " ".join(str(number) for number in range(17_000))
    call_id = await said(often, long, "The number of my order is black tulip.", "中" * 300, "黒猫がいます")
    for words in ('"one order"', '"black tulip"', "黒猫が", "中中中"):
        assert await found(database, words) == [call_id], words
    for words in ('"tulip black"', '"order one"', '"tulip 中"', "猫黒"):
        assert await found(database, words) == [], words


async def test_a_transcript_that_is_longer_than_any_database_takes_is_found_by_its_beginning(database, said):
    call_id = await said("the beginning", " ".join(f"{number:0100d}" for number in range(MAX_BYTES // 100)), "the end")
    assert await found(database, "beginning") == [call_id]
    assert await found(database, "end") == []


async def test_calls_that_were_over_before_there_was_an_index_come_into_it(database, said, monkeypatch):
    monkeypatch.setattr(backlog, "BATCH", 2)
    ids = [await said("hello there") for _ in range(5)]
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "0015"))
        await connection.run_sync(upgrade_schema)
    assert await found(database, "hello") == []
    async with database.writing() as connection:
        await erase_call(connection, DEFAULT_TENANT, ids[2])
    await backlog.index_backlog(database)
    kept = [*ids[:2], *ids[3:]]
    assert await found(database, "hello there") == kept[::-1]
    async with database.reading() as connection:
        assert list(await connection.scalars(sa.select(call_words.c.call_id).order_by(call_words.c.rowid))) == kept
        assert not await connection.scalar(sa.select(sa.exists(unindexed.select())))


def test_marks_alone_are_no_words():
    assert phrases_of('?! "" ¶ \N{ZERO WIDTH SPACE}') == []
    assert words_of(["…", "\ud83d"]) == ["¶", "¶"]

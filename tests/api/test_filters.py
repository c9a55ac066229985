"""Filters of the list of calls, and the list as a table."""

import codecs
import csv
import io
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import sqlalchemy as sa

from api import call_table
from calls import listing
from calls.errors import DatabaseAway
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import calls, participants
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.api.conftest import Api, MakeTenant, browser, phone
from tests.conftest import Until

Make = Callable[..., Awaitable[str]]
NUMBER = "+15551234567"
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


async def found(api: Api, query: str, **more: Any) -> list[str]:
    answer = await api.get(f"/v1/calls?{query}", **more)
    assert answer.status == 200, answer
    assert answer.body["total"] == len(answer.body["calls"])
    return [call["id"] for call in answer.body["calls"]]


async def create(api: Api, agent: str, *people: dict[str, Any], **more: Any) -> str:
    created = await api.post("/v1/calls", {"agent_id": agent, "participants": list(people), **more})
    assert created.status in (201, 202), created
    return str(created.body["id"])


async def talk(api: Api, call_id: str, words: str) -> None:
    """Let a browser's call take place and end."""
    async with api.database.writing() as conn:
        token = await leases.take(conn, call_id, "worker-1", "agent-1")
        assert token is not None
        await CallStore(conn).start(call_id)
        await write_segments(conn, call_id, token, [Segment(0, "user", words, 0, 900, is_final=True)])
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
        await leases.release(conn, call_id, token)


async def test_each_filter_finds_what_it_says(database_url: str, api: Api, agent: str, number: Make):
    await number()
    other = str((await api.post("/v1/agents", {"name": "Bea"})).body["id"])
    spoken = await create(api, agent, browser("Ann"))
    await talk(api, spoken, "My order is late.")
    dialled = await create(api, agent, phone(NUMBER), browser("Bob"))
    batch = {"agent_id": other, "to": ["+15551234568"], "batch_id": "spring/1"}
    of_batch = (await api.post("/v1/calls/batch", batch)).body["calls"][0]["id"]
    everything = [of_batch, dialled, spoken]
    assert {
        query: await found(api, query)
        for query in (
            "",
            f"agent_id={other}",
            "end_reason=caller_hung_up",
            "transport=pstn",
            "transport=webrtc",
            "batch_id=spring/1",
            "participant=Bob",
            "participant=Bo",
            f"participant={quote(NUMBER)}",
            "participant=%2B1 (555) 123-4567",
            f"participant={NUMBER}",  # whose plus comes as a space
            "words=ORDER",
            "words=%22late order%22",
            f"words=order&agent_id={agent}&participant=Ann&status=completed&end_reason=caller_hung_up",
            f"words=order&agent_id={other}",
        )
    } == {
        "": everything,
        f"agent_id={other}": [of_batch],
        "end_reason=caller_hung_up": [spoken],
        "transport=pstn": [of_batch, dialled],
        "transport=webrtc": [spoken],
        "batch_id=spring/1": [of_batch],
        "participant=Bob": [dialled],
        "participant=Bo": [],
        f"participant={quote(NUMBER)}": [dialled],
        "participant=%2B1 (555) 123-4567": [dialled],
        f"participant={NUMBER}": [dialled],
        "words=ORDER": [spoken],
        "words=%22late order%22": [],
        f"words=order&agent_id={agent}&participant=Ann&status=completed&end_reason=caller_hung_up": [spoken],
        f"words=order&agent_id={other}": [],
    }
    of_agent = await api.get(f"/v1/agents/{agent}/calls?participant=Bob&transport=pstn")
    assert [call["id"] for call in of_agent.body["calls"]] == [dialled]


async def test_whoever_is_in_a_call_is_found_by_the_name_that_was_given(
    database_url: str, api: Api, agent: str, number: Make
):
    await number()
    dialled = await create(api, agent, phone(NUMBER))
    names = [f"user{NUMBER}", "+1 (555) 123-4567", "0015551234567", "Ada\N{NO-BREAK SPACE}L", "\N{ROCKET}\u200dA\n"]
    made = {name: await create(api, agent, browser(name)) for name in names}
    assert {name: await found(api, f"participant={quote(name)}") for name in names} == {
        name: [made[name], dialled] if name in names[1:3] else [made[name]] for name in names
    }
    both = await create(api, agent, browser("+1 (555) 123-4567"), phone(NUMBER))
    asked = f"participant={quote('+1 (555) 123-4567')}"
    assert await found(api, asked) == [both, made["+1 (555) 123-4567"], dialled]
    assert await found(api, f"{asked}&agent_id={agent}&transport=pstn") == [dialled]


async def test_dates_are_from_then_on_and_before_then(database_url: str, api: Api, agent: str):
    ids = [await create(api, agent, browser("Ann")) for _ in range(4)]
    async with api.database.writing() as conn:
        for days, call_id in enumerate(ids):
            moment = MARCH + timedelta(days=days)
            await conn.execute(sa.update(calls).where(calls.c.id == call_id).values(created_at=moment))
            same = participants.c.call_id == call_id
            await conn.execute(sa.update(participants).where(same).values(call_created_at=moment))
    assert await found(api, "created_from=2026-03-02&created_to=2026-03-04") == ids[2:0:-1]
    assert (
        await found(api, "created_from=2026-03-01T23:00:00-01:00&created_to=2026-03-04T01:00:00+01:00") == ids[2:0:-1]
    )
    assert await found(api, "participant=Ann&created_from=2026-03-03") == ids[:1:-1]


@pytest.mark.parametrize("query", ["", "participant=Ann", "words=Hello"])
async def test_the_oldest_may_come_first_page_by_page(database_url: str, api: Api, agent: str, query: str):
    ids = [await create(api, agent, browser("Ann")) for _ in range(5)]
    for call_id in ids:
        await talk(api, call_id, "Hello")
    walked: list[str] = []
    cursor = ""
    while len(walked) < len(ids):
        page = (await api.get(f"/v1/calls?{query}&order=asc&limit=2{cursor}")).body
        walked += [call["id"] for call in page["calls"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (walked, page["next_cursor"]) == (ids, None)
    assert (await api.get("/v1/calls?order=up")).body["details"][0]["path"] == "order"


async def test_somebody_who_is_in_a_call_twice_is_found_once(database_url: str, api: Api, agent: str, number: Make):
    await number()
    call_id = await create(api, agent, phone(NUMBER), browser("Ann"))
    async with api.database.writing() as conn:
        who = sa.select(participants.c.room_identity).where(participants.c.transport == "pstn")
        await CallStore(conn).leg_failed(call_id, (await conn.scalars(who)).one(), EndReason.BUSY)
    again = await api.post(f"/v1/calls/{call_id}/participants", {"participants": [phone(NUMBER)]})
    assert again.status == 202
    assert await found(api, f"participant={quote(NUMBER)}") == [call_id]


async def test_many_are_not_counted_but_all_stand_in_the_table(
    database_url: str, api: Api, agent: str, monkeypatch: Any
):
    monkeypatch.setattr(listing, "MOST_COUNTED", 3)
    monkeypatch.setattr(call_table, "CHUNK", 2)
    ids = [await create(api, agent, browser("Ann")) for _ in range(5)]
    totals = [
        (await api.get(f"/v1/calls?{query}")).body["total"] for query in ("", "transport=webrtc", "transport=pstn")
    ]
    assert totals == [5, 4, 0]
    assert [row["id"] for row in await table(api, "transport=webrtc")] == ids[::-1]


async def test_a_filter_that_is_none_is_refused_by_name(api: Api, tenant: MakeTenant):
    bad = {
        "agent_id": "nobody",
        "end_reason": "boredom",
        "transport": "pigeon",
        "batch_id": "",
        "participant": "%00",
        "created_from": "yesterday",
        "created_to": "2026-03-01T10:00:00",
        "words": "?!",
        "nonsense": "1",
    }
    for path in ("/v1/calls", "/v1/calls.csv"):
        answers = {name: await api.get(f"{path}?{name}={value}") for name, value in bad.items()}
        assert {name: (answer.status, answer.body["details"][0]["path"]) for name, answer in answers.items()} == {
            name: (400, name) for name in bad
        }
    assert (await api.get("/v1/calls?words=refund+%E7%8C%AB")).status == 400
    assert (await api.get("/v1/calls?created_from=0001-01-01T00:00:00Z&words=a")).status == 400
    assert (await api.get("/v1/calls.csv?limit=1")).status == 400


async def table(api: Api, query: str, **more: Any) -> list[dict[str, str]]:
    headers = {"Authorization": f"Bearer {more.get('key', api.key)}"}
    async with api.session.get(f"{api.url}/v1/calls.csv?{query}", headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/csv"
        assert "calls.csv" in answer.headers["Content-Disposition"]
        content = await answer.read()
        assert content.startswith(codecs.BOM_UTF8)  # or spreadsheets take it for another encoding
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


async def test_the_table_has_what_a_row_of_the_list_has(database_url: str, api: Api, agent: str, tenant: MakeTenant):
    call_id = await create(api, agent, browser('Ann, "the first"'), metadata={"order": 4711})
    await create(api, agent, browser("=HYPERLINK(1)"))
    assert (await api.delete(f"/v1/agents/{agent}")).status == 204
    formula, row = await table(api, "")
    assert row["agent_name"] == "Aria"  # as it was then: nobody else knows it any more
    assert row["id"] == call_id
    assert row["participant"] == 'Ann, "the first"'
    assert row["metadata"] == '{"order":4711}'
    assert (row["status"], row["started_at"], row["total_cost"]) == ("connecting", "", "0.0")
    assert formula["participant"] == "'=HYPERLINK(1)"
    assert await table(api, "status=completed") == []
    assert await table(api, "", key=(await tenant()).key) == []


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[DatabaseAway], list[str]]:
    """`away(error)`: the database is, behind the first page; the cursors of the pages that it was asked for."""
    monkeypatch.setattr(call_table, "CHUNK", 1)
    monkeypatch.setattr(call_table, "RETRY_S", 0.01)

    def begin(error: DatabaseAway) -> list[str]:
        asked = []

        async def fail(*place: Any, cursor: str | None, **more: Any) -> listing.Page:
            if cursor is None:
                return await listing.list_calls(*place, cursor=cursor, **more)
            asked.append(cursor)
            raise error

        monkeypatch.setattr(call_table, "list_calls", fail)
        return asked

    return begin


async def test_a_table_whose_reader_is_gone_is_not_read_on(
    api: Api, agent: str, away: Any, until: Until, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    first, _ = [await create(api, agent, browser("Ann")) for _ in range(2)][::-1]
    asked = away(DatabaseAway())
    headers = {"Authorization": f"Bearer {api.key}"}
    async with api.session.get(f"{api.url}/v1/calls.csv", headers=headers) as answer:
        await until(lambda: len(asked) > 1)
        assert set(asked) == {first}
        answer.close()
    await until(lambda: "/v1/calls.csv" in [getattr(record, "route", "") for record in caplog.records])


@pytest.mark.parametrize(("patience_s", "cut_short"), [(0, False), (60, True)])
async def test_a_table_that_cannot_be_had_whole_is_broken_off(
    api: Api, agent: str, away: Any, monkeypatch: pytest.MonkeyPatch, patience_s: float, *, cut_short: bool
):
    monkeypatch.setattr(call_table, "PATIENCE_S", patience_s)
    for _ in range(2):
        await create(api, agent, browser("Ann"))
    asked = away(DatabaseAway(cut_short=cut_short))
    with pytest.raises(aiohttp.ClientError):
        await table(api, "")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("\N{FULLWIDTH EQUALS SIGN}1", "'\N{FULLWIDTH EQUALS SIGN}1"),
        ("\t=1", "'\t'=1"),
        ("Ann;=1+1", "Ann;'=1+1"),
        ('Ann; "@SUM(1)', "Ann; \"'@SUM(1)"),
        ("Ann\n-1", "Ann\n'-1"),
        ("Ann-Bea; Carl=1", "Ann-Bea; Carl=1"),
        ("+15551234567", "+15551234567"),
        ({"note": ";=1", "change": -5}, '{"note":";\'=1","change":-5}'),
    ],
)
def test_no_cell_is_a_formula_whatever_a_spreadsheet_takes_for_a_separator(value: object, cell: str):
    assert call_table.cell("metadata", value) == cell

"""`GET /v1/calls.csv`: all calls that match, as a table for spreadsheets, sent as it is read."""

import asyncio
import csv
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import orjson
import sqlalchemy as sa
from aiohttp import web

from api.routing import DATABASE, DATABASE_S, KEY
from api.schema.listing import CallsWanted
from calls.analysis.findings import Finding
from calls.database.allowance import limit
from calls.errors import DatabaseAway
from calls.listing import LISTED, Page, Wanted, list_calls
from calls.tenants.prices import MICROS_PER_DOLLAR

CHUNK = 500
FOUND = ("sentiment", "passed")
RETRY_S = 1
PATIENCE_S = 60
_HEADERS = {
    "Content-Type": "text/csv; charset=utf-8",
    "Content-Disposition": 'attachment; filename="calls.csv"',
    "Cache-Control": "no-store",
}
_BEGIN_UTF8 = "\N{ZERO WIDTH NO-BREAK SPACE}".encode()  # without it spreadsheets take it for another encoding
# A spreadsheet takes what begins so for a formula, also behind what it takes for the end of a cell, which is not the
# same everywhere. A phone number begins so as well, and is none.
_FORMULA = re.compile(r"^(?=[=+\-@＝＋－＠\t\r])|[;\t\r\n][\s\"]*(?=[=+\-@＝＋－＠])")
_PHONE = re.compile(r"\+[0-9]+")


async def export(request: web.Request, query: CallsWanted) -> web.StreamResponse:
    wanted = query.wanted(query.agent_id)
    page = await _read(request, wanted, None)
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    with suppress(ConnectionResetError):  # the client has gone, or was cut off
        await response.write(_BEGIN_UTF8 + _lines([_titles()]))
        await response.write(_rows(page))
        while page.next_cursor is not None:
            page = await _read_patiently(request, wanted, page.next_cursor)
            await response.write(_rows(page))
    return response


async def _read(request: web.Request, wanted: Wanted, cursor: str | None) -> Page:
    async with limit(DATABASE_S), request.app[DATABASE].reading() as conn:
        return await list_calls(conn, request[KEY].tenant_id, wanted, limit=CHUNK, cursor=cursor)


async def _read_patiently(request: web.Request, wanted: Wanted, cursor: str) -> Page:
    """The next page, also when the database was away for a minute.

    When it is away for longer, or was asked for too much, the client is cut off: half a table would look like a whole
    one. Raises ConnectionResetError when there is no client any more.
    """
    clock = asyncio.get_running_loop().time
    give_up_at = clock() + PATIENCE_S
    while (transport := request.transport) is not None and not transport.is_closing():
        try:
            return await _read(request, wanted, cursor)
        except DatabaseAway as away:
            if away.cut_short or clock() >= give_up_at:
                transport.abort()
            else:
                await asyncio.sleep(RETRY_S)
    raise ConnectionResetError


def _titles() -> list[str]:
    names = {"cost_micros": "total_cost", "primary_identity": "participant", "primary_transport": "transport"}
    return [*(names.get(name, name) for name in LISTED), *FOUND]


def _rows(page: Page) -> bytes:
    return _lines(_cells(row, page.found(row)) for row in page.rows)


def _cells(row: sa.Row[Any], found: Finding) -> list[str]:
    shown = [cell(name, value) for name, value in zip(LISTED, row, strict=False)]
    return shown + [cell(name, getattr(found, name)) for name in FOUND]


def cell(name: str, value: Any) -> str:  # noqa: ANN401 - of any column
    """What stands in the table for a value of this column: no spreadsheet takes any of it for a formula."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() if name == "cost_micros":
            return str(value / MICROS_PER_DOLLAR)
        case dict():
            return _as_text(orjson.dumps(value).decode())
        case str():
            return _as_text(value)
        case _:
            return str(value)


def _as_text(value: str) -> str:
    return value if _PHONE.fullmatch(value) else _FORMULA.sub(r"\g<0>'", value)


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()

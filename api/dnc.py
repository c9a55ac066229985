"""`/v1/dnc`: the do-not-call list."""

from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api.numbers import in_body, in_path
from api.once import Outcome, answer_once
from api.routing import DATABASE, KEY, reply
from api.schema.common import Page
from api.schema.dnc import (
    AddedToDnc,
    AddManyToDnc,
    AddToDnc,
    CheckDnc,
    DncEntry,
    DncPage,
    DncResult,
    DncResults,
)
from calls.phones import dnc


async def list_page(request: web.Request, page: Page) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        rows, total = await dnc.list_entries(conn, request[KEY].tenant_id, page.limit, page.offset)
    return reply(DncPage(entries=[_shown(row) for row in rows], total=total, **page.model_dump()))


async def add(request: web.Request, body: AddToDnc) -> web.Response:
    number = in_body(body.phone_number, "phone_number")

    async def work(conn: AsyncConnection) -> Outcome:
        row, is_new = await dnc.add(conn, request[KEY].tenant_id, number, body.reason)
        return Outcome(201 if is_new else 200, _shown(row))

    return await answer_once(request, body, work)


async def add_batch(request: web.Request, body: AddManyToDnc) -> web.Response:
    async def work(conn: AsyncConnection) -> Outcome:
        added, invalid = await dnc.add_batch(conn, request[KEY].tenant_id, body.phone_numbers, body.reason)
        return Outcome(200, AddedToDnc(added=added, invalid=invalid))

    return await answer_once(request, body, work)


async def check(request: web.Request, body: CheckDnc) -> web.Response:
    numbers = [in_body(text, f"phone_numbers[{index}]") for index, text in enumerate(body.phone_numbers)]
    async with request.app[DATABASE].reading() as conn:
        blocked = await dnc.blocked(conn, request[KEY].tenant_id, numbers)
    return reply(DncResults(results=[DncResult(phone_number=each, blocked=each in blocked) for each in numbers]))


async def delete(request: web.Request) -> web.Response:
    number = in_path(request.match_info["phone"])
    async with request.app[DATABASE].writing() as conn:
        await dnc.delete(conn, request[KEY].tenant_id, number)
    return reply(None, 204)


def _shown(row: sa.Row[Any]) -> DncEntry:
    return DncEntry(phone_number=row.phone_number, reason=row.reason, created_at=row.created_at)

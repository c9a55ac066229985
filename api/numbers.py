"""`/v1/numbers`: a tenant's own phone numbers, and the agents that answer them."""

from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api.once import Outcome, answer_once
from api.routing import DATABASE, KEY, reply
from api.schema.common import Page
from api.schema.numbers import AttachNumber, CreateNumber, Number, Numbers
from calls.errors import Invalid, NotFound
from calls.phones import numbers as phones


async def list_page(request: web.Request, page: Page) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        rows, total = await phones.list_numbers(conn, request[KEY].tenant_id, page.limit, page.offset)
    return reply(Numbers(numbers=[_shown(row) for row in rows], total=total, **page.model_dump()))


async def create(request: web.Request, body: CreateNumber) -> web.Response:
    number = in_body(body.number, "number")

    async def work(conn: AsyncConnection) -> Outcome:
        return Outcome(201, _shown(await phones.add_number(conn, request[KEY].tenant_id, number, body.agent_id)))

    return await answer_once(request, body, work)


async def attach(request: web.Request, body: AttachNumber) -> web.Response:
    number = in_path(request.match_info["number"])

    async def work(conn: AsyncConnection) -> Outcome:
        return Outcome(200, _shown(await phones.attach_number(conn, request[KEY].tenant_id, number, body.agent_id)))

    return await answer_once(request, body, work)


async def delete(request: web.Request) -> web.Response:
    number = in_path(request.match_info["number"])
    async with request.app[DATABASE].writing() as conn:
        await phones.delete_number(conn, request[KEY].tenant_id, number)
    return reply(None, 204)


def in_body(text: str, path: str) -> str:
    """The number in E.164; Invalid, naming the field, if it is none."""
    try:
        return phones.normalise(text)
    except ValueError as error:
        raise Invalid.field(path, f"expected {error}") from error


def in_path(text: str) -> str:
    """The number in E.164; what is none names nothing: NotFound."""
    try:
        return phones.normalise(text)
    except ValueError as error:
        raise NotFound("Number not found.") from error


def _shown(row: sa.Row[Any]) -> Number:
    return Number(number=row.number, agent_id=row.agent_id, created_at=row.created_at)

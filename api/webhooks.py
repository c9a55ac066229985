"""`/v1/webhooks`: the endpoints of the user's own server, and what was sent to them."""

from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api.once import Outcome, answer_once
from api.routing import DATABASE, KEY, KEYRING, SETTINGS, named, reply
from api.schema.common import Nothing, Page
from api.schema.webhooks import (
    CreateWebhook,
    Delivery,
    DeliveryPage,
    UpdateWebhook,
    Webhook,
    WebhookPage,
    WebhookWithSecret,
)
from calls.addresses import check_url
from calls.tenants import webhooks


async def list_page(request: web.Request, page: Page) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        rows, total = await webhooks.list_webhooks(conn, request[KEY].tenant_id, page.limit, page.offset)
    return reply(WebhookPage(webhooks=[Webhook(**_shown(row)) for row in rows], total=total, **page.model_dump()))


async def create(request: web.Request, body: CreateWebhook) -> web.Response:
    await _check(request, body.url)
    async with request.app[DATABASE].writing() as conn:
        row = await webhooks.create_webhook(conn, request.app[KEYRING], request[KEY].tenant_id, **body.model_dump())
    return reply(_shown_once(request, row), 201)


async def get(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        return reply(Webhook(**_shown(await webhooks.get_webhook(conn, *named(request)))))


async def update(request: web.Request, body: UpdateWebhook) -> web.Response:
    changes = body.changes()
    if "url" in changes:
        await _check(request, body.url)
    async with request.app[DATABASE].writing() as conn:
        row = await webhooks.update_webhook(conn, request.app[KEYRING], *named(request), changes)
    return reply(Webhook(**_shown(row)))


async def delete(request: web.Request) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        await webhooks.delete_webhook(conn, *named(request))
    return reply(None, 204)


async def rotate_secret(request: web.Request, _body: Nothing) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        row = await webhooks.rotate_secret(conn, request.app[KEYRING], *named(request))
    return reply(_shown_once(request, row))


async def test(request: web.Request, body: Nothing) -> web.Response:
    async def work(conn: AsyncConnection) -> Outcome:
        return Outcome(202, _delivery(await webhooks.send_test(conn, *named(request))))

    return await answer_once(request, body, work)


async def list_deliveries(request: web.Request, page: Page) -> web.Response:
    tenant_id, webhook_id = named(request)
    async with request.app[DATABASE].reading() as conn:
        rows, total = await webhooks.list_deliveries(conn, tenant_id, webhook_id, page.limit, page.offset)
    return reply(DeliveryPage(deliveries=[_delivery(row) for row in rows], total=total, **page.model_dump()))


async def redeliver(request: web.Request, _body: Nothing) -> web.Response:
    delivery_id = request.match_info["delivery_id"].lower()
    async with request.app[DATABASE].writing() as conn:
        row = await webhooks.redeliver(conn, *named(request), delivery_id)
    return reply(_delivery(row), 202)


async def _check(request: web.Request, url: str) -> None:
    await check_url(url, private_addresses=request.app[SETTINGS].webhook_private_addresses)


def _shown_once(request: web.Request, row: sa.Row[Any]) -> WebhookWithSecret:
    return WebhookWithSecret(**_shown(row), secret=request.app[KEYRING].decrypt(row.secret))


def _shown(row: sa.Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Webhook.model_fields}


def _delivery(row: sa.Row[Any]) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in Delivery.model_fields})

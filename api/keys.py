"""`/v1/keys` and `/v1/auth`: the keys of a tenant, and who the one in use is."""

from typing import Any

import sqlalchemy as sa
from aiohttp import web

from api.numbers import in_body
from api.routing import DATABASE, KEY, named, reply
from api.schema.keys import (
    ApiKey,
    ApiKeys,
    CreateApiKey,
    CreatedApiKey,
    CreatedPublishableKey,
    CreatePublishableKey,
    KeySelf,
    Me,
    PublishableKey,
    PublishableKeys,
)
from calls.tenants import keys

MICROS_PER_DOLLAR = 1_000_000
ALL_SCOPES = ["*"]


async def create_publishable(request: web.Request, body: CreatePublishableKey) -> web.Response:
    values = body.model_dump()
    if body.default_from_number is not None:
        # Whether it is the tenant's is asked when a call needs it: numbers come and go.
        values["default_from_number"] = in_body(body.default_from_number, "default_from_number")
    async with request.app[DATABASE].writing() as conn:
        row, plain = await keys.create_publishable_key(conn, request[KEY].tenant_id, **values)
    return reply(CreatedPublishableKey(**_publishable(row), key=plain), 201)


async def list_publishable(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        rows = await keys.list_keys(conn, request[KEY].tenant_id, keys.PUBLISHABLE)
    return reply(PublishableKeys(keys=[PublishableKey(**_publishable(row)) for row in rows]))


async def revoke_publishable(request: web.Request) -> web.Response:
    return await _revoke(request, keys.PUBLISHABLE)


async def create_secret(request: web.Request, body: CreateApiKey) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        row, plain = await keys.create_secret_key(
            conn,
            request[KEY].tenant_id,
            body.label,
            declared_kind=body.kind,
            scopes=body.scopes,
        )
    return reply(CreatedApiKey(**_secret(request, row), key=plain), 201)


async def list_secret(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        rows = await keys.list_keys(conn, request[KEY].tenant_id, keys.SECRET)
    return reply(ApiKeys(keys=[ApiKey(**_secret(request, row)) for row in rows]))


async def revoke_secret(request: web.Request) -> web.Response:
    return await _revoke(request, keys.SECRET)


async def me(request: web.Request) -> web.Response:
    key = request[KEY]
    dollars = key.credits_micros / MICROS_PER_DOLLAR
    return reply(Me(id=key.tenant_id, name=key.tenant_name, metered=key.metered, credits=dollars))


async def this_key(request: web.Request) -> web.Response:
    key = request[KEY]
    return reply(KeySelf(**_declared(key.declared_kind, key.scopes)))


async def _revoke(request: web.Request, kind: keys.Kind) -> web.Response:
    tenant_id, key_id = named(request)
    async with request.app[DATABASE].writing() as conn:
        await keys.revoke_key(conn, tenant_id, kind, key_id)
    return reply(None, 204)


def _publishable(row: sa.Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in PublishableKey.model_fields}


def _secret(request: web.Request, row: sa.Row[Any]) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in ("id", "key_prefix", "label", "created_at", "last_used_at")}
    return shown | _declared(row.declared_kind, row.scopes) | {"is_current": row.id == request[KEY].id}


def _declared(kind: str | None, scopes: list[str] | None) -> dict[str, Any]:
    # Every secret key may do everything, whatever its client wrote on it.
    return {"kind": kind or keys.SECRET, "scopes": ALL_SCOPES if scopes is None else scopes}

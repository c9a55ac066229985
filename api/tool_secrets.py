"""`/v1/tool-secrets`: what the tenant's tools show to the servers that they call."""

import re
from typing import Any

import sqlalchemy as sa
from aiohttp import web

from api.routing import DATABASE, KEY, KEYRING, SETTINGS, reply
from api.schema.tools import PutToolSecret, ToolSecret, ToolSecrets
from calls.addresses import check_url
from calls.errors import Invalid
from calls.tools import secrets

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


async def list_all(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        rows = await secrets.list_secrets(conn, request[KEY].tenant_id)
    return reply(ToolSecrets(secrets=[_shown(row) for row in rows]))


async def put(request: web.Request, body: PutToolSecret) -> web.Response:
    name = request.match_info["name"]
    if not _NAME.fullmatch(name):
        raise Invalid.field("name", "expected UPPER_SNAKE_CASE of at most 64 characters")
    host = f"[{body.host}]" if ":" in body.host else body.host
    private = request.app[SETTINGS].tool_private_addresses
    await check_url(f"https://{host}/", private_addresses=private, path="host")
    async with request.app[DATABASE].writing() as conn:
        row = await secrets.put_secret(
            conn, request.app[KEYRING], request[KEY].tenant_id, name, value=body.value, host=body.host
        )
    return reply(_shown(row))


async def delete(request: web.Request) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        await secrets.delete_secret(conn, request[KEY].tenant_id, request.match_info["name"])
    return reply(None, 204)


def _shown(row: sa.Row[Any]) -> ToolSecret:
    return ToolSecret(name=row.name, host=row.host, created_at=row.created_at, updated_at=row.updated_at)

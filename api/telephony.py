"""`/v1/telephony`: the tenant's SIP trunk."""

from typing import Any

import sqlalchemy as sa
from aiohttp import web

from api.routing import DATABASE, KEY, KEYRING, reply
from api.schema.telephony import PutTrunk, TelephonyStatus, Trunk
from calls.phones import trunk as telephony


async def get_status(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        status = await telephony.status(conn, request[KEY].tenant_id)
    return reply(TelephonyStatus.model_validate(status))


async def put_trunk(request: web.Request, body: PutTrunk) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        row = await telephony.put_trunk(conn, request.app[KEYRING], request[KEY].tenant_id, **body.model_dump())
        reason = await telephony.reason_of(conn, row)
    return reply(_shown(row, reason))


async def get_trunk(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        row = await telephony.get_trunk(conn, request[KEY].tenant_id)
        reason = await telephony.reason_of(conn, row)
    return reply(_shown(row, reason))


async def delete_trunk(request: web.Request) -> web.Response:
    async with request.app[DATABASE].writing() as conn:
        await telephony.delete_trunk(conn, request[KEY].tenant_id)
    return reply(None, 204)


def _shown(row: sa.Row[Any], reason: str | None) -> Trunk:
    return Trunk(
        address=row.address,
        transport=row.transport,
        username=row.username,
        allowed_addresses=row.allowed_addresses,
        state=row.state,
        reason=reason,
        updated_at=row.updated_at,
    )

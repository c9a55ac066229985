"""A tenant's secrets for the tools of its agents: each is written once, never shown, and sent to its one host only."""

import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.encryption import Keyring
from calls.database.engine import upsert
from calls.errors import Invalid, NotFound
from calls.tables import tool_secrets
from calls.tools.config import AgentTools, host_of, is_plain, places

MOST = 100  # of one tenant

Row = sa.Row[Any]


@dataclass(frozen=True)
class Secret:
    """What is sent in the place of `{{secrets.NAME}}`, and to which host; `value` is still encrypted."""

    host: str
    value: str


async def put_secret(
    conn: AsyncConnection, keyring: Keyring, tenant_id: str, name: str, *, value: str, host: str
) -> Row:
    """Make the secret, or replace it whole. Invalid if the tenant has too many."""
    known = await list_secrets(conn, tenant_id)
    if len(known) >= MOST and name not in {row.name for row in known}:
        raise Invalid.field("name", f"expected at most {MOST} secrets")
    at = moment(conn)
    values = {"host": host, "value": keyring.encrypt(value), "updated_at": at}
    statement = upsert(conn, tool_secrets).values(
        id=str(uuid.uuid4()), tenant_id=tenant_id, name=name, created_at=at, **values
    )
    await conn.execute(statement.on_conflict_do_update(index_elements=["tenant_id", "name"], set_=values))
    return (await conn.execute(sa.select(tool_secrets).where(*_own(tenant_id, name)))).one()


async def list_secrets(conn: AsyncConnection, tenant_id: str) -> list[Row]:
    """Give the tenant's secrets by name."""
    mine = sa.select(tool_secrets).where(tool_secrets.c.tenant_id == tenant_id).order_by(tool_secrets.c.name)
    return list((await conn.execute(mine)).all())


async def delete_secret(conn: AsyncConnection, tenant_id: str, name: str) -> None:
    """Forget the secret: tools that name it fail from then on. NotFound if it is not there."""
    gone = await conn.execute(tool_secrets.delete().where(*_own(tenant_id, name)))
    if gone.rowcount == 0:
        raise NotFound("Secret not found.")


async def read_secrets(conn: AsyncConnection, tenant_id: str) -> dict[str, Secret]:
    """Give the tenant's secrets as its agents' tools need them: name -> secret."""
    return {row.name: Secret(row.host, row.value) for row in await list_secrets(conn, tenant_id)}


async def check_secrets(conn: AsyncConnection, tenant_id: str, config: AgentTools, *, plain_http: bool) -> None:
    """Raise Invalid, naming the field, if a tool names a secret that is not there, or would send it elsewhere.

    Over plain `http://` a secret is sent only if `plain_http`.
    """
    named = [(*place, found) for place in places(config) for found in place.secrets]
    if not named:
        return
    known = await read_secrets(conn, tenant_id)
    for path, url, _, name in named:
        if name not in known:
            raise Invalid.field(path, f"expected a secret that is there: {name} is not")
        if known[name].host != host_of(url):
            raise Invalid.field(
                path, f"expected secrets of the host {host_of(url)}: {name} is sent to another one only"
            )
        if is_plain(url) and not plain_http:
            raise Invalid.field(path, f"expected an https:// URL, for it is sent the secret {name}")


def _own(tenant_id: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return tool_secrets.c.tenant_id == tenant_id, tool_secrets.c.name == name

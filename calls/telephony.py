"""The SIP trunk of a tenant: how its phone calls reach the phone network, and whether they can."""

from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.clock import moment
from calls.database import upsert
from calls.errors import NotFound
from calls.jobs import enqueue
from calls.tables import trunks

Row = sa.Row[Any]
Transport = Literal["udp", "tcp", "tls"]

NO_TRUNK = "No SIP trunk is configured."
PENDING = "The trunk is being set up."


async def put_trunk(
    conn: AsyncConnection,
    tenant_id: str,
    *,
    address: str,
    transport: Transport,
    username: str | None = None,
    password: str | None = None,
    allowed_addresses: list[str] | None = None,
) -> Row:
    """Save the tenant's trunk and queue its provisioning in LiveKit.

    The password is never given back, so one that is left out is kept as long as the username stays the same.
    """
    before = await find_trunk(conn, tenant_id)
    if password is None and before is not None and username is not None and before.username == username:
        password = before.password
    values = {
        "address": address,
        "transport": transport,
        "username": username,
        "password": password,
        "allowed_addresses": allowed_addresses or [],
        "state": "pending",
        "reason": PENDING,
        "updated_at": moment(conn),
    }
    statement = upsert(conn, trunks).values(tenant_id=tenant_id, livekit_ids={}, **values)
    await conn.execute(statement.on_conflict_do_update(index_elements=["tenant_id"], set_=values))
    await _provision(conn, tenant_id)
    return await get_trunk(conn, tenant_id)


async def find_trunk(conn: AsyncConnection, tenant_id: str) -> Row | None:
    """Give the tenant's trunk, if there is one."""
    return (await conn.execute(sa.select(trunks).where(trunks.c.tenant_id == tenant_id))).first()


async def get_trunk(conn: AsyncConnection, tenant_id: str) -> Row:
    """Give the tenant's trunk, or NotFound."""
    row = await find_trunk(conn, tenant_id)
    if row is None:
        raise NotFound(NO_TRUNK)
    return row


async def delete_trunk(conn: AsyncConnection, tenant_id: str) -> None:
    """Forget the trunk, and queue the removal of what LiveKit has of it. NotFound if there is none."""
    row = await get_trunk(conn, tenant_id)
    await conn.execute(trunks.delete().where(trunks.c.tenant_id == tenant_id))
    await _provision(conn, tenant_id, remove=row.livekit_ids)


async def provision_again(conn: AsyncConnection, tenant_id: str) -> None:
    """Queue the trunk's provisioning after a change of the tenant's numbers; without a trunk nothing happens."""
    if await find_trunk(conn, tenant_id) is not None:
        await _provision(conn, tenant_id)


async def status(conn: AsyncConnection, tenant_id: str) -> dict[str, object]:
    """Give `{"connected", "provider", "reason"}`: whether phone calls can be made, and if not, why."""
    row = await find_trunk(conn, tenant_id)
    connected = row is not None and row.state == "connected"
    reason = NO_TRUNK if row is None else None if connected else row.reason
    return {"connected": connected, "provider": "sip", "reason": reason}


async def record_provisioned(
    conn: AsyncConnection,
    tenant_id: str,
    *,
    livekit_ids: dict[str, str],
    failure: str | None,
) -> None:
    """Note what LiveKit made of the trunk, or why it could not."""
    state = "connected" if failure is None else "failed"
    values = {"state": state, "reason": failure, "livekit_ids": livekit_ids}
    await conn.execute(trunks.update().where(trunks.c.tenant_id == tenant_id).values(**values))


async def _provision(conn: AsyncConnection, tenant_id: str, remove: dict[str, str] | None = None) -> None:
    # One after another per tenant: LiveKit's trunk must end up as the last one saved.
    await enqueue(
        conn,
        "provision_trunk",
        {"tenant_id": tenant_id, "remove": remove or {}},
        queue="upkeep",
        tenant_id=tenant_id,
        ordering_key=f"trunk:{tenant_id}",
    )

"""The endpoints of a tenant's own server, what they are told of calls and batches, and what became of each message."""

import secrets
import uuid
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.encryption import Keyring
from calls.errors import Conflict, NotFound
from calls.jobs import enqueue
from calls.tables import calls, deliveries, participants, webhooks

Row = sa.Row[Any]

PREVIOUS_SECRET_SIGNS_FOR = timedelta(hours=24)
# Seconds between the attempts of one delivery; together a day. Each is spread by `pipeline`.
RETRY_AFTER_S = (1, 5, 15, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 14400, 14400, 14400, 14400)
TEST_EVENT = "webhook.test"
IS_THERE: sa.ColumnElement[bool] = webhooks.c.deleted_at.is_(None)


class WebhookEvent(StrEnum):
    """What an endpoint may subscribe to."""

    CALL_STARTED = "call.started"
    CALL_COMPLETED = "call.completed"
    CALL_FAILED = "call.failed"
    TRANSCRIPT_READY = "call.transcript.ready"
    RECORDING_READY = "call.recording.ready"
    INTELLIGENCE_READY = "call.intelligence.ready"
    BATCH_COMPLETED = "batch.completed"


class DeliveryStatus(StrEnum):
    """Where a message is: still being tried, answered with 2xx, or given up after a day (it can be redelivered)."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


async def create_webhook(
    conn: AsyncConnection,
    keyring: Keyring,
    tenant_id: str,
    *,
    url: str,
    events: list[WebhookEvent],
    secret: str | None = None,
    alert_email: str | None = None,
) -> Row:
    """Register an endpoint; its secret, which is kept encrypted, is made if none is given."""
    webhook_id = str(uuid.uuid4())
    stored = keyring.encrypt(secret or new_secret())
    values = {"url": url, "events": _unique(events), "secret": stored, "alert_email": alert_email}
    await conn.execute(webhooks.insert().values(id=webhook_id, tenant_id=tenant_id, **values))
    return await get_webhook(conn, tenant_id, webhook_id)


def new_secret() -> str:
    """Make a signing secret of 256 random bits."""
    return f"whsec_{secrets.token_urlsafe(32)}"


async def list_webhooks(conn: AsyncConnection, tenant_id: str, limit: int, offset: int) -> tuple[list[Row], int]:
    """Give a page of the tenant's endpoints, oldest first, and how many there are."""
    mine = _all_of(tenant_id)
    query = sa.select(webhooks).where(mine).order_by(webhooks.c.created_at, webhooks.c.id)
    rows = (await conn.execute(query.limit(limit).offset(offset))).all()
    return list(rows), await _count(conn, webhooks, mine)


async def get_webhook(conn: AsyncConnection, tenant_id: str, webhook_id: str) -> Row:
    """Give the tenant's endpoint, or NotFound."""
    row = (await conn.execute(sa.select(webhooks).where(*_own(tenant_id, webhook_id)))).first()
    if row is None:
        raise NotFound("Webhook not found.")
    return row


async def update_webhook(
    conn: AsyncConnection, keyring: Keyring, tenant_id: str, webhook_id: str, changes: dict[str, Any]
) -> Row:
    """Change the given ones of `url`, `events`, `secret`, `active`, `alert_email`; a new secret rotates the old one."""
    row = await get_webhook(conn, tenant_id, webhook_id)
    values = {**changes, "updated_at": moment(conn)}
    if "events" in changes:
        values["events"] = _unique(changes["events"])
    if "secret" in changes:
        if keyring.decrypt(row.secret) == changes["secret"]:
            values["secret"] = row.secret
        else:
            values["secret"] = keyring.encrypt(changes["secret"])
            values |= {"previous_secret": row.secret, "rotated_at": moment(conn)}
    await conn.execute(webhooks.update().where(*_own(tenant_id, webhook_id)).values(**values))
    return await get_webhook(conn, tenant_id, webhook_id)


async def rotate_secret(conn: AsyncConnection, keyring: Keyring, tenant_id: str, webhook_id: str) -> Row:
    """Make a new secret; the old one signs beside it for 24 hours more."""
    return await update_webhook(conn, keyring, tenant_id, webhook_id, {"secret": new_secret()})


async def delete_webhook(conn: AsyncConnection, tenant_id: str, webhook_id: str) -> None:
    """Have the endpoint gone; deliveries still waiting are not sent. NotFound if it is not there.

    Of many deliveries at once a call's own writes would have to wait: `prune` deletes them, and then the row.
    """
    gone = await conn.execute(webhooks.update().where(*_own(tenant_id, webhook_id)).values(deleted_at=moment(conn)))
    if gone.rowcount == 0:
        raise NotFound("Webhook not found.")


async def announce(conn: AsyncConnection, call_id: str, event: str) -> None:
    """Tell every endpoint that subscribed to `event`, a WebhookEvent, by a delivery and its job in this transaction.

    The message is written here, not when it is sent, so that it says what was true when it happened, and every
    attempt sends the same bytes. Messages about one call reach one endpoint in the order of these transactions.
    """
    call = (await conn.execute(sa.select(calls).where(calls.c.id == call_id))).one()
    endpoints = await _subscribed(conn, call.tenant_id, event)
    if not endpoints:
        return
    data = await _call_json(conn, call)
    for endpoint in endpoints:
        await _send(conn, endpoint, event, data, call_id)


async def announce_batch(conn: AsyncConnection, tenant_id: str, batch: dict[str, Any]) -> None:
    """Tell every endpoint that subscribed to it, in the same way, that a batch is over: `batch` is what there is."""
    data = {name: _iso(value) if isinstance(value, datetime) else value for name, value in batch.items()}
    for endpoint in await _subscribed(conn, tenant_id, WebhookEvent.BATCH_COMPLETED):
        await _send(conn, endpoint, WebhookEvent.BATCH_COMPLETED, data, None)


async def send_test(conn: AsyncConnection, tenant_id: str, webhook_id: str) -> Row:
    """Queue a `webhook.test` message for the endpoint, subscribed or not; the delivery tells what came of it."""
    endpoint = await get_webhook(conn, tenant_id, webhook_id)
    delivery_id = await _send(conn, endpoint, TEST_EVENT, {"message": "It works."}, None)
    return await get_delivery(conn, tenant_id, webhook_id, delivery_id)


async def list_deliveries(
    conn: AsyncConnection,
    tenant_id: str,
    webhook_id: str,
    limit: int,
    offset: int,
) -> tuple[list[Row], int]:
    """Give a page of what was sent to the endpoint, newest first, and how many there are."""
    await get_webhook(conn, tenant_id, webhook_id)
    mine = deliveries.c.webhook_id == webhook_id
    query = sa.select(deliveries).where(mine).order_by(deliveries.c.created_at.desc(), deliveries.c.id)
    rows = (await conn.execute(query.limit(limit).offset(offset))).all()
    return list(rows), await _count(conn, deliveries, mine)


async def get_delivery(conn: AsyncConnection, tenant_id: str, webhook_id: str, delivery_id: str) -> Row:
    """Give one delivery of the tenant's endpoint, or NotFound."""
    wanted = (
        deliveries.c.id == delivery_id,
        deliveries.c.webhook_id == webhook_id,
        deliveries.c.tenant_id == tenant_id,
    )
    row = (await conn.execute(sa.select(deliveries).join(webhooks).where(*wanted, IS_THERE))).first()
    if row is None:
        raise NotFound("Delivery not found.")
    return row


async def redeliver(conn: AsyncConnection, tenant_id: str, webhook_id: str, delivery_id: str) -> Row:
    """Send the same message once more, whatever became of it; Conflict while it is still being tried."""
    row = await get_delivery(conn, tenant_id, webhook_id, delivery_id)
    # Guarded: of two at once, one queues a job.
    again = deliveries.update().where(deliveries.c.id == delivery_id, deliveries.c.status != DeliveryStatus.PENDING)
    if (await conn.execute(again.values(status=DeliveryStatus.PENDING, error=None))).rowcount == 0:
        raise Conflict("This delivery is still being tried.", code="delivery_pending")
    await _queue(conn, row)
    return await get_delivery(conn, tenant_id, webhook_id, delivery_id)


async def record_attempt(
    conn: AsyncConnection,
    delivery_id: str,
    *,
    status: DeliveryStatus,
    response_status: int | None,
    response_body: str | None = None,
    error: str | None,
) -> None:
    """Count one attempt and note how it went."""
    values = {
        "status": status,
        "response_status": response_status,
        "response_body": response_body,
        "error": error,
        "attempts": deliveries.c.attempts + 1,
        "delivered_at": moment(conn) if status is DeliveryStatus.DELIVERED else None,
    }
    await conn.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(**values))


async def give_up_delivery(conn: AsyncConnection, delivery_id: str, reason: str) -> None:
    """Note that a message that was never taken will not be tried again by itself, and why."""
    pending = (deliveries.c.id == delivery_id, deliveries.c.status == DeliveryStatus.PENDING)
    await conn.execute(deliveries.update().where(*pending).values(status=DeliveryStatus.FAILED, error=reason))


async def _subscribed(conn: AsyncConnection, tenant_id: str, event: str) -> list[Row]:
    query = sa.select(webhooks).where(_all_of(tenant_id), webhooks.c.active).order_by(webhooks.c.id)
    return [row for row in await conn.execute(query) if event in row.events]


async def _send(conn: AsyncConnection, endpoint: Row, event: str, data: dict[str, Any], call_id: str | None) -> str:
    delivery_id, at = str(uuid.uuid4()), moment(conn)
    payload = {"id": delivery_id, "event": event, "created_at": _iso(at), "data": data}
    values = {
        "id": delivery_id,
        "webhook_id": endpoint.id,
        "tenant_id": endpoint.tenant_id,
        "call_id": call_id,
        "event": event,
        "payload": payload,
        "status": DeliveryStatus.PENDING,
        "created_at": at,
    }
    statement = deliveries.insert().values(**values).returning(deliveries)
    await _queue(conn, (await conn.execute(statement)).one())
    return delivery_id


async def _queue(conn: AsyncConnection, delivery: Row) -> None:
    await enqueue(
        conn,
        "deliver",
        {"delivery_id": delivery.id},
        queue="webhooks",
        tenant_id=delivery.tenant_id,
        call_id=delivery.call_id,
        ordering_key=f"{delivery.webhook_id}:{delivery.call_id or delivery.id}",
        lane=f"webhook:{delivery.webhook_id}",
        max_attempts=len(RETRY_AFTER_S) + 1,
    )


async def _call_json(conn: AsyncConnection, call: Row) -> dict[str, Any]:
    query = sa.select(participants).where(participants.c.call_id == call.id).order_by(participants.c.position)
    legs = (await conn.execute(query)).all()
    return {
        "id": call.id,
        "room_name": call.room_name,
        "agent_id": call.agent_id,
        "status": call.status,
        "end_reason": call.end_reason,
        "created_at": _iso(call.created_at),
        "started_at": _iso(call.started_at),
        "ended_at": _iso(call.ended_at),
        "bill_duration": call.bill_duration,
        "total_cost": call.cost_micros / 1_000_000,
        "metadata": call.metadata,
        "intelligence_status": call.intelligence_status,
        "participants": [
            {"id": leg.id, "transport": leg.transport, "identity": leg.identity, "status": leg.status} for leg in legs
        ],
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _all_of(tenant_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(webhooks.c.tenant_id == tenant_id, IS_THERE)


def _own(tenant_id: str, webhook_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _all_of(tenant_id), webhooks.c.id == webhook_id


def _unique(events: list[WebhookEvent]) -> list[str]:
    return [str(event) for event in dict.fromkeys(events)]


async def _count(conn: AsyncConnection, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    return await conn.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0

"""Rows that have served: how long they are kept, and their deletion in transactions so small that nobody waits."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from calls.database.clock import moment
from calls.database.engine import Database
from calls.sharing import VISITS_KEPT
from calls.tables import deliveries, idempotency_keys, jobs, processes, sessions, share_visits, webhooks, workers
from calls.tenants import idempotency
from calls.tenants.webhooks import IS_THERE, DeliveryStatus
from calls.workers.leases import held_leases
from calls.workers.life import bury_forgotten

BATCH = 1000
PAUSE_S = 0.05  # another process that writes to SQLite does not stand in line, it tries now and then


@dataclass(frozen=True)
class _Expiry:
    """Rows of `table` go when `since` is longer ago than `kept`, if they are `over`."""

    table: sa.Table
    since: sa.Column[object]
    kept: timedelta
    over: sa.ColumnElement[bool] | None = None


_DELETED = sa.select(webhooks.c.id).where(~IS_THERE)
_EXPIRIES = (
    _Expiry(jobs, jobs.c.finished_at, timedelta(days=7)),
    # Long enough to find out what a server missed, and have it sent again.
    _Expiry(deliveries, deliveries.c.created_at, timedelta(days=30), deliveries.c.status != DeliveryStatus.PENDING),
    _Expiry(deliveries, deliveries.c.created_at, timedelta(0), deliveries.c.webhook_id.in_(_DELETED)),
    _Expiry(
        webhooks, webhooks.c.deleted_at, timedelta(0), ~sa.exists().where(deliveries.c.webhook_id == webhooks.c.id)
    ),
    _Expiry(processes, processes.c.told_at, timedelta(hours=1)),
    _Expiry(workers, workers.c.told_at, timedelta(hours=1)),
    _Expiry(share_visits, share_visits.c.created_at, VISITS_KEPT),
    _Expiry(sessions, sessions.c.expires_at, timedelta(0)),
    _Expiry(idempotency_keys, idempotency_keys.c.created_at, idempotency.KEPT),
)


async def prune(database: Database) -> None:
    """Delete every row that has served, a batch at a time, until none is left, and files that show no life any more."""
    for expiry in _EXPIRIES:
        deleted = BATCH
        while deleted == BATCH:
            deleted = await _delete_some(database, expiry)
            await asyncio.sleep(PAUSE_S)
    async with database.reading() as connection:
        bury_forgotten(connection, {lease.life for lease in await held_leases(connection)})


async def _delete_some(database: Database, expiry: _Expiry) -> int:
    key = tuple(expiry.table.primary_key)
    async with database.writing() as connection:
        some = sa.select(*key).where(expiry.since < moment(connection) - expiry.kept).limit(BATCH)
        if expiry.over is not None:
            some = some.where(expiry.over)
        return (await connection.execute(sa.delete(expiry.table).where(sa.tuple_(*key).in_(some)))).rowcount

"""What has served is deleted, all of it; what has not is kept."""

import os
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from calls.agents import create_agent
from calls.database import pruning
from calls.database.engine import DEFAULT_TENANT, Database
from calls.database.pruning import prune
from calls.jobs import enqueue
from calls.tables import deliveries, idempotency_keys, jobs, share_visits, webhooks
from calls.workers.life import Life
from tests.conftest import now


async def insert(database: Database, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    async with database.writing() as connection:
        await connection.execute(sa.insert(table), rows)


async def left(database: Database, column: sa.Column[Any]) -> list[Any]:
    async with database.reading() as connection:
        return sorted(await connection.scalars(sa.select(column)))


async def test_finished_jobs_are_deleted_after_a_week_however_many_there_are(database):
    same = {"queue": "work", "kind": "task", "payload": {}, "run_at": now(), "max_attempts": 1}
    old, young = now() - timedelta(days=8), now() - timedelta(days=6)
    rows = [{**same, "tenant_id": "old", "state": "completed", "finished_at": old}] * (2 * pruning.BATCH + 1)
    await insert(database, jobs, [*rows, {**same, "tenant_id": "young", "state": "dead", "finished_at": young}])
    async with database.writing() as connection:
        await enqueue(connection, "task", {}, queue="work", tenant_id="waits", run_at=old)
    await prune(database)
    assert await left(database, jobs.c.tenant_id) == ["waits", "young"]


async def test_deliveries_are_deleted_after_a_month_unless_they_are_still_tried(database):
    endpoint = {"id": str(uuid.uuid4()), "tenant_id": DEFAULT_TENANT, "url": "https://a.b", "events": [], "secret": "s"}
    await insert(database, webhooks, [endpoint])
    same = {"webhook_id": endpoint["id"], "tenant_id": DEFAULT_TENANT, "event": "webhook.test", "payload": {}}
    ages = {"old": ("delivered", 31), "given up": ("failed", 31), "tried": ("pending", 31), "young": ("delivered", 29)}
    await insert(
        database,
        deliveries,
        [
            {**same, "id": name, "status": status, "created_at": now() - timedelta(days=days)}
            for name, (status, days) in ages.items()
        ],
    )
    await prune(database)
    assert await left(database, deliveries.c.id) == ["tried", "young"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_a_holder_left_that_died_after_its_release_is_removed(database, database_url):
    held, left_now, left_before = (Path(f"{make_url(database_url).database}-lives", f"{key:016x}") for key in (1, 2, 3))
    life = Life(1)
    async with database.writing() as connection:
        await life.show(connection)
    for path in (left_now, left_before):
        path.touch()
    for path in (held, left_before):
        os.utime(path, (0, 0))
    await prune(database)
    assert [path.exists() for path in (held, left_now, left_before)] == [True, True, False]
    life.end()


async def test_idempotent_answers_are_deleted_after_a_day(database):
    same = {"tenant_id": DEFAULT_TENANT, "scope": "/v1/calls", "body_hash": "h", "status": 201, "answer": {}}
    ages = {"old": timedelta(hours=25), "young": timedelta(hours=23)}
    rows = [{**same, "key": key, "created_at": now() - age} for key, age in ages.items()]
    await insert(database, idempotency_keys, rows)
    await prune(database)
    assert await left(database, idempotency_keys.c.key) == ["young"]


async def test_from_where_visitors_of_share_links_came_is_deleted_after_an_hour(database):
    async with database.writing() as connection:
        agent = await create_agent(connection, DEFAULT_TENANT, "Aria", {})
    ages = {"203.0.113.7": timedelta(minutes=61), "203.0.113.8": timedelta(minutes=59)}
    rows = [
        {"id": str(uuid.uuid4()), "agent_id": agent.id, "address": address, "created_at": now() - age}
        for address, age in ages.items()
    ]
    await insert(database, share_visits, rows)
    await prune(database)
    assert await left(database, share_visits.c.address) == ["203.0.113.8"]

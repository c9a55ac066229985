"""What the command line does: each command is one transaction, and answers with one JSON object."""

from argparse import Namespace
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.encryption import Keyring, encrypt_again
from calls.database.engine import Database
from calls.errors import NotFound
from calls.migrations import migrate
from calls.privacy.retention import set_retention
from calls.settings import Settings
from calls.tenants import keys
from calls.tenants.prices import MICROS_PER_DOLLAR

Json = dict[str, Any]
Command = Callable[[AsyncConnection, Namespace, Settings], Awaitable[Json]]


async def run(settings: Settings, asked: Namespace) -> Json:
    """Do what `asked.command` and `asked.verb` name, in the database of the settings."""
    database = Database(settings.database)
    try:
        await migrate(database)
        async with database.writing() as conn:
            return await COMMANDS[asked.command, asked.verb](conn, asked, settings)
    finally:
        await database.close()


async def create_key(conn: AsyncConnection, asked: Namespace, _settings: Settings) -> Json:
    row, key = await keys.create_secret_key(conn, asked.tenant, asked.label)
    return {"id": row.id, "key": key, "tenant": row.tenant_id, "label": row.label}


async def list_keys(conn: AsyncConnection, asked: Namespace, _settings: Settings) -> Json:
    return {"keys": [_key(row) for row in await _keys(conn, asked.tenant)]}


async def revoke_key(conn: AsyncConnection, asked: Namespace, _settings: Settings) -> Json:
    row = next((row for row in await _keys(conn, asked.tenant) if row.id == asked.id), None)
    if row is None:
        raise NotFound("Key not found.")
    await keys.revoke_key(conn, asked.tenant, row.kind, row.id)
    return {"revoked": _key(row)}


async def create_tenant(conn: AsyncConnection, asked: Namespace, _settings: Settings) -> Json:
    return _tenant(await keys.create_tenant(conn, asked.name, metered=asked.metered))


async def list_tenants(conn: AsyncConnection, _asked: Namespace, _settings: Settings) -> Json:
    return {"tenants": [_tenant(row) for row in await keys.list_tenants(conn)]}


async def retain(conn: AsyncConnection, asked: Namespace, _settings: Settings) -> Json:
    row = await set_retention(conn, asked.tenant, recordings=asked.recordings, transcripts=asked.transcripts)
    days = {"recordings": row.recordings_days, "transcripts": row.transcripts_days}
    return {"id": row.id, "name": row.name, "retention_days": days}


async def add_credits(conn: AsyncConnection, asked: Namespace, _settings: Settings) -> Json:
    return _tenant(await keys.add_credits(conn, asked.tenant, asked.dollars))


async def encrypt(conn: AsyncConnection, _asked: Namespace, settings: Settings) -> Json:
    return {**await encrypt_again(conn, Keyring.of(settings))}


COMMANDS: dict[tuple[str, str], Command] = {
    ("keys", "create"): create_key,
    ("keys", "list"): list_keys,
    ("keys", "revoke"): revoke_key,
    ("tenants", "create"): create_tenant,
    ("tenants", "list"): list_tenants,
    ("tenants", "retention"): retain,
    ("credits", "add"): add_credits,
    ("secrets", "encrypt"): encrypt,
}


async def _keys(conn: AsyncConnection, tenant_id: str) -> list[sa.Row[Any]]:
    await keys.get_tenant(conn, tenant_id)
    kinds: tuple[keys.Kind, ...] = (keys.SECRET, keys.PUBLISHABLE)
    return [row for kind in kinds for row in await keys.list_keys(conn, tenant_id, kind)]


def _key(row: sa.Row[Any]) -> Json:
    shown = {name: getattr(row, name) for name in ("id", "kind", "key_prefix", "label", "agent_id")}
    return {**shown, "created_at": _moment(row.created_at), "last_used_at": _moment(row.last_used_at)}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _tenant(row: sa.Row[Any]) -> Json:
    return {"id": row.id, "name": row.name, "metered": row.metered, "credits": row.credits_micros / MICROS_PER_DOLLAR}

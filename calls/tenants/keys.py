"""Tenants, their credits, and the keys that speak for them. Of a key only its hash is kept."""

import hashlib
import secrets
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.agents import get_agent
from calls.database.clock import moment
from calls.errors import NotFound
from calls.tables import api_keys, tenants

Row = sa.Row[Any]
Kind = Literal["secret", "publishable", "share"]

SECRET: Kind = "secret"  # noqa: S105 - a kind of key, not a key
PUBLISHABLE: Kind = "publishable"
SHARE: Kind = "share"  # of a share link, known to nobody: visitors' calls are made with it
SHOWN_CHARACTERS = 6  # of a key's random part, so that its owner recognises it in a list


@dataclass(frozen=True)
class Key:
    """Who asks: a key that was found, and its tenant as it is at this moment."""

    id: str
    kind: Kind
    tenant_id: str
    tenant_name: str
    metered: bool
    credits_micros: int
    declared_kind: str | None
    scopes: list[str] | None
    agent_id: str | None
    allowed_channels: list[str]
    default_from_number: str | None

    @property
    def publishable(self) -> bool:
        """Whether it is a browser's key, public by nature."""
        return self.kind != SECRET


# What `read_key` reads, of a key and its tenant.
OF_KEY = (
    api_keys.c.id,
    api_keys.c.kind,
    api_keys.c.tenant_id,
    tenants.c.name,
    tenants.c.metered,
    tenants.c.credits_micros,
    api_keys.c.declared_kind,
    api_keys.c.scopes,
    api_keys.c.agent_id,
    api_keys.c.allowed_channels,
    api_keys.c.default_from_number,
)
_FIND = (
    sa.select(api_keys.c.key_hash, *OF_KEY)
    .join_from(api_keys, tenants)
    .where(api_keys.c.key_hash.in_(sa.bindparam("hashes", expanding=True)), api_keys.c.revoked_at.is_(None))
)


async def find_keys(conn: AsyncConnection, plain: Sequence[str]) -> list[Key | None]:
    """Give the keys with their tenants, in one query; None for each that is unknown or revoked."""
    hashes = [hashed(one) for one in plain]
    found = {row.key_hash: read_key(row) for row in await conn.execute(_FIND, {"hashes": list(set(hashes))})}
    return [found.get(one) for one in hashes]


def read_key(row: sa.Row[*tuple[Any, ...]]) -> Key:
    """The key of a row that has OF_KEY."""
    return Key(
        id=row.id,
        kind=row.kind,
        tenant_id=row.tenant_id,
        tenant_name=row.name,
        metered=row.metered,
        credits_micros=row.credits_micros,
        declared_kind=row.declared_kind,
        scopes=row.scopes,
        agent_id=row.agent_id,
        allowed_channels=row.allowed_channels or [],
        default_from_number=row.default_from_number,
    )


async def create_secret_key(
    conn: AsyncConnection,
    tenant_id: str,
    label: str,
    *,
    declared_kind: str | None = None,
    scopes: list[str] | None = None,
) -> tuple[Row, str]:
    """Make a secret key; its row, and the key itself, which is known only now. NotFound for an unknown tenant."""
    await get_tenant(conn, tenant_id)
    return await _create(conn, tenant_id, SECRET, label=label, declared_kind=declared_kind, scopes=scopes)


async def create_publishable_key(
    conn: AsyncConnection,
    tenant_id: str,
    *,
    agent_id: str,
    label: str,
    allowed_channels: list[str],
    audience: str,
    default_from_number: str | None = None,
) -> tuple[Row, str]:
    """Make a browser's key for one agent; its row, and the key itself. NotFound for an unknown agent."""
    await get_agent(conn, tenant_id, agent_id)
    return await _create(
        conn,
        tenant_id,
        PUBLISHABLE,
        label=label,
        agent_id=agent_id,
        allowed_channels=allowed_channels,
        audience=audience,
        default_from_number=default_from_number,
    )


async def create_share_key(conn: AsyncConnection, tenant_id: str, agent_id: str) -> str:
    """Make the key of an agent's share link; its id."""
    row, _ = await _create(conn, tenant_id, SHARE, label="Share link", agent_id=agent_id, allowed_channels=["web"])
    return str(row.id)


async def list_keys(conn: AsyncConnection, tenant_id: str, kind: Kind) -> list[Row]:
    """Give the tenant's keys of one kind that are not revoked, the oldest first."""
    query = sa.select(api_keys).where(
        api_keys.c.tenant_id == tenant_id,
        api_keys.c.kind == kind,
        api_keys.c.revoked_at.is_(None),
    )
    return list((await conn.execute(query.order_by(api_keys.c.created_at, api_keys.c.id))).all())


async def revoke_key(conn: AsyncConnection, tenant_id: str, kind: Kind, key_id: str) -> None:
    """Revoke a key, at once and for every process; NotFound if it is not there (any more)."""
    revoked = await conn.execute(
        sa.update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.tenant_id == tenant_id, api_keys.c.kind == kind)
        .where(api_keys.c.revoked_at.is_(None))
        .values(revoked_at=moment(conn)),
    )
    if not revoked.rowcount:
        raise NotFound("Key not found.")


async def mark_used(conn: AsyncConnection, key_ids: Collection[str]) -> None:
    """Note that these keys are used now."""
    await conn.execute(sa.update(api_keys).where(api_keys.c.id.in_(key_ids)).values(last_used_at=moment(conn)))


async def create_tenant(conn: AsyncConnection, name: str, *, metered: bool = False) -> Row:
    """Make a tenant; a metered one starts with no credits."""
    tenant_id = str(uuid.uuid4())
    await conn.execute(sa.insert(tenants).values(id=tenant_id, name=name, metered=metered))
    return await get_tenant(conn, tenant_id)


async def get_tenant(conn: AsyncConnection, tenant_id: str) -> Row:
    """Give a tenant, or NotFound."""
    row = (await conn.execute(sa.select(tenants).where(tenants.c.id == tenant_id))).one_or_none()
    if row is None:
        raise NotFound("Tenant not found.")
    return row


async def list_tenants(conn: AsyncConnection) -> list[Row]:
    """Give all tenants, the oldest first."""
    return list((await conn.execute(sa.select(tenants).order_by(tenants.c.created_at, tenants.c.id))).all())


async def add_credits(conn: AsyncConnection, tenant_id: str, micros: int) -> Row:
    """Add micro-dollars to a tenant's credits; NotFound for an unknown tenant."""
    await conn.execute(
        sa.update(tenants).where(tenants.c.id == tenant_id).values(credits_micros=tenants.c.credits_micros + micros),
    )
    return await get_tenant(conn, tenant_id)


async def _create(conn: AsyncConnection, tenant_id: str, kind: Kind, **values: object) -> tuple[Row, str]:
    lead = f"sb_{kind}_"
    plain = lead + secrets.token_urlsafe(32)
    created = await conn.execute(
        sa.insert(api_keys)
        .values(
            id=str(uuid.uuid4()),
            tenant_id=tenant_id,
            kind=kind,
            key_hash=hashed(plain),
            key_prefix=plain[: len(lead) + SHOWN_CHARACTERS],
            **values,
        )
        .returning(api_keys),
    )
    return created.one(), plain


def hashed(secret: str) -> str:
    """What is kept of a key, or of a session's token."""
    # It is 256 random bits: nothing slower than SHA-256 would make it harder to guess.
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()

"""Requests that may be sent again: the answer is kept with what it tells of, in one transaction, for 24 hours."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.engine import upsert
from calls.errors import IdempotencyMismatch
from calls.tables import idempotency_keys

KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Once:
    """One request: the client's `key`, the endpoint it went to, and a hash of its body."""

    tenant_id: str
    key: str
    scope: str
    body_hash: str


@dataclass(frozen=True)
class Kept:
    """The answer that was given to a request."""

    status: int
    answer: dict[str, Any]


async def begin(conn: AsyncConnection, once: Once) -> Kept | None:
    """Claim the key in the caller's write transaction; None if the work is the caller's, else the answer it had.

    Of several at once the others wait for the first one's transaction. Raises IdempotencyMismatch for another body.
    """
    at = moment(conn)
    claim = {"body_hash": once.body_hash, "created_at": at, "status": None, "answer": None}
    claimed = await conn.execute(
        upsert(conn, idempotency_keys)
        .values(**vars(once), created_at=at)
        .on_conflict_do_update(
            index_elements=["tenant_id", "key", "scope"],
            set_=claim,
            where=idempotency_keys.c.created_at < at - KEPT,
        )
        .returning(idempotency_keys.c.key),
    )
    if claimed.scalar_one_or_none() is not None:
        return None
    row = (await conn.execute(sa.select(idempotency_keys).where(*_same(once)))).one()
    if row.body_hash != once.body_hash:
        raise IdempotencyMismatch("This Idempotency-Key came with another body before.")
    return Kept(row.status, row.answer)


async def keep(conn: AsyncConnection, once: Once, status: int, answer: dict[str, Any]) -> None:
    """Keep the answer, in the transaction that `begin` was called in."""
    await conn.execute(sa.update(idempotency_keys).where(*_same(once)).values(status=status, answer=answer))


async def forget(conn: AsyncConnection, once: Once) -> None:
    """Forget a request that came to nothing after all, so that it may be sent again."""
    await conn.execute(sa.delete(idempotency_keys).where(*_same(once)))


def _same(once: Once) -> tuple[sa.ColumnElement[bool], ...]:
    table = idempotency_keys.c
    return table.tenant_id == once.tenant_id, table.key == once.key, table.scope == once.scope

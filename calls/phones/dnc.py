"""The do-not-call list of a tenant: numbers in E.164 that are never dialled."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.engine import upsert
from calls.errors import NotFound
from calls.phones.numbers import normalise
from calls.tables import dnc

Row = sa.Row[Any]


async def add(conn: AsyncConnection, tenant_id: str, phone_number: str, reason: str | None = None) -> tuple[Row, bool]:
    """Put a number (E.164) on the list; the entry, and whether it is new. Adding it twice changes nothing."""
    new = await _insert(conn, tenant_id, [phone_number], reason)
    entry = dnc.c.phone_number == phone_number
    row = (await conn.execute(sa.select(dnc).where(dnc.c.tenant_id == tenant_id, entry))).one()
    return row, new == 1


async def add_batch(
    conn: AsyncConnection,
    tenant_id: str,
    phone_numbers: list[str],
    reason: str | None = None,
) -> tuple[int, list[str]]:
    """Put many numbers, in any spelling, on the list: how many were new, and those that are no phone numbers."""
    good: dict[str, None] = {}
    invalid = []
    for text in phone_numbers:
        try:
            good[normalise(text)] = None
        except ValueError:
            invalid.append(text)
    return await _insert(conn, tenant_id, list(good), reason), invalid


async def blocked(conn: AsyncConnection, tenant_id: str, phone_numbers: Iterable[str]) -> set[str]:
    """Give those of the numbers (E.164) that are on the tenant's list."""
    listed = dnc.c.phone_number.in_(set(phone_numbers))
    return set(await conn.scalars(sa.select(dnc.c.phone_number).where(dnc.c.tenant_id == tenant_id, listed)))


async def list_entries(conn: AsyncConnection, tenant_id: str, limit: int, offset: int) -> tuple[list[Row], int]:
    """Give a page of the list, newest first, and how many entries there are."""
    mine = dnc.c.tenant_id == tenant_id
    total = await conn.scalar(sa.select(sa.func.count()).select_from(dnc).where(mine))
    query = sa.select(dnc).where(mine).order_by(dnc.c.created_at.desc(), dnc.c.phone_number)
    return list((await conn.execute(query.limit(limit).offset(offset))).all()), total or 0


async def delete(conn: AsyncConnection, tenant_id: str, phone_number: str) -> None:
    """Take a number (E.164) off the list; NotFound if it is not on it."""
    entry = dnc.c.phone_number == phone_number
    gone = await conn.execute(dnc.delete().where(dnc.c.tenant_id == tenant_id, entry))
    if gone.rowcount == 0:
        raise NotFound("This number is not on the do-not-call list.")


async def _insert(conn: AsyncConnection, tenant_id: str, phone_numbers: list[str], reason: str | None) -> int:
    if not phone_numbers:
        return 0
    at = moment(conn)
    rows = [
        {"tenant_id": tenant_id, "phone_number": number, "reason": reason, "created_at": at}
        for number in sorted(phone_numbers)  # in one order, so that two at once do not wait for each other
    ]
    statement = upsert(conn, dnc).on_conflict_do_nothing().returning(dnc.c.phone_number)
    return len((await conn.execute(statement, rows)).all())
